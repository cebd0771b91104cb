-- W6: resident memory of a process that waits in receive: the growth of the whole program for each of a thousand.
local process = require "process"
local time = require "process.time"
local support = require "benches.support"

support.define("idle", [[
  return function(parent)
    process.send(parent, "ready")
    process.inbox():receive()
  end
]])

-- Resident memory of this program in KiB.
local function resident()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmRSS:%s+(%d+) kB")
    if kib then
      return tonumber(kib)
    end
  end
end

local count = support.count(1000)
local host = support.host()
local ready = process.listen("ready")

collectgarbage()
local before = resident()
for _ = 1, count do
  assert(process.spawn("bench:idle", host, process.pid()))
end
for _ = 1, count do
  ready:receive()
end
time.sleep("100ms") -- the way of the last one from `ready` into its receive
collectgarbage()
support.print("W6", (resident() - before) / count, "KiB/process")
