-- What the specs of restricted hosts share: hosts with few libraries, and code that runs on them.
local support = require "spec.support"
local process = require "process"

local border = {}

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

-- As exit_of: what it returns. A process that fails fails the test.
function border.run(host, body, ...)
  local ev = border.exit_of(host, body, ...)
  if ev.error then
    error("the process failed: " .. ev.error, 2)
  end
  return ev.result
end

return border
