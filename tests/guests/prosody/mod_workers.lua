-- A module of Prosody: it computes in a process, and is served in the server's own loop. The result goes into a file.
local process = require "process"
local timer = require "util.timer"
local out = assert(io.open(module:get_option_string "workers_out", "w"))
out:setvbuf "no"

local function sum(n)
  local total = 0
  for i = 1, n do
    total = total + i
  end
  return total
end

local left = 3
process.on(process.listen "number", function()
  left = left - 1
  if left == 0 then
    out:write(process.exec(sum, "app:processes", 1000) == 500500 and "fine\n" or "wrong\n")
  end
end)
-- In the server's loop: by then it has become a daemon. That forks, and no process may be alive at that moment.
timer.add_task(0, function()
  assert(process.spawn(function(parent)
    for i = 1, 3 do
      require("process").send(parent, "number", i)
    end
  end, "app:processes", process.pid()))
end)

timer.add_task(0.01, function()
  process.step()
  return 0.01
end)
