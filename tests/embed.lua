-- The code of the states of embed.c: it loads this file into each, and calls these functions with one string.
local process, me

-- Older than the library, so its finalizer runs after those of the library; it still answers.
local function last_words()
  if process.pid() ~= me or process.send(me, "lost") or pcall(process.time.sleep, 0) then
    os.exit(9)
  end
end

local oldest = newproxy and newproxy(true) or setmetatable({}, {
  __gc = last_words,
})
if newproxy then
  getmetatable(oldest).__gc = last_words
end

process = require "process"
me = process.pid()

-- All states share one pool, where the specs run on a pool; only the first that gets here can define it.
local workers = tonumber(os.getenv("PROCESS_TEST_WORKERS"))
if workers then
  process.define_host("app:processes", { workers = workers })
end

local time = require "process.time"
local states = { oldest }

-- `main` spawns a process with one less of `depth`, tells the main process that it exists, and goes on with `ending`.
process.define("embed:member", [[
  local load = loadstring or load
  return { main = function(root, depth, ending)
    if depth > 1 then
      assert(process.spawn("embed:member", "app:processes", root, depth - 1, ending))
    end
    process.send(root, "born", process.pid())
    return load(ending)(root)
  end }
]])

local born = process.listen("born")

-- Spawns a process that spawns a process, `depth` of them; returns their PIDs when all exist.
local function family(depth, ending)
  local pids = {}
  assert(process.spawn("embed:member", "app:processes", me, depth, ending))
  for i = 1, depth do
    pids[i] = born:receive()
  end
  return pids
end

local computing, parked, asleep = "while true do end", "channel.new():receive()", "process.time.sleep('1h')"

-- One main process, whichever way it is asked for; it leaves children, names and messages behind.
function states.use()
  assert(coroutine.wrap(function()
    return require("process").pid()
  end)() == me)
  package.loaded.process = nil
  assert(require("process").pid() == me and require("process").inbox() == process.inbox())
  assert(process.registry.register("embed." .. me))
  family(2, parked)
  family(1, me:byte(-2) % 3 == 0 and computing or asleep)
  local echo = family(1, "local m = process.inbox():receive() process.send(m:from(), 'echo', m:payload())")[1]
  process.send(echo, "call", me)
  assert(process.listen("echo"):receive() == me)
  process.registry.register("embed.common")
  process.send(me, "left behind", ("x"):rep(5000))
end

function states.use_again()
  assert(process.pid() == me)
  process.send("embed." .. me, "to oneself", me)
  local got
  repeat
    got = process.inbox():receive()
  until got:topic() == "to oneself"
  process.send("embed.common", "from somebody", ("x"):rep(5000))
end

-- The PIDs of the main process and of everything below it.
function states.have_family()
  return me .. table.concat(family(3, parked)) .. family(1, computing)[1] .. family(1, asleep)[1]
end

function states.survive()
  states.pids = states.pids or family(4, "while true do process.inbox():receive() end")
  for _, pid in ipairs(states.pids) do
    assert(process.send(pid, "still there?"))
  end
end

-- Starts processes and sees them end; nothing of them is left.
function states.raise_family()
  local child = process.exec(function(name)
    return name
  end, "app:processes", me)
  assert(child == me)
  local pid = family(1, computing)[1]
  assert(process.monitor(pid) and process.terminate(pid))
  assert(process.events():receive().from == pid)
end

function states.be_severed()
  local ok, err = pcall(process.pid)
  assert(not ok and tostring(err):find("not available after fork", 1, true), err)
end

local main, watched

function states.watch(pids)
  main, watched = pids:match("{.-}"), 0
  for pid in pids:gmatch("{.-}") do
    assert(process.monitor(pid))
    watched = watched + 1
  end
end

-- The main process has ended normally, without result; everything below it was terminated.
function states.see_them_end()
  for _ = 1, watched do
    local ev = process.events():receive()
    assert(ev.kind == process.event.EXIT and ev.result == nil)
    assert(tostring(ev.error) == (ev.from == main and "nil" or "process terminated"), ev.error)
  end
  local sent, err = process.send(main, "lost")
  assert(not sent and tostring(err) == "process not found: " .. main)
end

function states.answer()
  assert(process.registry.register("embed.answers"))
  repeat
    local question = process.inbox():receive()
    process.send(question:from(), "answer", question:payload())
  until question:payload() == "last"
end

-- Found by name; it answers to its PID.
function states.ask(count)
  while not process.registry.lookup("embed.answers") do
    time.sleep("1ms")
  end
  for i = 1, tonumber(count) do
    assert(process.send("embed.answers", "question", { i, ("x"):rep(i) }))
    local answer = process.listen("answer"):receive()
    assert(answer[1] == i and #answer[2] == i)
  end
  assert(process.send("embed.answers", "question", "last"))
  while process.registry.lookup("embed.answers") do
    time.sleep("1ms")
  end
end

function states.wait_in_vain()
  local ok, err = pcall(function()
    process.inbox():receive()
  end)
  assert(not ok and tostring(err):find("deadlock: nothing can wake the main process", 1, true), err)
end

function states.outlast(span)
  time.sleep(span)
end

function states.expect_calls()
  process.listen("call")
  return me
end

function states.call_in(pid)
  assert(process.send(pid, "call"))
end

function states.take_calls(count)
  local calls = process.listen("call")
  for _ = 1, tonumber(count) do
    assert(select(2, calls:receive()))
  end
end

-- The children's work when the state closes; messages of some arrive as it does.
local doings = {
  computing,
  asleep,
  "while true do pcall(error, 'again') end",
  "while true do process.time.sleep('1us') end",
  "local i = 0 while true do i = i + 1 process.send(..., 'flood', ('x'):rep(i % 1000)) end",
  "while true do pcall(process.spawn, 'embed:member', 'app:processes', ..., 1, 'return 1') end",
  "local all = {} while true do all = { all, setmetatable({}, { __gc = function() end }) } end",
  "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
}

function states.be_busy(number)
  for _ = 1, 3 do
    family(1, doings[tonumber(number) % #doings + 1])
  end
end

function states.wait_for_ever()
  family(2, computing)
  process.inbox():receive()
end

return states
