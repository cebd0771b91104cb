-- W2, W3: producers send as fast as they can, one consumer takes a million messages.
local support = require "benches.support"

support.define("producer", [[
  return function(consumer, count)
    for i = 1, count do
      process.send(consumer, "item", { n = i, s = "hello" })
    end
  end
]])

support.define("consumer", [[
  local support = require "benches.support"

  return function(setting, producers, each)
    local items = process.listen("item")
    local total = producers * each
    return total / support.seconds(function()
      for _ = 1, producers do
        assert(process.spawn("bench:producer", setting.host, process.pid(), each))
      end
      for _ = 1, total do
        items:receive()
      end
    end)
  end
]])

for _, workload in ipairs { { "W2", 1 }, { "W3", 4 } } do
  local id, producers = workload[1], workload[2]
  support.print(id, support.result("bench:consumer", producers, support.count(1e6 / producers)), "messages/s")
end
