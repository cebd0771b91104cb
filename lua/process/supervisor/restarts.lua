-- How a supervisor starts again what has ended: at once or later, one child or a round of them, and when it gives up.
-- These are methods of the supervisor (`loop.lua`).
local process = require "process.core"
local failures = require "process.supervisor.failures"
local time = process.time
local random = math and math.random or function()
  return 0.5
end

local restarts = {}

-- How long to wait before the next start of a child, in nanoseconds; nil: not at all.
local function next_delay(child)
  local backoff = child.backoff
  if not backoff then
    return nil
  end
  local delay = backoff.initial * 2 ^ child.tries
  if delay < backoff.max then
    child.tries = child.tries + 1
  else
    delay = backoff.max
  end
  delay = delay * (0.9 + 0.2 * random())
  return delay - delay % 1
end

-- A child has ended: the delays begin anew if it has run for long.
function restarts:settle_backoff(child)
  if child.backoff and self:now() - child.began > child.backoff.max then
    child.tries = 0
  end
end

-- Counts a restart; whether there were too many.
local function is_too_often(self)
  local now, recent = self:now(), self.recent
  recent:push(now)
  while recent:oldest() < now - self.spec.period:nanoseconds() do
    recent:pop()
  end
  return recent:size() > self.spec.intensity
end

-- A child has ended, or could not be started, and is to be started again.
function restarts:restart(child, err)
  child.wanted = true
  local delay = next_delay(child)
  if not delay and is_too_often(self) then
    local failure = failures.too_many(self.spec.intensity, self.spec.period, child.id, err)
    self:fail(failure)
    self:tell("gave_up", child, { error = failure, attempt = child.restarts })
    return
  end
  child.restarts, self.restarts = child.restarts + 1, self.restarts + 1
  local shown_delay = delay and time.parse_duration(delay)
  self:tell("restarting", child, { error = err, attempt = child.restarts, delay = shown_delay })
  if self.spec.strategy ~= "one_for_one" then
    self:begin_round(child, delay)
  elseif delay then
    child.delayed = self.deadlines:add(self:now() + delay, function()
      child.delayed = nil
      self.due:push(child)
    end)
  else
    self.due:push(child)
  end
end

-- Begins a round from this child on, or from the first; one that is under way goes back as far as it has to.
function restarts:begin_round(child, delay)
  local first = self.spec.strategy == "one_for_all" and 0 or child.number
  local round = self.round or {}
  local reached = round.first
  if round.phase == "starting" then
    reached = round.cursor and round.cursor.number
  end
  round.first = reached and reached < first and reached or first
  round.phase, round.cursor = "ending", self.children.tail
  if delay then
    local at = self:now() + delay
    round.at = round.at and round.at > at and round.at or at
  end
  self.round = round
end

-- Everything that the round ends has ended: it goes on, later if it is to.
local function begin_starting(self, round, last_before)
  if round.at then
    round.phase = "waiting"
    self.deadlines:add(round.at, function()
      if self.round == round and round.phase == "waiting" and self:now() >= round.at then
        round.at = nil
        begin_starting(self, round, round.cursor)
      end
    end)
    return
  end
  round.phase = "starting"
  if last_before then
    round.cursor = last_before.next
  else
    round.cursor = self.children.head
  end
end

-- Whether the round has something to do that waits for nothing.
local function round_can_go_on(round)
  local child = round and round.cursor
  if not round or round.phase == "waiting" then
    return false
  elseif round.phase == "ending" then
    return not (child and child.number >= round.first and child.pid and child.stopping)
  end
  return not (child and (child.unready or child.late))
end

-- Whether there is something to do that waits for nothing.
function restarts:has_work()
  return round_can_go_on(self.round) or not self.ending and self.due:size() > 0
end

-- Takes one step of the round.
local function go_on(self, round)
  local child = round.cursor
  if round.phase == "ending" then
    if not child or child.number < round.first then
      begin_starting(self, round, child)
    elseif child.pid then
      self:stop(child)
    else
      round.cursor = child.prev
    end
  elseif not child then
    self.round = nil
    if not self.started then
      self:complete_start()
    end
  elseif child.wanted and not child.pid and not child.delayed then
    self:try_start(child)
  else
    round.cursor = child.next
  end
end

-- Does one thing of what is to be done.
function restarts:work()
  if round_can_go_on(self.round) then
    go_on(self, self.round)
    return
  end
  local child = self.due:pop()
  if child.wanted and not child.pid and not child.delayed then
    self:try_start(child)
  end
end

return restarts
