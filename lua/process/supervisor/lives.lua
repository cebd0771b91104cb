-- The life of one child: its start, its end, and what follows. These are methods of the supervisor (`loop.lua`).
local process = require "process.core"
local native = require "process.supervision"
local failures = require "process.supervisor.failures"
local errors, time = process.errors, process.time

local lives = {}

-- Tells what has happened to a child. `is_asked`: the supervisor has ended it itself.
function lives:tell(kind, child, event, is_asked)
  local on_event = self.spec.on_event
  if on_event then
    event.kind, event.id = kind, child.id
    local done, raised = xpcall(on_event, failures.raised, event)
    if not done then
      self:fail(raised)
    end
  elseif kind == "exited" and event.error and not is_asked then
    native.report(child.host, event.pid or child.id, child.entry, event.error)
  end
end

local function spread(list, place, last)
  if place <= last then
    return list[place], spread(list, place + 1, last)
  end
end

-- Spawns the process of a child: its PID, or nil and an error. A spawner would give the owner of a name that is taken.
function lives:spawn(child)
  local name, args = child.name, child.args
  local owner = name and process.registry.lookup(name)
  if owner then
    return nil, failures.name_taken(name, owner)
  end
  local pid, err = child.spawner:spawn_linked_monitored(child.entry, child.host, spread(args, 1, args.n))
  if pid and name and (self.children.by_pid[pid] or not native.watches(pid)) then
    return nil, failures.name_taken(name, pid)
  end
  return pid, err
end

-- Starts a child; an error is dealt with.
function lives:try_start(child)
  local pid, err = self:spawn(child)
  if not pid then
    self:start_failed(child, err, true)
    return
  end
  self.children:begin(child, pid)
  child.wanted, child.since, child.began = true, time.now(), self:now()
  if child.ready then
    child.unready = self.deadlines:add(child.began + child.ready:nanoseconds(), function()
      child.unready, child.late = nil, true
      self:stop(child)
    end)
  else
    self:is_up(child)
  end
end

-- The child has been started.
function lives:is_up(child)
  if child.unready then
    child.unready.off = true
    child.unready = nil
  end
  child.has_run = true
  if child.starter then
    child.starter:reply(child.pid)
    child.starter, child.is_new = nil, nil
  end
  self:tell("started", child, { pid = child.pid, attempt = child.restarts })
end

-- Tells a child to end, once.
function lives.stop(_, child)
  if child.stopping then
    return
  end
  child.stopping = true
  local asked = child.shutdown ~= "kill"
    and process.cancel(child.pid, "stopped by its supervisor", child.shutdown or nil)
  if not asked then
    process.terminate(child.pid)
  end
end

-- Tells the one that wants the child to be started that it was not.
local function refuse_start(child, err)
  if child.starter then
    child.starter:reply(nil, err)
    child.starter = nil
  end
end

-- Nothing is known of the child any more.
function lives:forget(child)
  local round = self.round
  if round and round.cursor == child then
    round.cursor = round.phase == "starting" and child.next or round.phase ~= "starting" and child.prev or nil
  end
  child.wanted = false
  self.children:remove(child)
  refuse_start(child, failures.unknown(child.id))
end

-- A child could not be started: nothing of a new one is kept, a stopped one stays so, and a supervisor that cannot
-- start fails.
function lives:start_failed(child, err, is_untold)
  if child.starter then
    refuse_start(child, err)
    child.wanted = false
    if child.is_new then
      self:forget(child)
    end
  elseif not self.started and not child.has_run then
    self:fail(err)
  else
    if is_untold then
      self:tell("exited", child, { error = err })
    end
    self:restart(child, err)
  end
end

-- A process has ended: if it was a child, what is to be done with that is decided.
function lives:exited(event)
  local child = self.children.by_pid[event.from]
  if not child then
    return
  end
  local err, stopping, unready, late = event.error, child.stopping, child.unready, child.late
  if err then
    process.unlink(event.from)
  end
  if unready then
    unready.off = true
  end
  child.stopping, child.unready, child.late = nil, nil, nil
  self.children:finish(child)
  self:settle_backoff(child)
  local is_asked = stopping and err and (errors.is(err, errors.CANCELED) or errors.is(err, errors.TIMEOUT))
  self:tell("exited", child, { pid = event.from, error = err }, is_asked)
  local stoppers = child.stoppers
  child.stoppers = nil
  if self.ending then
    child.wanted = false
  elseif late and child.wanted then
    self:start_failed(child, failures.not_ready(child))
  elseif unready and not stopping then
    self:start_failed(child, err or failures.not_ready(child))
  elseif stopping then
    self:stopped(child)
  elseif child.restart == "permanent" or child.restart == "transient" and err then
    self:restart(child, err)
  else
    child.wanted = false
    if child.restart == "temporary" or self.template then
      self:forget(child)
    end
  end
  for _, msg in ipairs(stoppers or {}) do
    msg:reply(true)
  end
end

-- A child has ended because it was told to.
function lives:stopped(child)
  if not child.wanted and child.starter then
    refuse_start(child, failures.not_ready(child))
    if child.is_new then
      self:forget(child)
      return
    end
  end
  if child.restart == "temporary" then
    self:forget(child)
  elseif child.wanted then
    child.restarts = child.restarts + 1
  end
end

return lives
