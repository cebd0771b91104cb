-- Has a libuv loop (luv) serve the calling process: `require "process.luv".attach()`.
local guest = require "process.guest"

local luv = {}

local known = { uv = "any", keep_alive = "boolean" }

-- The handles that have been made, by their loop: each is used again, and stays. luv 1.44 crashes at the end of a
-- program that has closed a handle and not run the loop since.
local polls = {}

local function poll_of(uv, fd)
  local known_poll = polls[uv]
  if not known_poll or known_poll.fd ~= fd then
    known_poll = { fd = fd, handle = uv.new_poll(fd) }
    polls[uv] = known_poll
  end
  return known_poll.handle
end

function luv.attach(options)
  options = guest.options("luv", options, known)
  local uv = options.uv or require "luv"
  guest.enter "luv"
  local poll = poll_of(uv, guest.descriptor())
  poll:start("r", function()
    guest.step(options.on_error)
  end)
  if options.keep_alive == false then
    poll:unref()
  else
    poll:ref()
  end
  return guest.handle(function()
    poll:stop()
  end)
end

return luv
