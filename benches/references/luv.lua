-- W4 of luv: a thread with a Lua state of its own that does nothing, and the wait for its end.
local support = require "benches.support"

local found, uv = pcall(require, "luv")
if not found then
  return
end

local function trivial() end
support.print("W4", support.rate(0.4 * support.scale, function(n)
  for _ = 1, n do
    uv.thread_join(uv.new_thread(trivial))
  end
end), "processes/s")
