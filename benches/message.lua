-- So many small messages, for benches/profile: `self` sends them to itself, `pool` throws them to and fro on one
-- worker, `threads` between two threads. Prints the nanoseconds of one. Run as  message.lua COUNT [self|pool|threads]
local process = require "process"
local time = require "process.time"

local count, way = tonumber(arg[1]), arg[2] or "self"

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
  return function(count, way)
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

local start = time.now()
process.spawn_monitored("bench:message", "bench:host", count, way)
process.events():receive()
print(("%.1f"):format(time.now():sub(start):seconds() * 1e9 / count))
