-- Shared by the specs of restricted hosts: hosts with few libraries, and code that runs on them.
local support = require "spec.support"
local process = require "process"
local assert = require "luassert"

local border = {}

-- Entries that others have defined.
assert(process.define("spec.restricted:idle", "return { main = function() channel.new():receive() end }"))
assert(process.define("spec.restricted:double", "return { main = function(n) return 2 * n end }"))

-- The libraries of a restricted host, unless a spec names others.
border.libs = { "base", "string", "table", "math", "coroutine" }

local hosts = 0

-- Defines a new host with these options, on the kind of host under test; returns its reference.
function border.host(options)
  hosts = hosts + 1
  local host = "spec.border:h" .. hosts
  local all = { workers = support.workers, report = false }
  for name, value in pairs(options) do
    all[name] = value
  end
  assert(process.define_host(host, all))
  return host
end

-- Defines a new restricted host; options may name other libraries and limits.
function border.restricted(options)
  local all = { libs = border.libs, max_processes = 20, mailbox_limit = 1000, memory_limit = 16 * 1024 * 1024 }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return border.host(all)
end

-- Runs a process with this body on the host to its end: its EXIT event.
function border.exit_of(host, body, ...)
  return support.event_of(assert(process.spawn_monitored(support.entry(body), host, ...)))
end

-- As exit_of, but returns the result. A process that fails fails the test.
function border.run(host, body, ...)
  local ev = border.exit_of(host, body, ...)
  if ev.error then
    error("the process failed: " .. ev.error, 2)
  end
  return ev.result
end

-- The start of scripts of their own: a restricted host with 16 MiB for a process, entries, and the program's peak of
-- memory, in MiB.
local PRELUDE = [[
  local process = require "process"
  local libs = { "base", "string", "table", "math", "coroutine" }
  assert(process.define_host("demo:host", {
    libs = libs, max_processes = 20, mailbox_limit = 1e9, memory_limit = 16 * 2 ^ 20,
    terminate_grace = "100ms", report = false, workers = WORKERS,
  }))
  assert(process.define("demo:result", "return { main = function() return ('r'):rep(4e6) end }"))
  assert(process.define("demo:nothing", "return { main = function() end }"))
  assert(process.define("demo:parked", "return { main = function() channel.new():receive() end }"))
  assert(process.define("demo:reader", "return { main = function() while process.events():receive() do end end }"))
  local function peak()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("VmHWM:%s+(%d+)")) / 1024
  end
]]

-- Runs this in a restricted process of a program of its own: how many MiB more that has needed, and the fate of the
-- process.
function border.growth(body, limit)
  local script = PRELUDE:gsub("WORKERS", tostring(support.workers)) .. ([=[
    local source = "return { main = function()\n" .. %q .. "\nend }"
    assert(process.define("demo:attack", source))
    local before = peak()
    local pid = assert(process.spawn_monitored("demo:attack", "demo:host"))
    local late = process.time.after("%s")
    local got = process.channel.select({ process.events():case_receive(), late:case_receive() })
    if got.channel == late then
      process.terminate(pid)
      got = process.channel.select({ process.events():case_receive() })
    end
    print(peak() - before, tostring(got.value.error or got.value.result))
  ]=]):format(body, limit or "20s")
  local out = support.output_of(script, 60)
  local grown, result = out:match("^(%S+)\t(.*)\n$")
  return tonumber(grown), result
end

-- Some of it is the program's own, a few copies are under way at a time, and LuaJIT keeps freed memory.
border.MOST = support.jit and 90 or 60

-- Runs the body on the host; the body returns the results of one call. Checks that they are B-100 for the function.
function border.is_refused(host, name, body, ...)
  local form = "local first, err = (function(...) %s end)(...) return { err:kind(), tostring(err), tostring(first) }"
  local kind, text, first = support.unpack(border.run(host, form:format(body), ...))
  assert.equal(("not allowed on host %s: %s"):format(host, name), text)
  assert.equal(process.errors.PERMISSION_DENIED, kind)
  assert.equal("nil", first)
end

return border
