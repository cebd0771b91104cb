-- W1, W5: two processes throw a ball to and fro; a round trip is two messages. W15: one asks the other, as in W1.
local support = require "benches.support"
local workloads = require "benches.workloads"

local balls = {
  { "W1", { n = 1, s = "hello" } },
  { "W5a", require "benches.t1k" },
  { "W5b", ("x"):rep(64 * 1024) },
  { "W5c", ("x"):rep(1024 * 1024) },
}

for _, ball in ipairs(balls) do
  support.print(ball[1], workloads.rally(ball[2]), "round trips/s")
end
support.print("W15", workloads.calls(balls[1][2]), "calls/s")
