-- What stands in the specs of supervisors and of children, what it means when it is absent, and what is wrong with it
-- (B-130).
--
-- A spec that was read is a new table: durations are Durations, what has a default has a value, and each child has the
-- spawner that starts it.
local process = require "process.core"
local native = require "process.supervision"
local failures = require "process.supervisor.failures"
local time = process.time
local shown = native.shown

local spec = {}

-- Where children run, and supervisors that are spawned.
spec.host = "app:processes"

-- What is raised for a bad spec and leaves this file as a returned error.
local Problem = {}

local function wrong(field, problem)
  error(setmetatable({ field = field, problem = problem }, Problem), 0)
end

local function type_of(value)
  return value == nil and "no value" or type(value)
end

local function check_type(field, value, wanted)
  if type(value) ~= wanted then
    wrong(field, wanted .. " expected, got " .. type_of(value))
  end
  return value
end

local function optional(field, value, wanted)
  if value ~= nil then
    check_type(field, value, wanted)
  end
  return value
end

-- The text of a value in an error.
local function text_of(value)
  local kind = type(value)
  return (kind == "string" or kind == "number" or kind == "boolean") and shown(tostring(value)) or type_of(value)
end

local function check_fields(prefix, given, known)
  for key in pairs(given) do
    if not known[key] then
      wrong(prefix .. text_of(key), "unknown field")
    end
  end
end

-- One of the words, which `known` has as keys.
local function word(field, value, default, known, expected)
  if value == nil then
    return default
  elseif not known[value] then
    wrong(field, expected .. " expected, got " .. text_of(value))
  end
  return value
end

local function whole(field, value, default)
  if value == nil then
    return default
  elseif type(value) ~= "number" or value < 0 or value % 1 ~= 0 then
    wrong(field, "whole number of at least 0 expected, got "
      .. (type(value) == "number" and tostring(value) or type(value)))
  end
  return value
end

local function duration(field, value)
  local length = time.parse_duration(value)
  if not length then
    wrong(field, "invalid duration: " .. text_of(value))
  end
  local count = length:nanoseconds()
  if type(value) == "number" and count >= 1 and count <= 999 then
    local number = tostring(count)
    wrong(field, number .. " is " .. number .. " nanoseconds; write \"" .. number .. "s\", \"" .. number .. "ms\" or "
      .. number .. " * time.SECOND")
  elseif count <= 0 then
    wrong(field, "duration must be greater than zero")
  end
  return length
end

-- So many arguments fit on the stack of either VM, whatever else is there.
local most_arguments = 1000

local function check_number(field, count)
  if count > most_arguments then
    wrong(field, "more than " .. tostring(most_arguments) .. " arguments")
  end
  return count
end

-- The arguments of a child, with their number. That is counted beside the table: LuaJIT 2.1.0-beta3 compiles loops
-- that write elements and a field of one table wrongly: when the table grows, the field goes to its old place.
local function arguments(field, given)
  local list, count = {}, 0
  for key, value in pairs(optional(field, given, "table") or list) do
    if key ~= "n" then
      if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
        wrong(field, "array expected, got the key " .. text_of(key))
      end
      list[key] = value
      count = count < key and key or count
    end
  end
  list.n = check_number(field, whole(field .. ".n", given and given.n, count))
  return list
end

-- The arguments of one more child like a template: those of the template, then what follows the command in a request.
local function more_arguments(own, request)
  local more = whole("args.n", request.n, 1) - 1
  local list, count = {}, check_number("args", more > 0 and own.n + more or own.n)
  for place = 1, count do
    if place <= own.n then
      list[place] = own[place]
    else
      list[place] = request[place - own.n + 1]
    end
  end
  list.n = count
  return list
end

local function shutdown(field, value)
  if value == nil then
    return time.parse_duration("5s")
  elseif value == false or value == "kill" then
    return value
  end
  return duration(field, value)
end

local function backoff(field, given)
  if given == nil or given == false then
    return false
  end
  check_type(field, given, "table")
  check_fields(field .. ".", given, { initial = true, max = true })
  local initial = duration(field .. ".initial", given.initial == nil and "100ms" or given.initial)
  local max = duration(field .. ".max", given.max == nil and "30s" or given.max)
  if max < initial then
    wrong(field .. ".max", "less than initial")
  end
  return { initial = initial:nanoseconds(), max = max:nanoseconds() }
end

-- The builder that starts a child.
local function spawner(prefix, given)
  local context = optional(prefix .. "context", given.context, "table") or {}
  for key in pairs(context) do
    if type(key) ~= "string" then
      wrong(prefix .. "context", "keys must be strings")
    end
  end
  local made = process.with_context(context)
  -- The builder knows what is wrong with the rest.
  local function extended(field, method, value)
    if value == nil then
      return
    end
    local done, result = pcall(made[method], made, value)
    if not done then
      wrong(prefix .. field, tostring(result))
    end
    made = result
  end
  extended("options", "with_options", optional(prefix .. "options", given.options, "table"))
  extended("name", "with_name", optional(prefix .. "name", given.name, "string"))
  return made
end

local restarts = { permanent = true, transient = true, temporary = true }

local child_fields = {
  id = true, entry = true, host = true, args = true, restart = true, shutdown = true, name = true, context = true,
  options = true, backoff = true, ready = true,
}

-- A child spec; `field` is where it stands, `prefix` is put before its own fields.
local function child(field, prefix, given, is_template)
  check_type(field, given, "table")
  check_fields(prefix, given, child_fields)
  if is_template then
    for _, name in ipairs { "id", "name" } do
      if given[name] ~= nil then
        wrong(prefix .. name, "not in a template")
      end
    end
  else
    check_type(prefix .. "id", given.id, "string")
  end
  if type(given.entry) ~= "string" and type(given.entry) ~= "function" then
    wrong(prefix .. "entry", "string or function expected, got " .. type_of(given.entry))
  end
  return {
    id = given.id,
    entry = given.entry,
    host = optional(prefix .. "host", given.host, "string") or spec.host,
    args = arguments(prefix .. "args", given.args),
    restart = word(prefix .. "restart", given.restart, "permanent", restarts, "permanent, transient or temporary"),
    shutdown = shutdown(prefix .. "shutdown", given.shutdown),
    name = given.name,
    backoff = backoff(prefix .. "backoff", given.backoff),
    ready = given.ready ~= nil and duration(prefix .. "ready", given.ready) or nil,
    spawner = spawner(prefix, given),
    restarts = 0,
    tries = 0,
  }
end

local function children(given)
  local list, count, taken = {}, 0, {}
  for key in pairs(optional("children", given, "table") or list) do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      wrong("children", "array expected, got the key " .. text_of(key))
    end
    count = count < key and key or count
  end
  for place = 1, count do
    local field = "children[" .. tostring(place) .. "]"
    local one = child(field, field .. ".", given[place])
    if taken[one.id] then
      wrong(field .. ".id", "already taken: " .. shown(one.id))
    end
    taken[one.id] = true
    list[place] = one
  end
  return list
end

local strategies = { one_for_one = true, one_for_all = true, rest_for_one = true }

local fields = {
  strategy = true, intensity = true, period = true, children = true, name = true, template = true, on_event = true,
}

local function read(given)
  check_type("spec", given, "table")
  check_fields("", given, fields)
  local template
  if given.template ~= nil then
    for _, name in ipairs { "children", "strategy" } do
      if given[name] ~= nil then
        wrong(name, "not with a template")
      end
    end
    template = child("template", "template.", given.template, true)
  end
  return {
    strategy = word("strategy", given.strategy, "one_for_one", strategies, "one_for_one, one_for_all or rest_for_one"),
    intensity = whole("intensity", given.intensity, 3),
    period = duration("period", given.period == nil and "5s" or given.period),
    children = children(given.children),
    name = optional("name", given.name, "string"),
    template = template,
    on_event = optional("on_event", given.on_event, "function"),
  }
end

local function checked(reader, ...)
  local done, result = pcall(reader, ...)
  if done then
    return result
  elseif getmetatable(result) == Problem then
    return nil, failures.bad_spec(result.field, result.problem)
  end
  error(result, 0)
end

-- Reads the spec of a supervisor: what it says, or nil and the error.
function spec.read(given)
  return checked(read, given)
end

-- Reads the arguments that a request has for one more child like a template, which has these itself.
function spec.read_arguments(own, request)
  return checked(more_arguments, own, request)
end

-- Reads the spec of one more child.
function spec.read_child(given)
  return checked(child, "spec", "", given)
end

return spec
