-- W14: 200 tasks that compute for some milliseconds each, done by two processes that ask for the next one, against one
-- process that does all of them.
local support = require "benches.support"

support.define("worker", [[
  return function(master)
    local tasks = process.listen("task")
    process.send(master, "ready", { pid = process.pid() })
    local task = tasks:receive()
    while task do
      local x = task.seed
      for _ = 1, task.steps do
        x = (x * 31 + 7) % 65521
      end
      process.send(master, "ready", { pid = process.pid(), result = x })
      task = tasks:receive()
    end
  end
]])

support.define("master", [[
  local support = require "benches.support"

  return function(setting, count, steps)
    local ready = process.listen("ready")
    local function seconds(workers)
      for _ = 1, workers do
        assert(process.spawn("bench:worker", setting.host, process.pid()))
      end
      return support.seconds(function()
        local given, done = 0, 0
        while done < count do
          local message = ready:receive()
          done = done + (message.result and 1 or 0)
          if given < count then
            given = given + 1
            process.send(message.pid, "task", { seed = given, steps = steps })
          else
            process.send(message.pid, "task")
          end
        end
      end)
    end
    return seconds(1) / seconds(2)
  end
]])

local steps = _G.jit and 1000000 or 250000
support.print("W14", support.result("bench:master", math.max(20, support.count(200)), steps), "times as fast")
