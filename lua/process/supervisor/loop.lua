-- The supervisor itself: one loop that takes events, requests and deadlines, one at a time, and never waits for one
-- child alone. What takes time is a state instead:
--
-- * A child is *wanted* if it is to run; it runs if it has a `pid`. `stopping`: it was told to end. `unready`: it has
--   not said yet that it is ready; `late`: nor did it in time. `delayed`: it is started again later.
-- * `due` are children that are to be started again by themselves.
-- * A *round* is what concerns several: it ends the children from number `first` on, from the last to the first, waits
--   if it is to, and starts those that are wanted, from the first to the last. The start of a supervisor is a round
--   without an ending, its end one without a start.
--
-- A turn of the loop first takes the events that wait, and looks for a CANCEL among them. Whatever else is to end the
-- supervisor is noted in `failure`, and seen at the same place.
--
-- The methods that deal with one child stand in `lives.lua`, those that start children again in `restarts.lua`.
local process = require "process.core"
local native = require "process.supervision"
local children = require "process.supervisor.children"
local commands = require "process.supervisor.commands"
local deadlines = require "process.supervisor.deadlines"
local failures = require "process.supervisor.failures"
local lives = require "process.supervisor.lives"
local queue = require "process.supervisor.queue"
local restarts = require "process.supervisor.restarts"
local channel, time = process.channel, process.time

local loop = { topic = "process.supervisor" }

local Supervisor = {}
Supervisor.__index = Supervisor
for _, methods in ipairs { lives, restarts } do
  for name, method in pairs(methods) do
    Supervisor[name] = method
  end
end

-- A supervisor as this spec, which was read, says.
function loop.new(spec)
  local self = setmetatable({
    spec = spec, template = spec.template, kind = { __index = spec.template }, last_id = 0, restarts = 0,
    children = children.new(), deadlines = deadlines.new(), due = queue.new(), events = queue.new(),
    recent = queue.new(), born = time.now(), held = {},
  }, Supervisor)
  for _, child in ipairs(spec.children) do
    child.wanted = true
    self.children:add(child)
  end
  self.round = { first = 0, phase = "starting", cursor = self.children.head }
  return self
end

-- Nanoseconds since the supervisor was made.
function Supervisor:now()
  return time.now():sub(self.born):nanoseconds()
end

-- The supervisor is to end with this error, unless it ends already.
function Supervisor:fail(err)
  if not self.ending then
    self.failure = self.failure or err
  end
end

-- Ends the children: those of a template all at once, others one after the other.
function Supervisor:begin_end()
  self.ending = true
  self.round = { first = 0, phase = "ending", cursor = self.children.tail }
  if self.template then
    for _, child in pairs(self.children.by_pid) do
      self:stop(child)
    end
  end
end

function Supervisor:is_over()
  return self.ending and self.children.running == 0
end

-- Answers the one that has spawned the supervisor and waits for its start, once.
function Supervisor:tell_caller(...)
  if self.caller then
    self.caller:reply(...)
    self.caller, self.has_told_caller = nil, true
  end
end

-- All children have been started.
function Supervisor:complete_start()
  self.started = true
  self:tell_caller(true)
  local parent = native.supervisor()
  if parent then
    process.send(parent, loop.topic, "ready")
  end
end

-- Takes the events that wait. The LINK_DOWN of a child says nothing that its EXIT does not.
function Supervisor:take_events()
  while true do
    local got = channel.select(self.event_cases, true)
    if got.default then
      return
    end
    self:take_event(got.value)
  end
end

function Supervisor:take_event(event)
  if event.kind == process.event.CANCEL then
    self.is_cancelled = true
  elseif event.kind ~= process.event.LINK_DOWN or not self.children.by_pid[event.from] then
    self.events:push(event)
  end
end

function Supervisor:handle(event)
  if event.kind == process.event.EXIT then
    self:exited(event)
  elseif event.kind == process.event.LINK_DOWN then
    self:fail(failures.linked(event.from, event.error))
  end
end

-- A message on the topic of supervisors: a request, or word of a child that it is ready.
function Supervisor:receive(msg)
  local payload = msg:payload()
  if type(payload) == "userdata" then
    payload = payload:data()
  end
  if msg:waiting() == nil then
    local child = payload == "ready" and self.children.by_pid[msg:from()]
    if child and child.unready then
      self:is_up(child)
    end
  elseif not commands.serve(self, msg, payload) then
    msg:reply(nil, failures.no_handler(loop.topic))
  end
end

-- Sets the timer for the earliest deadline.
function Supervisor:set_timer()
  local at = self.deadlines:earliest()
  if at ~= self.timer_at then
    self.timer_at = at
    if at then
      local left = at - self:now()
      self.timer:reset(left < 1000 and 1000 or left)
    else
      self.timer:stop()
    end
  end
end

-- Waits for the next thing to do, or does what is to be done anyway.
function Supervisor:turn()
  self:set_timer()
  local has_work = self:has_work()
  local got = channel.select(self.cases, has_work)
  if got.channel == self.requests then
    self:receive(got.value)
  elseif got.channel == self.timer:channel() then
    self.timer_at = nil
    self.deadlines:act(self:now())
  elseif got.channel == self.inbox then
    if got.value:waiting() ~= nil then
      got.value:reply(nil, failures.no_handler(got.value:topic()))
    end
  elseif not got.default then
    self:take_event(got.value)
  end
  if has_work and self:has_work() then
    self:work()
  end
end

-- Runs until the supervisor has ended.
function Supervisor:run()
  local events = process.events()
  self.inbox, self.timer = process.inbox(), time.timer("1h")
  self.timer:stop()
  self.event_cases = { events:case_receive() }
  self.cases = {
    events:case_receive(), self.requests:case_receive(), self.inbox:case_receive(), self.timer:channel():case_receive(),
  }
  while not self:is_over() do
    self:take_events()
    if (self.is_cancelled or self.failure) and not self.ending then
      self:begin_end()
    else
      local event = self.events:pop()
      if event then
        self:handle(event)
      else
        self:turn()
      end
    end
  end
end

return loop
