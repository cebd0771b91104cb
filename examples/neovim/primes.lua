-- A plugin for Neovim: `:Primes 200000` counts primes in four processes while you go on typing. The results arrive in
-- Neovim's own loop.
--
--   nvim -u NONE -c "luafile examples/neovim/primes.lua"
local process = require "process"

-- The library is served from Neovim's loop from here on, and what was spawned ends with Neovim.
require("process.nvim").attach()

local function count(from, to)
  local found = 0
  for n = from, to do
    local prime = n > 1
    for d = 2, math.floor(math.sqrt(n)) do
      if n % d == 0 then
        prime = false
        break
      end
    end
    found = found + (prime and 1 or 0)
  end
  return found
end

-- Calls done(total) when it is known; returns at once.
local function primes(limit, done)
  local left, total, part = 4, 0, math.ceil(limit / 4)
  for number = 0, 3 do
    coroutine.spawn(function()
      local last = math.min((number + 1) * part, limit)
      local found = process.exec(count, "app:processes", number * part + 1, last)
      total = total + found
      left = left - 1
      if left == 0 then
        done(total)
      end
    end)
  end
end

vim.api.nvim_create_user_command("Primes", function(command)
  local limit = tonumber(command.args)
  primes(limit, function(total)
    vim.notify(("%d primes up to %d"):format(total, limit))
  end)
end, { nargs = 1 })

return primes
