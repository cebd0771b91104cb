-- W11: an echo is requested every millisecond while processes compute, as many as a pool here has workers. The delay of
-- one is the time from the moment it was due until it is back; 99 of 100 are shorter than the figure. On LuaJIT once
-- with the compiler off in the computing processes, and once with loops that it compiles.
local process = require "process"
local support = require "benches.support"

support.define("echo", [[
  return function(partner)
    local pings = process.listen("ping")
    while true do
      process.send(partner, "pong", (pings:receive()))
    end
  end
]])

support.define("compute", [[
  return function(compiled)
    if jit and not compiled then
      jit.off()
    end
    local x = 1
    while true do
      x = (x * 31 + 7) % 65521
    end
  end
]])

support.define("pace", [[
  return function(setting, count)
    local pongs = process.listen("pong")
    local partner = assert(process.spawn("bench:echo", setting.host, process.pid()))
    local delays = {}
    for i = 1, count do
      local start = time.now()
      time.sleep("1ms")
      process.send(partner, "ping", i)
      pongs:receive()
      delays[i] = time.now():sub(start):seconds() * 1e3 - 1
    end
    process.terminate(partner)
    table.sort(delays)
    return delays[math.ceil(count * 0.99)]
  end
]])

local function delay(compiled)
  local busy = {}
  for i = 1, support.workers do
    busy[i] = assert(process.spawn("bench:compute", support.host(), compiled))
  end
  local found = support.result("bench:pace", math.max(100, support.count(500)))
  for _, pid in ipairs(busy) do
    assert(process.terminate(pid))
  end
  return found
end

support.print("W11", delay(false), "ms")
if _G.jit then
  support.print("W11/compiled", delay(true), "ms")
end
