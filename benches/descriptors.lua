-- What an event costs with 100, 1,000 and 9,900 watched descriptors: socket pairs, watched by ten processes on a pool
-- of two workers.
--
--   LUA_CPATH='build/lua54/?.so;;' lua5.4 benches/descriptors.lua
--
-- It needs luv, and room for 20,000 open files (`ulimit -n`).
local process = require "process"
local time = require "process.time"
local uv = require "luv"

local EVENTS, WINDOW, WATCHERS = 20000, 64, 10

assert(process.define_host("bench:pool", { workers = 2 }))

-- Reads from each descriptor what comes, and says so.
local function watch(parent, descriptors)
  local files = require "luv"
  for _, fd in ipairs(descriptors) do
    process.on(assert(process.poll(fd, "r")), function(_, ok)
      if ok then
        files.fs_read(fd, 1)
        process.send(parent, "got")
      end
    end)
  end
  process.send(parent, "ready")
  process.listen("end"):receive()
end

local got, ready = process.listen "got", process.listen "ready"

for _, count in ipairs { 100, 1000, 9900 } do
  local ours, theirs = {}, {}
  for number = 1, count do
    local pair = assert(uv.socketpair("stream", nil, { nonblock = true }, { nonblock = true }))
    ours[number], theirs[number] = pair[1], pair[2]
  end
  local pids = {}
  for number = 1, WATCHERS do
    local part = {}
    for place = number, count, WATCHERS do
      part[#part + 1] = theirs[place]
    end
    pids[number] = assert(process.spawn_monitored(watch, "bench:pool", process.pid(), part))
    ready:receive()
  end
  local start = time.now()
  for event = 1, EVENTS do
    uv.fs_write(ours[math.random(count)], "x")
    if event > WINDOW then
      got:receive()
    end
  end
  for _ = 1, WINDOW do
    got:receive()
  end
  local seconds = time.now():sub(start):seconds()
  print(("%6d descriptors: %6.2f us an event"):format(count, seconds / EVENTS * 1e6))
  for _, pid in ipairs(pids) do
    process.send(pid, "end")
    process.events():receive()
  end
  for number = 1, count do
    uv.fs_close(ours[number])
    uv.fs_close(theirs[number])
  end
end
