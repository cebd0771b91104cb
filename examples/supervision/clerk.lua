-- A clerk: registers under a name, tells the customer, and sells its goods. Asked for anything else, it fails.
local process = require "process"

local function main(customer)
  local stock = { apples = 3, pears = 1, plums = 9 }
  local orders = process.listen("order")
  assert(process.registry.register("clerk"))
  process.send(customer, "open")
  while true do
    local fruit = orders:receive()
    if not stock[fruit] then
      error("never heard of " .. fruit, 0)
    end
    stock[fruit] = stock[fruit] - 1
    process.send(customer, "answer", fruit .. ", here you are; " .. stock[fruit] .. " left")
  end
end

return { main = main }
