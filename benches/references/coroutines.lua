-- W1, for orientation: two coroutines of one state throw a ball to and fro, nothing is copied.
local support = require "benches.support"

local throw = coroutine.wrap(function(ball)
  while true do
    ball = coroutine.yield(ball)
  end
end)

local ball = { n = 1, s = "hello" }
support.print("W1", support.rate(0.4 * support.scale, function(n)
  for _ = 1, n do
    ball = throw(ball)
  end
end), "round trips/s")
