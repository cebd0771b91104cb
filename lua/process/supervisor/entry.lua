-- How a process becomes a supervisor, and what it gives back when it is none any more.
local process = require "process.core"
local native = require "process.supervision"
local loop = require "process.supervisor.loop"
local specs = require "process.supervisor.spec"
local channel = process.channel

local entry = {}

-- The coroutine in which a supervisor runs in this process, `true` where there are no coroutines.
local running

local function is_running()
  return running and (running == true or coroutine.status(running) ~= "dead")
end

-- Runs `self` in the calling process, from the name that it has to the end of its children.
local function run(self)
  local name = self.spec.name
  if name and process.registry.lookup(name) ~= process.pid() then
    local done, refusal = process.registry.register(name)
    if not done then
      return nil, refusal
    end
    self.name = name
  end
  local requests, err = process.listen(loop.topic, { message = true })
  if not requests then
    return nil, err
  end
  self.requests = requests
  process.set_options { trap_links = true }
  native.supervise(true)
  local done, raised = pcall(self.run, self)
  native.supervise(false)
  if not done then
    error(raised, 0)
  elseif self.failure then
    return nil, self.failure
  end
  return true
end

-- As `run`, once at a time, and what the process has for it is given back.
local function run_alone(self)
  if is_running() then
    error("supervisor: already running in this process", 3)
  end
  running = coroutine and coroutine.running() or true
  local done, result, err = pcall(run, self)
  running = nil
  if self.name and process.registry.lookup(self.name) == process.pid() then
    process.registry.unregister(self.name)
  end
  if not done then
    error(result, 0)
  end
  return result, err
end

-- Makes the calling process a supervisor as this spec, which was read, says.
function entry.run(spec)
  local self = loop.new(spec)
  local result, err = run_alone(self)
  if self.requests then
    process.unlisten(self.requests)
  end
  return result, err
end

-- Waits for the question of the one that has spawned this supervisor, as long as that lives.
local function take_question(self, caller)
  local requests = self.requests or process.listen(loop.topic, { message = true })
  if self.caller or not requests or not process.monitor(caller) then
    return
  end
  local cases = { requests:case_receive(), process.events():case_receive() }
  repeat
    local got = channel.select(cases)
    if got.channel == requests then
      self.caller = got.value:from() == caller and got.value or nil
    elseif got.value.kind == process.event.CANCEL or got.value.from == caller then
      return
    end
  until self.caller
end

-- The main function of a supervisor that is spawned. Its caller hears how the start went, even if everything is over
-- by then. A supervisor whose children cannot be started ends normally: the error is the caller's, and nothing else
-- remains.
function entry.serve(given, caller)
  local self = loop.new(assert(specs.read(given)))
  local result, err = run_alone(self)
  if not self.has_told_caller and (err or self.started) then
    take_question(self, caller)
    if self.started then
      self:tell_caller(true)
    else
      self:tell_caller(nil, err)
      return nil
    end
  end
  return result, err
end

return entry
