-- The measurements of benches/scale.lua, by name. Each function makes n things in the measuring process, and gives
-- step(k), which does k operations with one more of them, as often as one likes.
local operations = {}

local function idle(setting, n)
  local pids = {}
  for i = 1, n do
    pids[i] = assert(process.spawn("bench:echo", setting.host, process.pid()))
  end
  return pids
end

-- The operations among n processes that answer every message. They share the processes; returns dismiss() as well.
function operations.processes(setting, n)
  local pids = idle(setting, n)
  local events, pongs, ready = process.events(), process.listen("pong"), 0
  for _, pid in ipairs(pids) do
    process.send(pid, "ping", 0)
    assert(process.monitor(pid))
  end
  while ready < n do
    pongs:receive()
    ready = ready + 1
  end
  local at = 0
  local function next_one()
    at = at % n + 1
    return pids[at]
  end
  local steps = {}

  -- One more process, from its spawn to its EXIT.
  function steps.spawn(k)
    for _ = 1, k do
      assert(process.spawn_monitored("bench:trivial", setting.host))
      events:receive()
    end
  end

  -- A message to another process each time, and its answer.
  function steps.send(k)
    for i = 1, k do
      process.send(next_one(), "ping", i)
      pongs:receive()
    end
  end

  -- Unmonitors one of n monitored processes, and monitors it again.
  function steps.monitor(k)
    for _ = 1, k do
      local pid = next_one()
      assert(process.unmonitor(pid))
      assert(process.monitor(pid))
    end
  end

  return steps, function()
    for _, pid in ipairs(pids) do
      process.send(pid, "ping")
    end
    for _ = 1, n do
      events:receive()
    end
  end
end

-- Registers, looks up and unregisters one more name.
function operations.register(_, n)
  for i = 1, n do
    assert(process.registry.register("bench:name:" .. i))
  end
  return function(k)
    for i = 1, k do
      local name = "bench:other:" .. i % 100
      assert(process.registry.register(name))
      assert(process.registry.lookup(name))
      process.registry.unregister(name)
    end
  end
end

-- Starts and stops a timer while n are pending.
function operations.timer(_, n)
  local pending = {}
  for i = 1, n do
    pending[i] = time.after("1h")
  end
  return function(k)
    for _ = 1, k do
      time.timer("1h"):stop()
    end
    return pending
  end
end

-- Sends to itself, and takes the oldest of n that wait.
function operations.waiting(_, n)
  local self, values = process.pid(), process.listen("value")
  for i = 1, n do
    process.send(self, "value", i)
  end
  return function(k)
    for i = 1, k do
      process.send(self, "value", i)
      values:receive()
    end
  end
end

-- Sends to itself on one of n topics that it listens to, and receives.
function operations.listeners(_, n)
  local self, topics = process.pid(), {}
  for i = 1, n do
    topics[i] = process.listen("value:" .. i)
  end
  return function(k)
    for i = 1, k do
      local at = i % n + 1
      process.send(self, "value:" .. at, i)
      topics[at]:receive()
    end
  end
end

return operations
