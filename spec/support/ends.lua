-- Runs one script many times, several at once, and judges how each run ended.
local support = require "spec.support"

local ends = {}

-- How often each script is run.
ends.times = tonumber(os.getenv("PROCESS_TEST_ENDINGS") or 200)

-- The longest time a run may take, in seconds: then it counts as hung and is killed. Far beyond every checked bound.
local limit = 20

-- The longest time that half of the runs, and any run, may take in seconds: the short grace, one second more, and the
-- start of everything, on a machine that is busy with the other runs and with other work.
local median, longest = 1.5, 5

-- How many run at once, unless they mostly wait.
local width = 8

-- Tools for scripts and children.
local tools = support.FINALIZER

-- The start of every script. `number` counts the runs, `delay` is a random number of nanoseconds.
-- spawn(body, ...) runs a child whose main(parent, ...) has this body, on `host`: spec:brief has short graces. A child
-- calls ready(parent) or, where it may not wait, there(parent); ready() waits until all have done so and then lets
-- those go on that wait in ready(parent). So all begin their work together, and none slows the start of others.
-- signal(name) has another program send the signal after the delay (`os.execute` would ignore INT for a moment).
ends.prelude = tools .. [==[
  local process = require "process"
  local channel, time = process.channel, process.time
  local number = tonumber((...))
  math.randomseed(os.time() % 100000 * 1000 + number)
  for _ = 1, 3 do math.random() end
  local delay = math.random(1000, 8000000)
  assert(process.define_host("spec:brief", { exit_grace = "50ms", terminate_grace = "50ms" }))
  assert(process.define_host("spec:patient", { exit_grace = "5s" }))
  local host, spawned = "spec:brief", 0
  local child = [=[
    local function there(parent) process.send(parent, "ready") end
    local function ready(parent)
      there(parent)
      process.listen("go"):receive()
    end
  ]=]
  local function spawn(body, ...)
    spawned = spawned + 1
    local entry = "spec:child" .. spawned
    local main = "return { main = function(parent, ...) " .. body .. " end }"
    assert(process.define(entry, [=[]==] .. tools .. [==[]=] .. child .. main))
    return assert(process.spawn(entry, host, process.pid(), ...))
  end
  local function ready()
    local said = process.listen("ready", { message = true })
    local pids = {}
    for i = 1, spawned do pids[i] = said:receive():from() end
    for i = 1, spawned do process.send(pids[i], "go") end
  end
  local function signal(name)
    SENDER = io.popen(("sleep %.6f; kill -%s $PPID"):format(delay / 1e9, name))
  end
]==]

-- Starts children in every state in which the end can find them, some of them just being spawned.
ends.children = [[
  spawn("ready(parent) time.sleep('1h')")
  spawn("process.set_options({ trap_links = true }) process.link(parent) process.monitor(parent) ready(parent) "
    .. "process.inbox():receive()")
  spawn("local events = process.events() ready(parent) events:receive()")
  spawn("ready(parent) while process.send(parent, 'flood', { parent }) do time.sleep('100us') end")
  spawn("ready(parent) while true do " .. (number % 2 == 0 and "" or "pcall(error, 'again')") .. " end")
  ready()
  for _ = 1, 3 do spawn("channel.new():receive()") end
]]

-- $1 folder, $2 interpreter, $3 number of runs, $4 runs at once, $5 limit in seconds. Prints for each run its
-- number, its code, and when it began and ended.
local driver = [[
  folder=$1 lua=$2 count=$3 width=$4 limit=$5
  now() { if [ -r /proc/uptime ]; then read -r now _ </proc/uptime; else now=$(date +%s); fi; }
  run() {
    (exec timeout -s KILL "$limit" "$lua" "$folder/script.lua" "$1" </dev/null >"$folder/$1.out" 2>"$folder/$1.err")
  }
  work() {
    number=$1
    while [ "$number" -le "$count" ]; do
      now; begun=$now
      code=0; run "$number" || code=$?
      now; echo "$number $code $begun $now"
      number=$((number + width))
    done
  }
  worker=1
  while [ "$worker" -le "$width" ]; do
    work "$worker" >"$folder/codes.$worker" &
    worker=$((worker + 1))
  done
  wait
  cat "$folder"/codes.*
]]

local function slurp(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Runs the script `times` times, `at_once` of them at once; a list of { number, code, out, err, seconds }.
function ends.run(source, at_once)
  local runs = {}
  support.with_folder({ ["script.lua"] = support.prelude .. source, ["driver.sh"] = driver }, function(folder)
    os.execute(("sh %s/driver.sh %s '%s' %d %d %d >%s/codes 2>/dev/null"):format(
      folder, folder, support.lua, ends.times, at_once or width, limit, folder))
    for line in slurp(folder .. "/codes"):gmatch("[^\n]+") do
      local number, code, begun, over = line:match("^(%d+) (%d+) (%S+) (%S+)$")
      runs[#runs + 1] = {
        number = tonumber(number),
        code = tonumber(code),
        out = slurp(("%s/%d.out"):format(folder, number)),
        err = slurp(("%s/%d.err"):format(folder, number)),
        seconds = tonumber(over) - tonumber(begun),
      }
    end
  end)
  return runs
end

-- How many runs ended with which code, and how long they took: in seconds, sorted.
local function distribution(runs)
  local codes, seconds = {}, {}
  for _, run in ipairs(runs) do
    codes[run.code] = (codes[run.code] or 0) + 1
    seconds[#seconds + 1] = run.seconds
  end
  table.sort(seconds)
  return codes, seconds
end

local function report(name, codes, seconds)
  local list = {}
  for code, count in pairs(codes) do
    list[#list + 1] = ("%d × code %d"):format(count, code)
  end
  table.sort(list)
  io.stderr:write(("%-72s median %4.2f s, 99 %% %4.2f s, longest %4.2f s; %s\n"):format(name,
    seconds[math.ceil(#seconds / 2)], seconds[math.ceil(#seconds * 0.99)], seconds[#seconds],
    table.concat(list, ", ")))
end

local function fits(expected, text)
  if type(expected) == "function" then
    return expected(text)
  end
  return text == (expected or "")
end

-- Runs the script of this way of ending and judges each run. Fields of a way: `source`; `code`, a number or a set of
-- them (0); `out` and `err`, a text ("") or a function that judges it; `at_once`, how many run at once.
function ends.check(name, way)
  local runs = ends.run(ends.prelude .. way.source, way.at_once)
  assert(#runs == ends.times, #runs .. " runs")
  local codes, seconds = distribution(runs)
  if os.getenv("PROCESS_TEST_REPORT") then
    report(name, codes, seconds)
  end
  local wrong, first = 0, nil
  for _, run in ipairs(runs) do
    local code = way.code or 0
    local right = type(code) == "table" and code[run.code] or run.code == code
    if not (right and fits(way.out, run.out) and fits(way.err, run.err) and run.seconds <= longest) then
      wrong, first = wrong + 1, first or run
    end
  end
  if seconds[math.ceil(#seconds / 2)] > median then
    error(("half of the runs took longer than %.2f s"):format(seconds[math.ceil(#seconds / 2)]), 0)
  end
  if first then
    error(("%d of %d runs went wrong, the first is number %d: code %d after %.2f s, output %q, errors %q"):format(
      wrong, #runs, first.number, first.code, first.seconds, first.out:sub(1, 2000), first.err:sub(1, 2000)), 0)
  end
end

-- Judges the interpreter's message when a script fails: this message (after any position), a traceback, nothing else.
function ends.traceback(message)
  return function(text)
    local said, trace = text:match("^(.-)\nstack traceback:\n(.*)$")
    return said ~= nil and not said:find("\n") and said:sub(-#message) == message
      and not ("\n" .. trace):find("\n[^\t]")
  end
end

return ends
