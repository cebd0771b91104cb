-- The errors of supervisors: their texts and kinds (B-130 to B-134), and those of the library that a supervisor gives
-- in its own name.
local process = require "process.core"
local native = require "process.supervision"
local errors = process.errors
local shown = native.shown

local failures = {}

local function new(kind, message, details)
  return errors.new { kind = errors[kind], message = message, retryable = false, details = details }
end

function failures.bad_spec(field, problem)
  return new("INVALID", "supervisor: " .. field .. ": " .. problem)
end

-- `cause` is the last exit's error, nil if it was normal.
function failures.too_many(intensity, period, id, cause)
  local reason = cause and tostring(cause) or "ended normally"
  return new("INTERNAL", "supervisor: more than " .. tostring(intensity) .. " restarts within " .. tostring(period)
    .. ", last: " .. shown(id) .. ": " .. reason)
end

function failures.unknown(id)
  return new("NOT_FOUND", "supervisor: no child " .. shown(tostring(id)))
end

function failures.exists(id)
  return new("ALREADY_EXISTS", "supervisor: child already exists: " .. shown(id))
end

function failures.is_running(id)
  return new("CONFLICT", "supervisor: child is running: " .. shown(id))
end

function failures.not_ready(child)
  return new("TIMEOUT", "supervisor: child not ready within " .. tostring(child.ready) .. ": " .. shown(child.id))
end

function failures.name_taken(name, owner)
  return new("ALREADY_EXISTS", "name already registered: " .. shown(name), { existing_pid = owner })
end

function failures.not_allowed(host, command)
  return new("PERMISSION_DENIED", "not allowed on host " .. host .. ": supervisor." .. command)
end

function failures.no_handler(topic)
  return new("NOT_FOUND", "no handler for " .. shown(topic))
end

-- As the library says it of one that is ended by a link: a chain of failures quotes the first.
function failures.linked(from, cause)
  local details = cause:details()
  local origin, reason = from, tostring(cause)
  if details and details.from and details.origin and details.reason then
    origin, reason = details.origin, details.reason
  end
  local message = "linked process failed: " .. from .. ": " .. reason
  return new("INTERNAL", message, { from = from, origin = origin, reason = reason })
end

-- What was raised, as an error object with the stack of where that was.
function failures.raised(value)
  return type(value) == "userdata" and value or new("INTERNAL", tostring(value))
end

return failures
