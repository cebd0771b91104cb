-- A script of its own: calls every function, method and operator of the library with one or two of many values, in all
-- combinations, right and wrong. It ends well only if no call crashes or hangs, each failure is an error object or a
-- raised string, and another process lives through it unharmed. Prints the number of calls.
local process = require "process"
local channel, time, errors = process.channel, process.time, process.errors

local self = process.pid()

local closed = channel.new()
closed:close()

local unlistened = process.listen("storm")
process.unlisten(unlistened)

assert(process.send(self, "storm", "payload"))
local message = process.inbox():receive()
process.set_options({ wrapped = true })
local payload = message:payload()

local cycle = {}
cycle[cycle] = cycle

local deep = {}
for _ = 1, 100000 do
  deep = { deep }
end

local err = errors.new("storm")
local now = time.now()
local zero = time.parse_duration(0)

-- No value among these is a positive duration or a channel that stays open, so that no call has a reason to wait.
local values = {
  true, false, 0, -1, 0.5, 2 ^ 80, -2 ^ 80, 0 / 0, 1 / 0,
  "", "x", "\0", "@x", "{", "{}", "a:b:c", "1d", ("x"):rep(100000), self,
  {}, { trap_links = 1 }, { default = true }, cycle, deep,
  function() end, os.clock, coroutine.create(os.clock), io.stderr,
  closed, unlistened, closed:case_receive(), message, message.topic, payload, err, now, zero,
}
local count = #values + 1 -- the last one is nil

local calls = 0

local function check(name, ok, first, second)
  calls = calls + 1
  if not ok then
    assert(type(first) == "string", name .. " raised no string but a " .. type(first))
  elseif not first and second then
    assert(type(second) == "userdata", name .. " returned no error object but a " .. type(second))
    assert(second:kind() ~= "" and type(second:retryable()) == "boolean", name .. " returned " .. tostring(second))
  end
end

-- Calls f with nothing, with each value, with each two.
local function storm(name, f)
  check(name, pcall(f))
  for i = 1, count do
    check(name, pcall(f, values[i]))
    for k = 1, count do
      check(name, pcall(f, values[i], values[k]))
    end
  end
end

assert(process.define("storm:victim", [[
  return function()
    local msg = process.listen("are you well", { message = true }):receive()
    process.send(msg:from(), "well")
  end
]]))
local victim = assert(process.spawn("storm:victim", "app:processes"))

local functions = {
  [process] = {
    "pid", "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "send", "listen", "unlisten", "inbox",
    "events", "monitor", "unmonitor", "link", "unlink", "terminate", "cancel", "get_options", "set_options", "define",
    "define_host", "host_info", "load",
  },
  [process.registry] = { "register", "lookup", "unregister" },
  [channel] = { "new", "select" },
  [time] = { "sleep", "after", "now", "parse_duration" },
  [errors] = { "new", "wrap", "is", "call_stack" },
  [coroutine] = { "spawn" },
}
for module, names in pairs(functions) do
  for _, name in ipairs(names) do
    storm(name, module[name])
  end
end

-- The same with right values in the first places.
storm("send", function(...) return process.send(self, "storm", ...) end)
storm("spawn", function(...) return process.spawn("storm:victim", ...) end)
storm("define", function(...) return process.define("storm:new", ...) end)
storm("define_host", function(...) return process.define_host("storm:host", ...) end)
storm("register", function(...) return process.registry.register("storm", ...) end)

local methods = {
  [closed] = { "send", "receive", "close", "case_receive", "case_send" },
  [unlistened] = { "send", "receive", "close", "case_receive", "case_send" },
  [message] = { "from", "topic", "payload" },
  [payload] = { "data", "unmarshal", "get_format" },
  [err] = { "kind", "message", "retryable", "details", "stack", "find" },
  [now] = { "sub", "before", "after", "equal", "unix", "unix_nano" },
  [zero] = { "nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours" },
}
for object, names in pairs(methods) do
  for _, name in ipairs(names) do
    storm(name, object[name])
  end
end

local operators = {
  ["[]"] = function(a, b) return a[b] end,
  ["[]="] = function(a, b) a[b] = 1 end,
  ["()"] = function(a, b) return a(b) end,
  [".."] = function(a, b) return a .. b end,
  ["=="] = function(a, b) return a == b end,
  ["<"] = function(a, b) return a < b end,
  ["<="] = function(a, b) return a <= b end,
  ["+"] = function(a, b) return a + b end,
  ["#"] = function(a) return #a end,
  ["tostring"] = function(a) return tostring(a) end,
}
local objects = { closed, unlistened, closed:case_receive(), message, message.topic, payload, err, now, zero }
for name, operator in pairs(operators) do
  for _, object in ipairs(objects) do
    for i = 1, count do
      check(name, pcall(operator, object, values[i]))
      check(name, pcall(operator, values[i], object))
    end
  end
end

local well = process.listen("well")
assert(process.send(victim, "are you well"))
local late = time.after("20s")
assert(channel.select({ well:case_receive(), late:case_receive() }).channel == well)
print(calls)
