-- Shared by the workloads: the arguments of their command line (scale, host), the clock, and the form of line they
-- print. Loaded by each workload's script, and again inside the processes that measure.
local process = require "process"
local time = require "process.time"

local support = {}

local arguments = arg or {}

-- Stretches every measurement: 1 takes about half a second for each figure.
support.scale = tonumber(arguments[1]) or 1

-- Threads of a pool.
support.workers = 2

-- The options of the hosts that can be named on the command line. `lean` is for small processes, with a single library.
local hosts = {
  threads = {},
  pool = { workers = support.workers },
  lean = {
    workers = support.workers,
    libs = { "base" },
    max_processes = 100000,
    mailbox_limit = 1000000,
    memory_limit = 2 ^ 24,
  },
}

-- The reference of the host that the command line names, by default the thread host.
function support.host()
  local name = arguments[2] or "threads"
  assert(process.define_host("bench:" .. name, assert(hosts[name], "no such host: " .. name)))
  support.host = function() return "bench:" .. name end
  return support.host()
end

-- n times the scale, at least 1.
function support.count(n)
  return math.max(1, math.floor(n * support.scale))
end

-- Seconds that fn(...) takes.
function support.seconds(fn, ...)
  local start = time.now()
  fn(...)
  return time.now():sub(start):seconds()
end

-- Steps per second: calls step(n), which does n of them, with a growing n until one call lasts `span` seconds, and
-- counts that call alone.
function support.rate(span, step)
  local n = 1
  while true do
    local seconds = support.seconds(step, n)
    if seconds >= span then
      return n / seconds
    end
    n = n * (seconds > 0 and math.min(10, math.ceil(1.1 * span / seconds)) or 10)
  end
end

-- Nanoseconds of one step: the best of three measurements of a quarter of the span each.
function support.cost(span, step)
  local best = 0
  for _ = 1, 3 do
    best = math.max(best, support.rate(span / 4, step))
  end
  return 1e9 / best
end

-- Defines the entry bench:NAME.
function support.define(name, source)
  assert(process.define("bench:" .. name, source))
end

-- The partner of a rally: sends back every ball, until it gets none.
function support.define_echo()
  support.define("echo", [[
    return function(partner)
      local pings = process.listen("ping")
      local ball = pings:receive()
      while ball do
        process.send(partner, "pong", ball)
        ball = pings:receive()
      end
    end
  ]])
end

-- Runs the entry as a process on the chosen host, with the argument { host, span } before the others: its result.
function support.result(entry, ...)
  local host = support.host()
  local pid = assert(process.spawn_monitored(entry, host, { host = host, span = 0.4 * support.scale }, ...))
  local event = process.events():receive()
  assert(event.from == pid and event.kind == process.event.EXIT)
  if event.error then
    error(entry .. ": " .. event.error, 0)
  end
  return event.result
end

-- One figure: `ID VALUE UNIT`.
function support.print(id, value, unit)
  print(("%s %.9g %s"):format(id, value, unit))
end

return support
