-- Checks what the functions of pools are given.
local process = require "process"
local failures = require "process.pool.failures"
local errors, time = process.errors, process.time
local failure = failures.new
local near = require("process.supervision").near

local arguments = {}
-- So many values fit into any queue.
arguments.UNLIMITED = 2 ^ 31 - 1
local UNLIMITED = arguments.UNLIMITED

local function name_of_type(value)
  return value == nil and "no value" or type(value)
end

local function check(value, wanted, position, name)
  if type(value) ~= wanted then
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(position, name, wanted, name_of_type(value)), 3)
  end
end

local function is_count(value, least)
  return type(value) == "number" and value >= least and value % 1 == 0 and value < UNLIMITED
end

-- The number of items: `n`, as in the results of `map`, or the length.
local function count_items(items, level)
  if is_count(items.n, 0) then
    return items.n
  end
  local count = #items
  for key in pairs(items) do
    if not is_count(key, 1) or key > count then
      local text = "bad argument #1 to 'map' (array expected, got a table with the key %s)"
      error(text:format(tostring(key)), level)
    end
  end
  return count
end

-- The duration in nanoseconds, or nil and why it is none.
local function span_of(value, name, least)
  if type(value) == "number" and value >= 1 and value <= 999 and value % 1 == 0 then
    local text = '%s: %d is %d nanoseconds; write "%ds", "%dms" or %d * time.SECOND'
    return nil, failure(errors.INVALID, text:format(name, value, value, value, value, value))
  end
  local duration, err = time.parse_duration(value)
  if not duration then
    return nil, failure(errors.INVALID, (err:message():gsub("^[%w_.]+", name, 1)))
  elseif duration:nanoseconds() < least then
    local text = least == 0 and ": duration must not be negative" or ": duration must be greater than zero"
    return nil, failure(errors.INVALID, name .. text)
  end
  return duration
end

local known = { host = "string", on_progress = "function", stop_on_error = "boolean" }

-- A copy of the options. What is wrong with them is raised, but for a bad time-out, which is checked later.
local function read_options(given, queue)
  local options = {}
  for name, value in pairs(given or {}) do
    if name == "workers" or name == "queue" and queue then
      if not is_count(value, name == "workers" and 1 or 0) then
        local least = name == "workers" and "1" or "0"
        error(("pool: %s: whole number from %s expected, got %s"):format(name, least, tostring(value)), 3)
      end
    elseif known[name] then
      if type(value) ~= known[name] then
        error(("pool: %s: %s expected, got %s"):format(name, known[name], type(value)), 3)
      end
    elseif name ~= "timeout" then
      local names = { "workers", "timeout", queue and "queue" or nil }
      for option in pairs(known) do
        names[#names + 1] = option
      end
      error(("pool: unknown option %s%s"):format(tostring(name), near(tostring(name), names)), 3)
    end
    options[name] = value
  end
  return options
end

-- Makes the time-out in the options a Duration: `true`, or nil and what is wrong with it.
local function read_timeout(options, name)
  local err
  if options.timeout then
    options.timeout, err = span_of(options.timeout, name, 1)
  end
  return not err, err
end

arguments.name_of_type, arguments.check, arguments.count_items = name_of_type, check, count_items
arguments.span_of, arguments.read_options, arguments.read_timeout = span_of, read_options, read_timeout

return arguments
