-- Lives through random lives: spawns, messages, links, monitors, names, timers, children and endings of every kind, in
-- rounds that begin and end with nothing, for this many seconds. It compares the mail of the processes with a model,
-- and the program's memory, threads and files after a round with those after the first rounds.
-- Run as  run.lua SECONDS HOST [SEED]; prints one line at the end, and exits with 1 if anything was wrong.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local Model = require "tests.soak.model"

local seconds, host, seed = tonumber(arg[1]), arg[2], tonumber(arg[3]) or os.time()
local population, operations, limit = 40, 120, "60s"

-- Rounds until the caches of the library, the VM and the C library hold what they will hold.
local warm_up = 30

local options = { threads = { report = false }, pool = { workers = 2, report = false } }
assert(process.define_host("soak:" .. host, assert(options[host], "no such host: " .. host)))
host = "soak:" .. host
local file = assert(io.open("tests/soak/actor.lua"))
assert(process.define("soak:actor", (file:read("*a"))))
file:close()
assert(process.define("soak:double", "return { main = function(n) return 2 * n end }"))

math.randomseed(seed)
local random = math.random

local self, events, answers = process.pid(), process.events(), process.listen("answer")
local model
local counts = { rounds = 0, processes = 0, messages = 0, events = 0, endings = 0 }

-- Takes the next value of the channel; an error if nothing comes for too long.
local function take(from, what)
  local late = time.after(limit)
  local got = channel.select { from:case_receive(), late:case_receive() }
  return got.channel == from and got.value or error("waited in vain for " .. what, 0)
end

local function same(found, expected, what)
  if found ~= expected then
    error(("%s: %s instead of %s"):format(what, tostring(found), tostring(expected)), 0)
  end
end

local function order(pid, command)
  assert(process.send(pid, "order", command))
end

-- Gives orders, by PID, and waits until all have been answered. Returns the answers by PID.
local function orders(by_pid)
  local waiting, found = 0, {}
  for pid, command in pairs(by_pid) do
    order(pid, command)
    waiting = waiting + 1
  end
  for _ = 1, waiting do
    local answer = take(answers, "an answer")
    found[answer.from] = answer
  end
  return found
end

local function pick(list)
  return list[random(#list)]
end

-- Everybody has received the mail that the model expects, in the order of each sender, and nothing else.
local function compare()
  local by_pid, expected = {}, {}
  for _, pid in ipairs(model:living()) do
    expected[pid] = model:take_events(pid)
    by_pid[pid] = { what = "report", items = model.actors[pid].items, events = #expected[pid] }
  end
  for pid, answer in pairs(orders(by_pid)) do
    same(answer.items, model.actors[pid].items, pid .. " has received so many messages")
    same(answer.disorder, false, pid .. " has received messages out of order")
    table.sort(answer.events)
    same(table.concat(answer.events, ", "), table.concat(expected[pid], ", "), pid .. " has received events")
    counts.events = counts.events + #answer.events
  end
end

local acts = {}

function acts.spawn()
  for _ = #model:living() + 1, population do
    model:born(assert(process.spawn_monitored("soak:actor", host, self)))
    counts.processes = counts.processes + 1
  end
end

function acts.messages()
  local living, by_pid = model:living(), {}
  for _, pid in ipairs(living) do
    if random(3) > 1 then
      local command = { what = "send", to = {}, count = random(40), size = random(4) == 1 and random(5000) or 5 }
      for i = 1, random(4) do
        command.to[i] = pick(living)
        model:sent(command.to[i], command.count)
        counts.messages = counts.messages + command.count
      end
      by_pid[pid] = command
    end
  end
  orders(by_pid)
  compare()
end

function acts.relations()
  local living = model:living()
  for _ = 1, random(30) do
    local from, to = pick(living), pick(living)
    if from ~= to then
      local relation = pick { "link", "link", "unlink", "monitor", "monitor", "monitor", "unmonitor" }
      orders { [from] = { what = "relate", relation = relation, to = to } }
      model:relate(relation, from, to)
    end
  end
end

function acts.traps()
  for _, pid in ipairs(model:living()) do
    if random(4) == 1 then
      local on = random(3) > 1
      orders { [pid] = { what = "trap", on = on } }
      model.actors[pid].traps = on
    end
  end
end

function acts.names()
  for _, pid in ipairs(model:living()) do
    local names, name = model.actors[pid].names, "soak " .. random(3) .. pid:sub(2)
    if random(3) == 1 then
      orders { [pid] = { what = names[name] and "unregister" or "register", name = name } }
      names[name] = not names[name] or nil
      same(process.registry.lookup(name), names[name] and pid, name)
    end
  end
end

function acts.work()
  local by_pid = {}
  for _, pid in ipairs(model:living()) do
    if random(4) == 1 then
      by_pid[pid] = { what = pick { "children", "timers" }, count = random(6), host = host }
    end
  end
  for pid, answer in pairs(orders(by_pid)) do
    local count = by_pid[pid].count
    local expected = by_pid[pid].what == "children" and 2 * count or math.ceil(count / 2)
    same(answer.result, expected, pid .. " with its " .. by_pid[pid].what)
  end
end

-- Each way of ending the process; true if that is abnormal.
local endings = {
  function(pid) return assert(process.terminate(pid)) end,
  function(pid) return assert(process.cancel(pid, "soak", random(10) .. "ms")) end,
  function(pid) order(pid, { what = "fail" }) return true end,
  function(pid) order(pid, { what = "return" }) return false end,
  function(pid)
    orders { [pid] = { what = "compute", main = self } }
    return assert(process.terminate(pid))
  end,
}

function acts.ending()
  local pid = pick(model:living())
  local dead, names = model:ended(pid, pick(endings)(pid))
  while next(dead) do
    local event = take(events, "the end of " .. next(dead))
    same(event.kind == process.event.EXIT and dead[event.from] or false, true, "the end of " .. event.from)
    dead[event.from] = nil
    counts.endings = counts.endings + 1
  end
  for _, name in ipairs(names) do
    same(process.registry.lookup(name), nil, name)
  end
  compare()
end

local choices = {
  "spawn", "messages", "relations", "relations", "traps", "names", "work", "ending", "ending", "ending",
}

local function round()
  model = Model.new()
  acts.spawn()
  for _ = 1, operations do
    acts[#model:living() < population / 4 and "spawn" or pick(choices)]()
  end
  while next(model.actors) do
    acts.ending()
  end
  same(process.host_info(host).processes, 0, "processes that are left")
  counts.rounds = counts.rounds + 1
end

-- The resources of the program: KiB of resident memory, threads, open files.
local function holdings()
  collectgarbage()
  collectgarbage()
  local held = {}
  for line in io.lines("/proc/self/status") do
    local name, value = line:match("^(%w+):%s+(%d+)")
    held[name or ""] = tonumber(value)
  end
  local files = assert(io.popen("ls /proc/$PPID/fd | wc -l"))
  held.files = tonumber((files:read("*a")))
  files:close()
  return { memory = held.VmRSS, threads = held.Threads, files = held.files }
end

-- The greatest of each until a third of the time has passed and all is warm, and the least of each in the last third.
local early, late = { memory = 0, threads = 0, files = 0 }, {}

local start = os.time()
local fine, problem = pcall(function()
  repeat
    round()
    local passed = (os.time() - start) / seconds
    for name, value in pairs(holdings()) do
      if passed <= 1 / 3 or counts.rounds <= warm_up then
        early[name] = math.max(early[name], value)
      elseif passed >= 2 / 3 then
        late[name] = math.min(late[name] or value, value)
      end
    end
  until passed >= 1
  for name, spare in pairs { memory = early.memory / 20 + 2048, threads = 2, files = 0 } do
    if late[name] and late[name] > early[name] + spare then
      error(("%s has grown from %d to %d"):format(name, early[name], late[name]), 0)
    end
  end
end)

print(("seed %d: %d rounds, %d processes, %d ended, %d messages, %d events; memory %d -> %d KiB, threads %d -> %d: %s")
  :format(seed, counts.rounds, counts.processes, counts.endings, counts.messages, counts.events, early.memory,
    late.memory or early.memory, early.threads, late.threads or early.threads, fine and "fine" or tostring(problem)))
os.exit(fine)
