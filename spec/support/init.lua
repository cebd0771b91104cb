-- Shared by the specs: short-lived children, bounded waits, and scripts run by an interpreter of their own.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local luassert = require "luassert"

local support = {}

support.host = "app:processes"

-- The kind of host under test: with PROCESS_TEST_WORKERS=n everything spawned on support.host runs on a pool of n
-- workers, here and in the scripts of support.run.
support.workers = tonumber(os.getenv("PROCESS_TEST_WORKERS")) or 0
support.prelude = ""
if support.workers > 0 then
  local definition = ("define_host(%q, { workers = %d })"):format(support.host, support.workers)
  assert(process.define_host(support.host, { workers = support.workers }))
  -- On the first line of a script, so that its lines keep their numbers.
  support.prelude = ("do require('process.core').%s end "):format(definition)
end
support.jit = rawget(_G, "jit") ~= nil
support.unpack = table.unpack or unpack
support.pack = table.pack or function(...)
  return { n = select("#", ...), ... }
end

-- The interpreter under test: `make test` names it; by hand it is the one that runs the specs.
support.lua = os.getenv("PROCESS_TEST_LUA") or (support.jit and "luajit" or "lua5.4")

local entries = 0

-- Defines a new entry whose `main(...)` has the given body; returns its reference.
function support.entry(body)
  entries = entries + 1
  local ref = "spec.inline:e" .. entries
  assert(process.define(ref, "return { main = function(...)\n" .. body .. "\nend }"))
  return ref
end

-- A function as a script has it: its global names are the globals. busted puts a table of its own in their place, and a
-- function takes its captured values along when it crosses to another process.
function support.code(fn)
  if setfenv then
    return setfenv(fn, _G)
  end
  local globals = load("return _ENV")
  local number = 0
  repeat
    number = number + 1
    local name = debug.getupvalue(fn, number)
    if name == "_ENV" then
      debug.upvaluejoin(fn, number, globals, 1)
    end
  until not name
  return fn
end

-- A function of this source in the environment `env`.
function support.in_environment(source, env)
  if setfenv then
    return setfenv(assert(loadstring(source)), env)
  end
  return assert(load(source, "=source", "t", env))
end

-- A child that returns its context as sorted text: "key=value, key=value".
support.context = support.code(function()
  local list = {}
  for key, value in pairs(require("process.ctx").all()) do
    list[#list + 1] = key .. "=" .. tostring(value)
  end
  table.sort(list)
  return table.concat(list, ", ")
end)

local started = {}

-- For after_each: `support.finish` ends this process as well. Returns its PID, or the results of a failed spawn.
function support.keep(pid, err)
  started[#started + 1] = pid
  return pid, err
end

local function starter(name)
  return function(body, ...)
    return support.keep(assert(process[name](support.entry(body), support.host, ...)))
  end
end

-- Each spawns a child whose main has this body, and returns its PID.
support.spawn = starter("spawn")
support.spawn_monitored = starter("spawn_monitored")
support.spawn_linked = starter("spawn_linked")
support.spawn_linked_monitored = starter("spawn_linked_monitored")

-- Ends a process and waits until it is gone: then `terminate` does not find it any more.
function support.kill(pid)
  support.eventually(function()
    return not process.terminate(pid)
  end)
end

-- For after_each: ends every child that was started here since the last time, and waits until it is gone.
function support.finish()
  for _, pid in ipairs(started) do
    process.unlink(pid)
    process.unmonitor(pid)
    process.terminate(pid)
  end
  for _, pid in ipairs(started) do
    support.kill(pid)
  end
  started = {}
end

-- The body of a child that lives until it is ended.
support.parked = "channel.new():receive()"

-- The body of a child that sends every payload back to its sender: proof that it is alive (support.answers).
support.echo = [[
  while true do
    local msg = process.inbox():receive()
    process.send(msg:from(), "echo", msg:payload())
  end
]]

-- True when a child that runs support.echo answers; other messages of the inbox are dropped.
function support.answers(pid)
  if not process.send(pid, "echo", pid) then
    return false
  end
  repeat
    local msg = support.receive(process.inbox())
  until msg:from() == pid and msg:topic() == "echo"
  return true
end

-- Checks the results of a failing call: nil (or false) and an error of this text and kind, e.g. "NOT_FOUND".
function support.fails(text, kind, ...)
  local first, err = ...
  luassert.is_falsy(first)
  luassert.are.equal(text, tostring(err))
  luassert.are.equal(errors[kind], err:kind())
  return err
end

-- Checks that f(...) raises an error that contains this text.
function support.raises(text, f, ...)
  local ok, err = pcall(f, ...)
  luassert.is_false(ok)
  local message = tostring(err)
  luassert.is_truthy(message:find(text, 1, true), ("%q is not in %q"):format(text, message))
end

-- The value that can be received from ch at once: value, ok; if there is nothing at all: nil, nil.
function support.waiting(ch)
  local got = channel.select({ ch:case_receive(), default = true })
  if not got.default then
    return got.value, got.ok
  end
end

-- One receive with a generous limit: value, ok. Fails the test when nothing comes.
function support.receive(ch, limit)
  local late = time.after(limit or "20s")
  local got = channel.select({ ch:case_receive(), late:case_receive() })
  if got.channel == late then
    error("nothing received within " .. (limit or "20s"), 2)
  end
  return got.value, got.ok
end

-- The next value of ch, which comes soon; other than by support.receive, only ch is waited for.
function support.within(ch)
  local value, ok = ch:receive("20s")
  return ok and value or error("nothing received within 20s", 2)
end

-- A monitored process that runs this function on the host under test, for support.finish.
function support.start(fn, ...)
  return support.keep(luassert(process.spawn_monitored(support.code(fn), support.host, ...)))
end

-- True if nothing can be received from ch within this (short) time.
function support.silent(ch, span)
  local late = time.after(span or "30ms")
  local got = channel.select({ ch:case_receive(), late:case_receive() })
  return got.channel == late, got.value
end

-- The next event of this kind (default EXIT) from this PID; other events are dropped.
function support.event_of(pid, kind)
  kind = kind or process.event.EXIT
  while true do
    local ev = support.receive(process.events())
    if ev.from == pid and ev.kind == kind then
      return ev
    end
  end
end

-- Runs a child with this body to its end and returns its EXIT event.
function support.exit_of(body, ...)
  return support.event_of(support.spawn_monitored(body, ...))
end

-- Runs a child with this body to its end and returns its result; a child that fails fails the test.
function support.result_of(body, ...)
  local ev = support.exit_of(body, ...)
  if ev.error then
    error("the child failed: " .. ev.error, 2)
  end
  return ev.result
end

-- Waits until fn() is true, at most 20 s.
function support.eventually(fn)
  local start = time.now()
  while not fn() do
    if time.now():sub(start):seconds() > 20 then
      error("did not happen within 20 s", 2)
    end
    time.sleep("2ms")
  end
end

-- The message that fn(...) raises, without the position in front of it. Fails the test when nothing is raised.
function support.raised(fn, ...)
  local ok, message = pcall(fn, ...)
  if ok then
    error("nothing was raised", 2)
  end
  return (tostring(message):gsub("^.-:%d+: ", ""))
end

-- The complaint of fn(...) about an argument, e.g. "#1 (number expected, got nil)": interpreters differ in the rest.
-- What helps with a host (W-8) is left out.
function support.bad_argument(fn, ...)
  local text = support.raised(fn, ...):gsub('; a host, such as "app:processes"$', "")
  return (text:gsub("^bad argument (#%d+) to '[^']*' (%(.*%))$", "%1 %2"))
end

-- Calls fn in a finalizer, now, and returns its results.
function support.in_finalizer(fn)
  local got
  local function finalize()
    got = support.pack(fn())
  end
  if rawget(_G, "newproxy") then
    getmetatable(newproxy(true)).__gc = finalize -- luacheck: ignore
  else
    setmetatable({}, { __gc = finalize })
  end
  collectgarbage()
  collectgarbage()
  return support.unpack(got, 1, got.n)
end

-- A function for an entry: sends its PID to the parent, and returns the payload that it gets, or with the topic `fail`
-- raises it.
support.returning = support.code(function(parent)
  process.send(parent, "child", process.pid())
  local msg = process.inbox():receive()
  if msg:topic() == "fail" then
    error(msg:payload(), 0)
  end
  return msg:payload()
end)

-- The PID that the next such child has sent.
function support.child()
  local msg = support.receive(process.inbox())
  luassert.are.equal("child", msg:topic())
  return msg:payload()
end

-- What get_options() gives if these options were set.
function support.options(changes)
  local options = {
    trap_links = false, wrapped = false, strict_values = false, upgradable = false, blocking = "wait",
  }
  for name, value in pairs(changes) do
    options[name] = value
  end
  return options
end

-- Throws away everything that waits in the mailbox of the process that runs the specs.
function support.reset()
  process.set_options(support.options {})
  for _, ch in ipairs({ process.inbox(), process.events() }) do
    repeat
      local _, ok = support.waiting(ch)
    until ok == nil
  end
end

-- Writes a file anew.
function support.write(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

local function slurp(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  os.remove(name)
  return text
end

-- Runs Lua source as a script of its own: { code, out, err, seconds }. Killed after `limit` seconds (default 30): code
-- 137. The script finds its own standard error so far in the file `arg[0] .. ".err"`. `environment` is
-- set for it, e.g. "NAME=value". Its processes run on the kind of host under test, unless it is `bare`: then no part of
-- the library is loaded before its own first line.
function support.run(source, limit, environment, bare)
  local base = os.tmpname()
  support.write(base, bare and source or support.prelude .. source)
  local start = time.now()
  local form = "{ (exec env %s timeout -s KILL %d %s %s >%s.out 2>%s.err); echo $? >%s.code; } 2>/dev/null"
  local command = form:format(environment or "", limit or 30, support.lua, base, base, base, base)
  os.execute(command)
  local seconds = time.now():sub(start):seconds()
  os.remove(base)
  return {
    code = tonumber(slurp(base .. ".code")),
    out = slurp(base .. ".out"),
    err = slurp(base .. ".err"),
    seconds = seconds,
  }
end

-- Runs a script that must end well and write nothing to standard error; returns its output.
function support.output_of(source, limit, environment, bare)
  local ran = support.run(source, limit, environment, bare)
  if ran.code ~= 0 or ran.err ~= "" then
    error(("the script ended with code %s: %s"):format(ran.code, ran.err), 2)
  end
  return ran.out
end

-- Calls fn(folder) with a temporary folder that holds these files (path = text), and removes it afterwards.
function support.with_folder(files, fn)
  local folder = os.tmpname()
  os.remove(folder)
  for path, text in pairs(files) do
    local name = folder .. "/" .. path
    os.execute(("mkdir -p '%s'"):format(name:match("^(.*)/")))
    support.write(name, text)
  end
  local ok, err = pcall(fn, folder)
  os.execute(("rm -rf '%s'"):format(folder))
  if not ok then
    error(err, 0)
  end
end

-- Has fn called when the state of the specs closes: a value that is to be kept until then.
function support.at_end(fn)
  if not rawget(_G, "newproxy") then
    return setmetatable({}, { __gc = fn })
  end
  local value = newproxy(true) -- luacheck: ignore
  getmetatable(value).__gc = fn
  return value
end

-- Lua source that defines `finalizer(fn)`: a value whose finalizer is fn.
support.FINALIZER = [[
  local function finalizer(fn)
    if not newproxy then return setmetatable({}, { __gc = fn }) end
    local value = newproxy(true)
    getmetatable(value).__gc = fn
    return value
  end
]]

-- Runs another spec file in an interpreter with this environment: whether all of it passes, and what it has written.
function support.run_spec(name, environment)
  local output = os.tmpname()
  local form = "%s busted --lua=\"$(command -v %s)\" --output=plainTerminal spec/%s_spec.lua >%s 2>&1; echo $? >>%s"
  os.execute(form:format(environment, support.lua, name, output, output))
  local file = assert(io.open(output))
  local text = file:read("*a")
  file:close()
  os.remove(output)
  return text:find("\n0\n$") ~= nil, text
end

return support
