-- W1, W5: two processes throw a ball to and fro. A round trip is two messages.
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
