-- Many small messages, for benches/profile: `self` sends them to itself, `pool` throws them to and fro on one
-- worker, `threads` between two threads. Prints the nanoseconds of one.
-- Run as  message.lua COUNT [self|pool|threads [processes|timers|names]];  the last makes 10,000 of these before, but
-- 1,000 processes, so that making them does not take so many instructions that those of the messages are lost in it.
local process = require "process"
local time = require "process.time"

local count, way, crowd = tonumber(arg[1]), arg[2] or "self", arg[3]

process.define_host("bench:host", way == "threads" and {} or { workers = 1 })

process.define("bench:echo", [[
  return function(partner)
    local pings = process.listen("item")
    while true do
      process.send(partner, "item", (pings:receive()))
    end
  end
]])

process.define("bench:message", [[
  return function(count, way, timers)
    local pending = {}
    for i = 1, timers do
      pending[i] = time.after("1h")
    end
    local item, items, to = { n = 1, s = "hello" }, process.listen("item"), process.pid()
    if way ~= "self" then
      to, count = assert(process.spawn_linked("bench:echo", "bench:host", to)), count / 2
    end
    for _ = 1, count do
      process.send(to, "item", item)
      item = items:receive()
    end
    process.terminate(to)
  end
]])

process.define("bench:idle", "return function() process.inbox():receive() end")
for i = 1, crowd == "processes" and 1e3 or 0 do
  assert(process.spawn("bench:idle", "bench:host", i))
end
for i = 1, crowd == "names" and 1e4 or 0 do
  assert(process.registry.register("bench:name:" .. i))
end

local start = time.now()
process.spawn_monitored("bench:message", "bench:host", count, way, crowd == "timers" and 1e4 or 0)
process.events():receive()
print(("%.1f"):format(time.now():sub(start):seconds() * 1e9 / count))
