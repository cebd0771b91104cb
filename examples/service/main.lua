-- A service that others ask: accounts in a process of their own. Requests are answered one after the other, errors
-- come back as errors, and nobody waits for a service that is gone.
--
--   lua5.4 examples/service/main.lua
local process = require "process"

-- The service. What a handler returns is the reply; `nil` and a text is a failure.
local function bank()
  local server = require "process.server"
  return server.run({
    call = {
      balance = function(accounts, name)
        return accounts[name], accounts[name] and nil or "no account: " .. name
      end,
      transfer = function(accounts, order)
        local left = (accounts[order.from] or 0) - order.amount
        if left < 0 then
          return nil, "not enough money: " .. order.from
        end
        accounts[order.from] = left
        accounts[order.to] = (accounts[order.to] or 0) + order.amount
        return left
      end,
      close = function()
        server.stop()
        return "good night"
      end,
    },
    cast = { -- plain messages, which want no reply
      deposit = function(accounts, order)
        accounts[order.to] = (accounts[order.to] or 0) + order.amount
      end,
    },
  })
end

-- What clients call: the service behind functions.
local client = {}
function client.deposit(to, amount) return process.send("bank", "deposit", { to = to, amount = amount }) end
function client.balance(name) return process.call("bank", "balance", name) end
function client.transfer(from, to, amount)
  return process.call("bank", "transfer", { from = from, to = to, amount = amount }, { timeout = "2s" })
end

process.with_options({}):with_name("bank"):spawn_monitored(bank, "app:processes")
client.deposit("ada", 100)
print("ada has", client.balance("ada"))
print("bob has", client.balance("bob"))
print("left after 30", client.transfer("ada", "bob", 30))
print("left after 300", client.transfer("ada", "bob", 300))
print("bob has", client.balance("bob"))
print("closing", process.call("bank", "close"))
print("ended", process.events():receive().kind)
print("ada has", client.balance("ada"))
