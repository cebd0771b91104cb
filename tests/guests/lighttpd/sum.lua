-- A script of lighttpd's mod_magnet: a request is handled by a process.
local process = require "process"

local total = process.exec(function(n)
  local sum = 0
  for i = 1, n do
    sum = sum + i
  end
  return sum
end, "app:processes", 1000)
lighty.content = { total == 500500 and "fine\n" or "wrong\n" }
return 200
