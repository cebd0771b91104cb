-- inspection.md: process.trace.
local process = require "process"
local time = require "process.time"
local json = require "spec.support.json"
local border = require "spec.support.border"
local support = require "spec.support"

local path

-- The events of the trace that was written.
local function events()
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return json.read(text).traceEvents
end

-- Traces what `act` does: the events.
local function traced(act, options)
  assert.is_true(process.trace(path, options))
  act()
  assert.is_true(process.trace(nil))
  return events()
end

-- The events with these fields.
local function with(list, fields)
  local found = {}
  for _, event in ipairs(list) do
    local fits = true
    for name, value in pairs(fields) do
      fits = fits and event[name] == value
    end
    if fits then
      found[#found + 1] = event
    end
  end
  return found
end

-- The rows by the PIDs in their names.
local function rows(list)
  local found = {}
  for _, event in ipairs(with(list, { name = "thread_name" })) do
    found[event.args.name:match("{[^{}]*}$")] = event.tid
  end
  return found
end

describe("process.trace", function()
  before_each(function()
    support.reset()
    path = os.tmpname()
  end)
  after_each(function()
    process.trace(nil)
    support.finish()
    os.remove(path)
  end)

  it("I-5 writes runs, spawns, ends and messages with an arrow to their receive", function()
    local pid
    local list = traced(function()
      pid = support.start(function(parent)
        process.send(parent, "back", process.inbox():receive():payload())
      end, process.pid())
      process.send(pid, "there", 1)
      support.within(process.inbox())
      support.event_of(pid)
    end)
    local row = rows(list)
    local own, child = row[process.pid()], row[pid]
    assert.is_truthy(own and child)
    assert.is_true(#with(list, { ph = "X", name = "run", tid = child }) > 0)
    assert.is_true(#with(list, { ph = "X", name = "run", tid = own }) > 0)
    assert.are.equal(1, #with(list, { name = "spawn", tid = own }))
    assert.are.equal("ok", with(list, { name = "exit", tid = child })[1].args.how)
    assert.are.equal(1, #with(list, { name = "send there", tid = own }))
    assert.are.equal(1, #with(list, { name = "send back", tid = child }))
    local begins, ends = with(list, { ph = "s", tid = own })[1], with(list, { ph = "f", tid = child })[1]
    assert.are.equal(begins.id, ends.id)
    assert.is_true(begins.ts <= ends.ts)
    assert.are.equal(with(list, { ph = "s", tid = child })[1].id, with(list, { ph = "f", tid = own })[1].id)
  end)

  it("I-5 writes calls, timers and names", function()
    local name = 'a "name" \\ \1\255'
    local list = traced(function()
      local pid = support.start(function()
        local msg = process.inbox():receive()
        time.sleep("2ms")
        msg:reply(1)
      end)
      process.registry.register(name, pid)
      assert.are.equal(1, process.call(pid, "ask"))
      process.call(pid, "never", nil, { timeout = "1ms" })
      support.event_of(pid)
    end)
    local own = rows(list)[process.pid()]
    local begins, ends = with(list, { ph = "b", cat = "call" }), with(list, { ph = "e", cat = "call" })
    assert.are.equal("ask", begins[1].args.topic)
    assert.are.equal(#begins, #ends)
    assert.are.equal(own, begins[1].tid)
    for number, event in ipairs(begins) do
      assert.are.equal(event.id, ends[number].id)
    end
    assert.is_true(#with(list, { name = "timer" }) > 0)
    assert.are.equal(1, #with(list, { name = "name" }))
    assert.are.equal(1, #with(list, { name = "name released" }))
  end)

  it("I-5 contents of messages are not in it", function()
    traced(function()
      process.send(process.pid(), "t", "a secret text")
      support.within(process.inbox())
    end)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    assert.is_nil(text:find("secret", 1, true))
    assert.is_truthy(text:find("send t", 1, true))
  end)

  it("I-5 the newest events stay", function()
    local list = traced(function()
      for number = 1, 6000 do
        process.send(process.pid(), "t" .. number, 1)
      end
      local inbox = process.inbox()
      while inbox:receive("0s") do end
    end, { events = 1 })
    assert.is_true(#list < 20000)
    assert.are.equal(0, #with(list, { name = "send t1" }))
  end)

  it("I-5 runs do not overlap, and many processes write at the same time", function()
    local list = traced(function()
      local pids = {}
      for number = 1, 8 do
        pids[number] = support.start(function()
          for _ = 1, 50 do
            process.send(process.pid(), "t", 1)
            process.inbox():receive()
            time.sleep(1000)
          end
        end)
      end
      for _ = 1, #pids do
        support.within(process.events())
      end
    end)
    local last = {}
    for _, run in ipairs(with(list, { ph = "X" })) do
      assert.is_true(run.ts + 0.0011 >= (last[run.tid] or 0), run.tid)
      last[run.tid] = run.ts + run.dur
    end
    assert.are.equal(400, #with(list, { ph = "f" }))
  end)

  it("I-5 can begin again, and leaves nothing when it is off", function()
    for _ = 1, 3 do
      local list = traced(function()
        process.send(process.pid(), "t", 1)
        support.within(process.inbox())
      end)
      assert.are.equal(1, #with(list, { name = "send t" }))
    end
  end)

  it("I-5 PROCESS_TRACE traces from the start, and the end of the main state writes", function()
    local source = [[
      local process = require "process"
      process.exec(function() end, "app:processes")
    ]]
    local ran = support.run(source, 20, ("env PROCESS_TRACE=%s"):format(path))
    assert.are.same({ 0, "", "" }, { ran.code, ran.out, ran.err })
    assert.are.equal(1, #with(events(), { name = "exit", ph = "i" }) - #with(events(), { tid = 1, name = "exit" }))
    os.remove(path)
    ran = support.run(source .. " os.exit(0)", 20, ("env PROCESS_TRACE=%s"):format(path))
    assert.are.equal(0, ran.code)
    assert.are.equal(0, assert(io.open(path)):seek("end"))
    ran = support.run(source, 20, "env PROCESS_TRACE=/nonexistent/file")
    assert.is_truthy(ran.err:find("trace: /nonexistent/file: No such file or directory", 1, true), ran.err)
  end)

  it("I-5 B-141 B-1 refuses what cannot be", function()
    support.fails("trace: not tracing", "CONFLICT", process.trace(nil))
    support.fails("trace: /nonexistent/file: No such file or directory", "INVALID", process.trace("/nonexistent/file"))
    support.fails("trace: not tracing", "CONFLICT", process.trace(nil))
    assert.is_true(process.trace(path))
    support.fails("trace: already tracing", "CONFLICT", process.trace(path))
    assert.is_true(process.trace(nil))
    local range = "bad argument #2 to 'trace' (field 'events': whole number from 1 to 4294967296 expected)"
    for _, events_given in ipairs({ 0, -1, 1.5, "many", 2 ^ 40 }) do
      assert.has_error(function() process.trace(path, { events = events_given }) end, range)
    end
    local text = "trace: unknown option event (did you mean events?)"
    assert.has_error(function() process.trace(path, { event = 5 }) end, text)
    assert.has_error(function() process.trace(path, 5) end, "bad argument #2 to 'trace' (table expected, got number)")
    assert.has_error(function() process.trace() end, "bad argument #1 to 'trace' (string expected, got no value)")
  end)

  it("I-5 the trace in docs/ is one, and the timeline there is drawn from it", function()
    path = os.tmpname()
    local list = json.read(assert(io.open("docs/timeline.json")):read("*a")).traceEvents
    assert.is_true(#with(list, { ph = "X" }) > 20 and #with(list, { ph = "f" }) > 20)
    local drawn = assert(io.popen("lua5.4 scripts/timeline.lua docs/timeline.json")):read("*a")
    assert.are.equal(assert(io.open("docs/timeline.svg")):read("*a"), drawn)
    local shown = assert(io.open("docs/top.txt")):read("*a")
    assert.is_truthy(shown:find("^%d+ processes [^\n]*\nPID +ENTRY +STATE +WAITS FOR +MAILBOX +MEMORY +TIME +AGE\n"))
  end)

  it("I-7 B-100 is not for restricted processes", function()
    local host = border.restricted()
    local body = "local _, err = process.trace('x') return tostring(err)"
    assert.are.equal("not allowed on host " .. host .. ": trace", border.run(host, body))
  end)
end)
