-- W4: a trivial process and its EXIT, one after the other. W4b: a thousand alive at once, then ended.
local support = require "benches.support"

support.define("trivial", [[ return function() end ]])
support.define("waiting", [[ return function() process.inbox():receive() end ]])

support.define("one_by_one", [[
  local support = require "benches.support"

  return function(setting)
    local events = process.events()
    return support.rate(setting.span, function(n)
      for _ = 1, n do
        assert(process.spawn_monitored("bench:trivial", setting.host))
        events:receive()
      end
    end)
  end
]])

support.define("together", [[
  local support = require "benches.support"

  return function(setting, count)
    local events = process.events()
    return count / support.seconds(function()
      local pids = {}
      for i = 1, count do
        pids[i] = assert(process.spawn_monitored("bench:waiting", setting.host))
      end
      for _, pid in ipairs(pids) do
        process.send(pid, "stop")
      end
      for _ = 1, count do
        events:receive()
      end
    end)
  end
]])

support.print("W4", support.result("bench:one_by_one"), "processes/s")
support.print("W4b", support.result("bench:together", 1000), "processes/s")
