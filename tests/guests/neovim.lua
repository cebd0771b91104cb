-- Inside Neovim, headless: a plugin spawns workers, results arrive in the loop without blocking it, and `:q` ends it.
local primes = dofile "examples/neovim/primes.lua"

local last, longest, ticks = vim.loop.hrtime(), 0, 0
local timer = vim.loop.new_timer()
timer:start(5, 5, function()
  local now = vim.loop.hrtime()
  longest, last, ticks = math.max(longest, (now - last) / 1e6), now, ticks + 1
end)

-- One that would live for ever.
require("process").spawn(function()
  require("process.channel").new():receive()
end, "app:processes")

primes(2000000, function(total)
  local fine = total == 148933 and ticks > 1 and longest < 200
  io.stdout:write(fine and "fine\n" or ("%d primes, %d ticks, %g ms\n"):format(total, ticks, longest))
  vim.cmd "qa!"
end)
