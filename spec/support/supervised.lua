-- For the specs of supervisors: children that tell what they do, and supervisors that tell what they see.
local process = require "process"
local supervisor = require "process.supervisor"
local support = require "spec.support"

local supervised = {}

-- Bodies of children. All tell their supervisor's spec, by the topic "child", which child runs as which process.

-- Waits for a CANCEL, says when it came, and ends; on the topic "end" it ends as it is told.
supervised.steady = [[
  local parent, id = ...
  process.send(parent, "child", id, process.pid())
  local orders, events = process.listen("end"), process.events()
  local got = channel.select { orders:case_receive(), events:case_receive() }
  if got.channel == events then
    process.send(parent, "cancelled", id, got.value.reason)
    return nil
  end
  if got.value then
    error(got.value, 0)
  end
]]

-- Never looks at its events.
supervised.deaf = [[
  local parent, id = ...
  process.send(parent, "child", id, process.pid())
  channel.new():receive()
]]

supervised.dead = [[ error("dead at once", 0) ]]

local defined = {}

-- The entry with this body.
function supervised.entry(name)
  defined[name] = defined[name] or support.entry(supervised[name])
  return defined[name]
end

-- A child spec of this id with the entry and the fields.
function supervised.child(id, fields, name)
  local spec = {
    id = id, entry = supervised.entry(name or "steady"), host = support.host, args = { process.pid(), id },
    shutdown = "10s",
  }
  for key, value in pairs(fields or {}) do
    spec[key] = value
  end
  return spec
end

-- Has events told here, by the topic "told".
function supervised.teller()
  local here = process.pid()
  return support.code(function(event)
    process.send(here, "told", {
      kind = event.kind, id = event.id, pid = event.pid, error = event.error and tostring(event.error),
      attempt = event.attempt, delay = event.delay and event.delay:milliseconds(),
    })
  end)
end

-- Spawns a supervisor; it tells of its events here, and ends with the test. Returns as `supervisor.spawn` does.
function supervised.spawn(spec)
  spec.on_event = spec.on_event or supervised.teller()
  return support.keep(supervisor.spawn(spec, support.host))
end

-- The next child that runs: id, PID.
function supervised.born()
  local payload = support.receive(process.listen("child"))
  return payload[1], payload[2]
end

-- The PIDs of the next `count` children, by id.
function supervised.all_born(count)
  local pids = {}
  for _ = 1, count do
    local id, pid = supervised.born()
    pids[id] = pid
  end
  return pids
end

-- The next child that was cancelled.
function supervised.cancelled()
  return support.receive(process.listen("cancelled"))[1]
end

-- The next event of this kind that the supervisor tells; others are dropped.
function supervised.told(kind)
  while true do
    local event = support.receive(process.listen("told"))
    if event.kind == kind then
      return event
    end
  end
end

-- The ids of the next `count` children that were started again, in order.
function supervised.restarted(count)
  local ids = {}
  while #ids < count do
    local event = supervised.told("started")
    if event.attempt > 0 then
      ids[#ids + 1] = event.id
    end
  end
  return ids
end

-- Nothing waits on the topics any more.
function supervised.reset()
  for _, topic in ipairs { "child", "cancelled", "told" } do
    process.unlisten(process.listen(topic))
  end
  support.reset()
end

-- id -> state of the children.
function supervised.states(sup)
  local states = {}
  for _, child in ipairs(assert(supervisor.children(sup))) do
    states[child.id] = child.state
  end
  return states
end

-- Whether nobody lives under this PID.
function supervised.is_gone(pid)
  return not process.send(pid, "are you there")
end

return supervised
