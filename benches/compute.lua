-- W10: the cost of a loop inside a process. The host `bare` runs the same code without the library.
-- Run as  compute.lua [scale [host [loop]]];  without a loop it runs all of them.
local loops = require "benches.loops"

local scale, host, only = tonumber(arg[1]) or 1, arg[2], arg[3]

local run = loops.main
if host ~= "bare" then
  local support = require "benches.support"
  support.define("loop", [[
    local loops = require "benches.loops"
    return function(_, name, scale) return loops.main(name, scale) end
  ]])
  run = function(...) return support.result("bench:loop", ...) end
end

for _, loop in ipairs(loops.ids) do
  local id, name = loop[1], loop[2]
  if not only or only == name then
    print(("%s %.6g ms"):format(id, run(name, scale)))
  end
end
