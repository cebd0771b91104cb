-- Calls at random, for this many seconds: callees reply at once, late, twice, never, or end; callers give up, or
-- somebody ends them. Every answer must be the one to its question, nobody may wait for a callee that is gone, and
-- nothing may be left.
-- Run as  calls.lua SECONDS HOST [SEED]; prints one line at the end, and exits with 1 if anything was wrong.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"

local seconds, host, seed = tonumber(arg[1]), arg[2], tonumber(arg[3]) or os.time()
local callees, callers = 8, 24
local options = { threads = { report = false }, pool = { workers = 2, report = false } }
assert(process.define_host("soak:" .. host, assert(options[host], "no such host: " .. host)))
host = "soak:" .. host

local function callee(number)
  local sleep = require("process.time").sleep
  math.randomseed(number)
  local kept = {}
  while true do
    local msg = process.inbox():receive()
    local question = msg:payload()
    local chance = math.random(100)
    if chance <= 70 then
      msg:reply(question)
    elseif chance <= 80 then
      kept[#kept + 1] = msg
      if #kept > 5 then
        local late = table.remove(kept, math.random(#kept))
        late:reply(late:payload())
        late:reply("again")
      end
    elseif chance <= 88 then
      coroutine.spawn(function()
        sleep(math.random(3) .. "ms")
        msg:reply(question)
      end)
    elseif chance <= 92 then
      msg:reply(nil, "refused " .. question)
    elseif chance <= 96 then
      msg = nil
      collectgarbage("step", 100)
    elseif chance == 97 then
      error("broken", 0)
    elseif chance == 98 then
      return
    end
  end
end

-- Asks until it is told to stop: what it was answered, or what was wrong.
local function caller(number, directory, hasty)
  math.randomseed(number)
  local stop = process.listen("stop")
  local counts, asked = { answered = 0, refused = 0, late = 0, ended = 0, dropped = 0, gone = 0 }, 0
  local known
  local function one()
    asked = asked + 1
    local question = number .. ":" .. asked
    known = known or process.call(directory, "who", number)
    local value, err = process.call(known, "ask", question, { timeout = math.random(4) .. "ms" })
    local text = err and tostring(err)
    if value ~= nil then
      counts.answered = counts.answered + 1
      return value == question or ("asked %s, was told %s"):format(question, tostring(value))
    elseif text == "refused " .. question then
      counts.refused = counts.refused + 1
    elseif text:find("^no reply within") then
      counts.late = counts.late + 1
    elseif text:find("^process ended before it replied") then
      counts.ended, known = counts.ended + 1, nil
    elseif text:find("^request dropped") then
      counts.dropped = counts.dropped + 1
    elseif text:find("^process not found") then
      counts.gone, known = counts.gone + 1, nil
    else
      return ("asked %s: %s"):format(question, text)
    end
    return true
  end
  if hasty then
    coroutine.spawn(function()
      while true do
        local fine = one()
        if fine ~= true then
          error(fine, 0)
        end
      end
    end)
  end
  while true do
    local fine = one()
    if fine ~= true then
      error(fine, 0)
    end
    if process.channel.select { stop:case_receive(), default = true }.channel == stop then
      counts.asked = asked
      return counts
    end
  end
end

math.randomseed(seed)
local live, events = {}, process.events()
local numbers = 0

local function start_callee()
  numbers = numbers + 1
  local pid = assert(process.spawn_monitored(callee, host, seed + numbers))
  live[#live + 1] = pid
end

for _ = 1, callees do
  start_callee()
end
local running = {}
local function start_caller()
  numbers = numbers + 1
  local pid = assert(process.spawn_monitored(caller, host, seed + numbers, process.pid(), numbers % 3 == 0))
  running[pid] = true
end
for _ = 1, callers do
  start_caller()
end

local total, problem = { asked = 0, answered = 0, refused = 0, late = 0, ended = 0, dropped = 0, gone = 0 }, nil
local killed, kills = {}, 0
local function is_callee(pid)
  for place, other in ipairs(live) do
    if other == pid then
      table.remove(live, place)
      return true
    end
  end
end

local function ended(event)
  if is_callee(event.from) then
    return start_callee()
  end
  running[event.from] = nil
  if event.result then
    for name, count in pairs(event.result) do
      total[name] = total[name] + count
    end
  elseif not killed[event.from] then
    problem = problem or tostring(event.error)
  end
  killed[event.from] = nil
end

local who = process.listen("who", { message = true })
local finish, tick = time.after(seconds .. "s"), time.ticker("5ms")
local ticks = tick:channel()
local over
repeat
  local got = channel.select { who:case_receive(), events:case_receive(), finish:case_receive(), ticks:case_receive() }
  if got.channel == who then
    got.value:reply(live[math.random(#live)])
  elseif got.channel == events then
    ended(got.value)
  elseif got.channel == ticks then
    -- Somebody of either kind is ended.
    local victim = next(running)
    if math.random(2) == 1 then
      process.terminate(live[math.random(#live)])
    elseif victim then
      killed[victim], kills = true, kills + 1
      process.terminate(victim)
      start_caller()
    end
  else
    over = true
  end
until over or problem
tick:stop()
for pid in pairs(running) do
  process.send(pid, "stop")
end
local limit = time.after("60s")
while next(running) and not problem do
  local got = channel.select { who:case_receive(), events:case_receive(), limit:case_receive() }
  if got.channel == who then
    got.value:reply(live[math.random(#live)])
  elseif got.channel == events then
    ended(got.value)
  else
    problem = "a caller waits for ever"
  end
end
for _, pid in ipairs(live) do
  process.terminate(pid)
end
for pid in pairs(running) do
  process.terminate(pid)
end
if not process.wait("30s") then
  problem = problem or "children are left"
end
local stray = channel.select { process.inbox():case_receive(), default = true }
if not stray.default then
  problem = problem or "a stray message: " .. tostring(stray.value)
end
local kinds = {}
for name, count in pairs(total) do
  kinds[#kinds + 1] = count .. " " .. name
end
table.sort(kinds)
print(("seed %d: calls of those that lived: %s; %d callers killed: %s"):format(seed, table.concat(kinds, ", "), kills,
  problem or "fine"))
os.exit(problem and 1 or 0)
