-- What the adapters for event loops share: one is attached at a time, and how errors of what a step runs are handed on.
local process = require "process.core"
local near = require("process.supervision").near

local guest = {}

-- The name of the adapter that is attached, if one is.
local attached

-- Checks the options of `attach`: `known` has their types by name. Raises in the name of the caller's caller.
function guest.options(name, options, known)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    error(("bad argument #1 to 'attach' (table expected, got %s)"):format(type(options)), 3)
  end
  for option, value in pairs(options) do
    local wanted = option == "on_error" and "function" or known[option]
    if not wanted then
      local names = { "on_error" }
      for other in pairs(known) do
        names[#names + 1] = other
      end
      error(("%s.attach: unknown option %s%s"):format(name, tostring(option), near(tostring(option), names)), 3)
    elseif wanted ~= "any" and type(value) ~= wanted then
      error(("%s.attach: %s must be a %s, got %s"):format(name, option, wanted, type(value)), 3)
    end
  end
  return options
end

-- From now on no other adapter can be attached. Raises in the name of the caller's caller if one is.
function guest.enter(name)
  if attached then
    error(("%s.attach: process.%s is attached already"):format(name, attached), 3)
  end
  attached = name
end

-- Another one can be attached.
function guest.leave()
  attached = nil
end

-- The descriptor to be watched. Raises if there is none.
function guest.descriptor()
  local fd, err = process.pollfd()
  if not fd then
    guest.leave()
    error(err, 3)
  end
  return fd
end

-- Does what can be done now: `more, timeout` of `step`. An error goes to `on_error`, if there is one, or is raised.
function guest.step(on_error)
  if not on_error then
    return process.step()
  end
  local ok, more, timeout = pcall(process.step)
  if not ok then
    on_error(more)
    return true, 0
  end
  return more, timeout
end

-- The result of `attach`: an object whose method `detach` calls `undo` the first time.
function guest.handle(undo)
  local there = true
  return {
    detach = function()
      if there then
        there = false
        guest.leave()
        undo()
      end
    end,
  }
end

return guest
