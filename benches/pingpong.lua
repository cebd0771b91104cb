-- W1, W5: two processes throw a ball to and fro. A round trip is two messages.
local support = require "benches.support"

support.define("echo", [[
  return function(partner)
    local pings = process.listen("ping")
    local ball = pings:receive()
    while ball do
      process.send(partner, "pong", ball)
      ball = pings:receive()
    end
  end
]])

support.define("rally", [[
  local support = require "benches.support"

  return function(setting, ball)
    local pongs = process.listen("pong")
    local partner = assert(process.spawn("bench:echo", setting.host, process.pid()))
    local rate = support.rate(setting.span, function(n)
      for _ = 1, n do
        process.send(partner, "ping", ball)
        ball = pongs:receive()
      end
    end)
    process.send(partner, "ping")
    return rate
  end
]])

local balls = {
  { "W1", { n = 1, s = "hello" } },
  { "W5a", require "benches.t1k" },
  { "W5b", ("x"):rep(64 * 1024) },
  { "W5c", ("x"):rep(1024 * 1024) },
}

for _, ball in ipairs(balls) do
  support.print(ball[1], support.result("bench:rally", ball[2]), "round trips/s")
end
