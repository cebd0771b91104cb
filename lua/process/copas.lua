-- Has copas serve the calling process, in a thread of its own: `require "process.copas".attach()`.
local process = require "process.core"
local guest = require "process.guest"

local adapter = {}

-- What copas takes for a socket: it is readable when the descriptor is.
local function socket_of(fd)
  local asked = false
  return {
    getfd = function()
      return fd
    end,
    dirty = function()
      return false
    end,
    -- The first call has copas wait; the second one comes when the wait is over.
    receive = function()
      asked = not asked
      if asked then
        return nil, "timeout"
      end
      return "ready"
    end,
    settimeout = function() end,
  }
end

function adapter.attach(options)
  options = guest.options("copas", options, {})
  local copas = require "copas"
  guest.enter "copas"
  local socket, there = socket_of(guest.descriptor()), true
  local function serve()
    while true do
      copas.receive(socket)
      if not there then
        return
      end
      local ok, raised = pcall(guest.step, options.on_error)
      if not ok then
        copas.addthread(serve)
        error(raised, 0)
      end
    end
  end
  copas.addthread(serve)
  return guest.handle(function()
    there = false
    -- Something to do, so that the thread wakes, and ends.
    local over = process.channel.new()
    over:close()
    process.on(over, function() end)
  end)
end

return adapter
