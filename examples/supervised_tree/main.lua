-- A tree of supervisors: a shop with a ledger and a floor of two tills. A till that crashes is started again; when the
-- ledger crashes, the floor, which comes after it, is started again too.
--
--   lua5.4 examples/supervised_tree/main.lua
local process = require "process"
local supervisor = require "process.supervisor"

-- Adds up what it is told; knows nothing of before it was started.
local function ledger()
  local function add(state, price)
    state.sum = state.sum + price
    return state.sum
  end
  require("process.server").run({ call = { add = add } }, { sum = 0 })
end

-- Says that it is open, then sells.
local function till(customer)
  process.send(customer, "open", true)
  local function sell(_, price)
    return process.call("ledger", "add", price)
  end
  require("process.server").run { call = { sell = sell } }
end

local function floor(customer, main)
  return require("process.supervisor").run {
    on_event = function() end,
    children = {
      { id = "till 1", name = "till 1", entry = main, args = { customer } },
      { id = "till 2", name = "till 2", entry = main, args = { customer } },
    },
  }
end

local open = process.listen("open")
local function wait_for(count)
  for _ = 1, count do open:receive() end
  print("tills opened", count)
end

local shop = assert(supervisor.spawn {
  strategy = "rest_for_one",
  on_event = function() end,
  children = {
    { id = "ledger", name = "ledger", entry = ledger },
    { id = "floor", entry = floor, args = { process.pid(), till }, ready = "10s", shutdown = false },
  },
})
wait_for(2)
print("sold, sum", process.call("till 1", "sell", 30))
process.terminate(process.registry.lookup("till 2"))
wait_for(1)
print("sold, sum", process.call("till 2", "sell", 8))
process.terminate(process.registry.lookup("ledger"))
wait_for(2)
print("restarts", supervisor.count(shop).restarts)
process.cancel(shop)
print("closed", process.wait("20s"))
