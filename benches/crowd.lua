-- W9: the cost that 10,000 idle processes, timers or names add to W1 and W2: the time of a message among them, divided
-- by its time without. Each is the best of several short runs; the runs without come before and after. The timers
-- belong to the process that measures, the names to the main process.
local process = require "process"
local support = require "benches.support"
local workloads = require "benches.workloads"

local runs, count = 5, 10000
support.scale = support.scale / 3

support.define("idle", [[ return function() process.inbox():receive() end ]])

-- Each makes its crowd: the function that dismisses it, and how many timers the measuring process is to start.
local crowds = {
  processes = function()
    local events, pids = process.events(), {}
    for i = 1, count do
      pids[i] = assert(process.spawn_monitored("bench:idle", support.host()))
    end
    return function()
      for _, pid in ipairs(pids) do
        process.send(pid, "stop")
      end
      for _ = 1, count do
        events:receive()
      end
    end
  end,
  timers = function()
    return function() end, count
  end,
  names = function()
    for i = 1, count do
      assert(process.registry.register("bench:crowd:" .. i))
    end
    return function()
      for i = 1, count do
        process.registry.unregister("bench:crowd:" .. i)
      end
    end
  end,
}

local measurements = {
  { "W1", function(timers) return workloads.rally({ n = 1, s = "hello" }, timers) end },
  { "W2", function(timers) return workloads.stream(1, support.count(1e6), timers) end },
}

-- The best rate of each measurement, by its id.
local function measure(timers)
  local best = {}
  for _, measurement in ipairs(measurements) do
    local id, run = measurement[1], measurement[2]
    best[id] = 0
    for _ = 1, runs do
      best[id] = math.max(best[id], (run(timers)))
    end
  end
  return best
end

local before = measure()
for _, name in ipairs { "processes", "timers", "names" } do
  local dismiss, timers = crowds[name]()
  local among = measure(timers)
  dismiss()
  local after = measure()
  for _, measurement in ipairs(measurements) do
    local id = measurement[1]
    support.print(("W9/%s/%s"):format(id, name), math.max(before[id], after[id]) / among[id], "time with / without")
  end
  before = after
end
