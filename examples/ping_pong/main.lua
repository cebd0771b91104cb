-- Two processes play ping-pong: messages there and back, and the result that a process leaves behind when it ends.
--
--   lua5.4 examples/ping_pong/main.lua
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"

local pongs = process.listen("pong")
local player = assert(process.spawn_monitored("ping_pong:player", "app:processes", "Ada"))

for round = 1, 3 do
  print("ping " .. round)
  assert(process.send(player, "ping", round))
  print((pongs:receive()))
end

-- If you monitor a process, you get one EXIT event when it ends, with the return value of its `main`.
process.send(player, "stop")
local exit = process.events():receive()
assert(exit.kind == process.event.EXIT and exit.from == player)
print("Ada went home after " .. exit.result .. " balls")

-- The process is gone now. A send never waits, and never raises in this case; it returns an error.
local _, err = process.send(player, "ping", 4)
print("one more?", err:kind())
