-- W7: a token goes round a ring of a thousand processes. A hop is one message.
local support = require "benches.support"

support.define("member", [[
  return function(next_one)
    local tokens = process.listen("token")
    while true do
      process.send(next_one, "token", (tokens:receive()))
    end
  end
]])

support.define("ring", [[
  local support = require "benches.support"

  return function(setting, size)
    local tokens = process.listen("token")
    local next_one = process.pid()
    for _ = 2, size do
      next_one = assert(process.spawn("bench:member", setting.host, next_one))
    end
    local function run(laps)
      for lap = 1, laps do
        process.send(next_one, "token", lap)
        tokens:receive()
      end
    end
    -- The first laps wait for the members to be born, and on LuaJIT for the work of a thousand compilers.
    run(200)
    return size * support.rate(setting.span, run)
  end
]])

support.print("W7", support.result("bench:ring", 1000), "hops/s")
