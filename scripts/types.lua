-- Compares the types for editors (library/*.lua) with the live module and with the headings of the reference: every
-- name, and every parameter, by calling the function with something else in its place. Run from the project folder with
-- LUA_CPATH set: lua5.4 scripts/types.lua
local process = require("process")
local unpack = table.unpack or unpack

local problems, names, probes = {}, 0, 0

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

-- ------------------------------------------------------------------------------------------------- what the types say

-- class -> { functions = { name -> { method, params = { { name, type } } } }, fields = { name -> true } }
local classes = {}

local function class_of(name)
  classes[name] = classes[name] or { functions = {}, fields = {} }
  return classes[name]
end

local function read_types(file)
  local class, locals, params = nil, {}, {}
  for line in assert(io.lines(file)) do
    local name = line:match("^%-%-%-@class ([%w_.]+)")
    local field = line:match("^%-%-%-@field ([%w_]+)")
    local param, kind = line:match("^%-%-%-@param ([%w_.]+%??) (%S+)")
    local variable = line:match("^local (%w+) = {}")
    local owner, mark, method, list = line:match("^function (%w+)([.:])([%w_]+)%((.-)%) end$")
    if name then
      class = name
      class_of(class)
    elseif field and class then
      class_of(class).fields[field] = true
    elseif param then
      local bare = param:gsub("%?$", "")
      params[bare] = { kind = kind, optional = param:find("?", 1, true) or kind:find("?$") ~= nil }
      if line:match("^%-%-%-@param [%w_.]+ {.*}%?") then
        params[bare] = { kind = "table", optional = true }
      end
    elseif variable then
      locals[variable] = class
    elseif owner then
      local all = {}
      for each in list:gmatch("[%w_.]+") do
        if each ~= "..." and not params[each] then
          problem("%s: %s.%s says nothing of its parameter %s", file, owner, method, each)
        elseif each ~= "..." then
          all[#all + 1] = { name = each, kind = params[each].kind, optional = params[each].optional }
        end
      end
      class_of(locals[owner] or owner).functions[method] = { method = mark == ":", params = all, list = list }
      params = {}
    end
  end
end

for file in assert(io.popen("ls library/*.lua")):lines() do
  read_types(file)
end

-- ---------------------------------------------------------------------------------------------------- the live module

local function message()
  process.send(process.pid(), "types", 1)
  return process.listen("types", { message = true }):receive()
end

local function payload()
  process.set_options({ wrapped = true })
  local value = message():payload()
  process.set_options({ wrapped = false })
  return value
end

local scope = process.pg.open("types:scope")

-- An example of each class.
local live = {
  processlib = process,
  ["process.registry"] = process.registry,
  ["process.event"] = process.event,
  channellib = process.channel,
  timelib = process.time,
  errorslib = process.errors,
  ctxlib = require("process.ctx"),
  poollib = require("process.pool"),
  pglib = process.pg,
  toplib = require("process.top"),
  ["channel.Channel"] = process.channel.new(),
  ["time.Time"] = process.time.now(),
  ["time.Duration"] = process.time.parse_duration("1s"),
  ["time.Location"] = process.time.utc,
  ["time.Timer"] = process.time.timer("1h"),
  ["time.Ticker"] = process.time.ticker("1h"),
  ["errors.Error"] = process.errors.new("an error"),
  ["process.Spawner"] = process.with_context({}),
  ["process.Pool"] = require("process.pool").new(function() end, { workers = 1 }),
  ["process.Message"] = message(),
  ["pg.Scope"] = scope,
  ["pg.Subscription"] = scope:events(),
  ["process.Payload"] = payload(),
}

-- Names that the types leave out on purpose.
local unnamed = { ["processlib.ctx"] = true }

for name, object in pairs(live) do
  local class = classes[name]
  if not class then
    problem("library/: no class %s", name)
  else
    for member in pairs(class.functions) do
      names = names + 1
      if object[member] == nil then
        problem("%s.%s is not there", name, member)
      end
    end
    for member in pairs(class.fields) do
      names = names + 1
      if object[member] == nil then
        problem("%s.%s is not there", name, member)
      end
    end
    local members = type(object) == "table" and object or debug.getmetatable(object).__index
    for member in pairs(type(members) == "table" and members or {}) do
      local known = class.functions[member] or class.fields[member] or unnamed[name .. "." .. member]
      if not known and not member:find("^__") then
        problem("library/: %s lacks %s", name, member)
      end
    end
  end
end

-- A name that nobody else has, also of a file.
local scrap = os.tmpname()

-- A value that fits, for each type that a parameter has; a thread fits none.
local samples = {
  string = scrap, ["errors.Error"] = "an error", ["errors.kind"] = "a kind",
  integer = 1, boolean = true, table = {}, ["function"] = function() end,
  ["process.entry"] = "types:none", ["process.duration"] = "1ms",
  ["time.Time"] = live["time.Time"], ["time.Location"] = live["time.Location"],
  ["time.Duration"] = live["time.Duration"], ["channel.Channel"] = live["channel.Channel"],
}
assert(process.define("types:parked", "return { main = function() process.inbox():receive() end }"))
local wrong = coroutine.create(function() end)

local function sample(kind)
  local first = kind:gsub("%?$", ""):match("^[^|]+")
  if first == "process.destination" then
    return assert(process.spawn("types:parked", "app:processes"))
  end
  if first:match("^table<") or first:match("%[%]$") or first:match("^process%.%u") then
    return {}
  end
  return samples[first]
end

-- The complaint of a call: the text of the error that it raises or returns, or nil.
local function complaint(fn, arguments, count)
  local done, first, second = pcall(fn, unpack(arguments, 1, count))
  if not done then
    return tostring(first)
  end
  return second ~= nil and not first and tostring(second) or nil
end

-- Functions that do not return of themselves.
local endless = { ["toplib.run"] = true }

-- Functions that promise to take anything there.
local lenient = { ["errorslib.is"] = true, ["errorslib.call_stack"] = true }

-- The complaint of `fn` when the argument at `place` is `value` and the others fit.
local function probe(object, member, entry, place, value)
  local first = entry.method and 1 or 0
  local arguments = { entry.method and object or nil }
  for other, param in ipairs(entry.params) do
    arguments[first + other] = sample(param.kind)
  end
  arguments[first + place] = value
  return complaint(object[member], arguments, first + #entry.params)
end

local function is_about(text, place)
  return text:find("#" .. place, 1, true) or text:find("duration") or text:find("missing") or text:find("takes a ")
    or text:find("must be")
end

for name, class in pairs(classes) do
  local object = live[name]
  for member, entry in pairs(object and class.functions or {}) do
    for place, param in ipairs(entry.params) do
      local any = param.kind:match("^any") or param.kind:match("^process%.crossable")
      if not any and not lenient[name .. "." .. member] then
        probes = probes + 1
        local text = probe(object, member, entry, place, wrong)
        if not text or not is_about(text, place) then
          problem("%s.%s takes a thread as %s: %s", name, member, param.name, tostring(text))
        end
        -- Without its time-out a call may wait for ever, and some run for ever.
        if not (param.optional and (param.kind:match("^process%.duration") or endless[name .. "." .. member])) then
          text = probe(object, member, entry, place, nil)
          if param.optional and text and is_about(text, place) then
            problem("%s.%s does not do without %s: %s", name, member, param.name, text)
          elseif not param.optional and not text then
            problem("%s.%s does without %s", name, member, param.name)
          end
        end
      end
    end
  end
end

-- ----------------------------------------------------------------------------------------------------- the reference

local prefixes = {
  process = "processlib", ["process.registry"] = "process.registry", channel = "channellib", time = "timelib",
  errors = "errorslib", ch = "channel.Channel", pg = "pglib", pool = "poollib", p = "process.Pool",
  scope = "pg.Scope", top = "toplib", server = "serverlib",
  supervisor = "supervisorlib",
}
for page in assert(io.popen("ls docs/reference/*.md")):lines() do
  for line in assert(io.lines(page)) do
    local path, list = line:match("^### ([%w_.:]+)%((.-)%)")
    local owner, member = (path or ""):match("^(.-)[.:]([%w_]+)$")
    local class = owner and classes[prefixes[owner]]
    local entry = class and class.functions[member]
    if entry then
      local written = list:gsub("%[%s*,%s*", ", "):gsub("%]", ""):gsub("%[", ""):gsub(" | nil", ""):gsub("%s+", "")
      if written ~= entry.list:gsub("%s+", "") and not (member == "new" and owner == "errors") then
        problem("%s: %s(%s), in library/ (%s)", page, path, list, entry.list)
      end
    elseif path and path ~= "coroutine.spawn" then
      problem("%s: %s is not in library/", page, path)
    end
  end
end

process.trace(nil)
os.remove(scrap)
table.sort(problems)
for _, text in ipairs(problems) do
  print(text)
end
print(("%d names, %d parameters compared, %d problems"):format(names, probes, #problems))
os.exit(#problems == 0 and 0 or 1)
