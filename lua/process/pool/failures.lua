-- The errors of pools.
local process = require "process"
local errors = process.errors

local failures = {}

local function failure(kind, message, details)
  return errors.new({ kind = kind, message = message, retryable = false, details = details })
end

local function closed()
  return failure(errors.CANCELED, "pool is closed")
end

local function is_error(value)
  return type(value) == "userdata" and errors.call_stack(value) ~= nil
end

-- The same refusal of a value, which the caller knows under another place than the library does.
local function moved(refusal, place, known)
  local text, found = refusal:message():gsub(place, known, 1)
  if found == 0 then
    return refusal
  end
  return failure(refusal:kind(), (text:gsub("^(.-%(%a+ ?%d*)([.[])", "%1, %2", 1)))
end

failures.new, failures.closed, failures.is_error, failures.moved = failure, closed, is_error, moved

return failures
