-- Has Neovim serve the calling process in its main loop: `require "process.nvim".attach()`. When Neovim is left,
-- everything that was spawned ends.
local process = require "process.core"
local guest = require "process.guest"

local adapter = {}

function adapter.attach(options)
  options = guest.options("nvim", options, {})
  local vim = _G.vim
  if type(vim) ~= "table" or not vim.loop then
    error("nvim.attach: not inside Neovim", 2)
  end
  guest.enter "nvim"
  local poll, there = vim.loop.new_poll(guest.descriptor()), true
  local watch

  -- Callbacks of the loop may not call most of Neovim; what it schedules may.
  local function serve()
    if there then
      watch()
      guest.step(options.on_error)
    end
  end

  function watch()
    poll:start("r", function()
      poll:stop()
      vim.schedule(serve)
    end)
  end

  watch()
  local handle
  local command = vim.api.nvim_create_autocmd("VimLeavePre", {
    callback = function()
      handle.detach()
      process.shutdown()
    end,
  })
  handle = guest.handle(function()
    there = false
    poll:stop()
    poll:close()
    pcall(vim.api.nvim_del_autocmd, command)
  end)
  return handle
end

return adapter
