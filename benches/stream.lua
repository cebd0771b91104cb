-- W2, W3: producers send as fast as they can, one consumer takes a million messages.
local support = require "benches.support"
local workloads = require "benches.workloads"

for _, workload in ipairs { { "W2", 1 }, { "W3", 4 } } do
  local id, producers = workload[1], workload[2]
  support.print(id, workloads.stream(producers, support.count(1e6 / producers)), "messages/s")
end
