-- loops.md: being served from an event loop that is not the library's.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local descriptors = require "spec.support.descriptors"
local support = require "spec.support"
local native = descriptors.native

-- Whether a loop would call `step` now.
local function is_due(span)
  return native.readable(process.pollfd(), span or 0) == 1
end

-- Does all there is to do, as a loop would.
local function settle()
  -- Timers of what came before.
  collectgarbage()
  collectgarbage()
  for _ = 1, 1000 do
    if not is_due() then
      return
    end
    process.step()
  end
  error("it is never quiet")
end

describe("process.pollfd", function()
  before_each(function()
    support.reset()
    settle()
  end)
  after_each(support.finish)

  it("M-1 is the same number on every call, and no started program has it", function()
    local fd = process.pollfd()
    assert.are.equal("number", type(fd))
    assert.are.equal(fd, process.pollfd())
    assert.are.equal(1, native.on_exec(fd))
  end)

  it("M-1 M-2 is readable from a message on until a step has seen it, taken or not", function()
    assert.is_false(is_due())
    process.send(process.pid(), "spec.loops", 1)
    assert.is_true(is_due())
    assert.is_true(is_due())
    process.step()
    assert.is_false(is_due())
    process.send(process.pid(), "spec.loops", 2)
    assert.are.equal(1, support.receive(process.inbox()):payload())
    assert.are.equal(2, support.receive(process.inbox()):payload())
    assert.is_true(is_due())
    process.step()
    assert.is_false(is_due())
  end)

  it("M-1 M-2 is readable for an event, and for a message of another process during a blocking call", function()
    local pid = support.spawn_monitored("process.send(..., 'spec.loops', 1)", process.pid())
    assert.are.equal(1, support.receive(process.inbox()):payload())
    assert.is_true(is_due())
    assert.are.equal(pid, support.event_of(pid).from)
    assert.is_true(is_due())
    settle()
    local other = support.spawn_monitored("")
    assert.is_true(is_due(20000))
    settle()
    assert.are.equal(other, support.event_of(other).from)
  end)

  it("M-1 is readable for a timer that is due, by itself, and not before", function()
    local fired = time.after("60ms")
    local start = time.now()
    settle()
    assert.is_true(is_due(20000))
    assert.is_true(time.now():sub(start):milliseconds() >= 60)
    process.step()
    assert.is_false(is_due())
    assert.is_truthy(support.waiting(fired))
  end)

  it("M-1 is readable for a coroutine that can go on", function()
    local ch, got = channel.new(), nil
    coroutine.spawn(function()
      got = ch:receive()
    end)
    assert.is_true(is_due())
    process.step()
    assert.is_false(is_due())
    ch:send("x")
    assert.is_true(is_due())
    process.step()
    assert.are.equal("x", got)
    assert.is_false(is_due())
  end)

  it("M-1 counts what has happened before the first call", function()
    local script = descriptors.source .. [[
      local process = require "process"
      local function due() return native.readable(process.pollfd(), 0) == 1 end
      %s
      print(due())
      process.step()
      print(due())
    ]]
    assert.are.equal("false\nfalse\n", support.output_of(script:format("")))
    assert.are.equal("true\nfalse\n", support.output_of(script:format("process.send(process.pid(), 'x', 1)")))
    local sorted = "process.send(process.pid(), 'x', 1); process.events():receive(0)"
    assert.are.equal("true\nfalse\n", support.output_of(script:format(sorted)))
    assert.are.equal("true\nfalse\n", support.output_of(script:format("coroutine.spawn(function() end)")))
    local overdue = "require('process.time').after('1ms'); native.readable(-1, 10)"
    assert.are.equal("true\nfalse\n", support.output_of(script:format(overdue)))
  end)

  it("M-2 loses nothing and is quiet afterwards, while others send all the time", function()
    local count, seen = 2000, 0
    local ch = process.listen("spec.loops.flood")
    local handle = process.on(ch, function(_, ok)
      seen = seen + (ok and 1 or 0)
    end)
    for _ = 1, 2 do
      support.spawn_monitored(
        "local to, count = ... for i = 1, count do process.send(to, 'spec.loops.flood', i) end",
        process.pid(),
        count
      )
    end
    local steps = 0
    while seen < 2 * count and is_due(20000) do
      process.step(7)
      steps = steps + 1
    end
    assert.are.equal(2 * count, seen)
    settle()
    assert.is_false(is_due())
    assert.is_true(steps < 10 * count)
    assert.is_true(handle:stop())
    process.unlisten(ch)
  end)

  it("M-10 a process in a foreign loop is ended as soon as that loop calls Lua", function()
    if support.workers > 0 then
      return
    end
    local body = descriptors.source
      .. [[
      local fd = process.pollfd()
      process.send(..., "ready", fd)
      for turn = 1, 1000 do
        if native.readable(fd, 20000) == 1 then process.step() end
        process.send(..., "turn", turn)
      end
    ]]
    local pid = support.spawn_monitored(body, process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    local start = time.now()
    process.terminate(pid)
    assert.are.equal("process terminated", tostring(support.event_of(pid).error))
    assert.is_true(time.now():sub(start):seconds() < 5)
    assert.is_nil(support.waiting(process.inbox()))
    local linked = support.spawn(body, process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    process.monitor(linked)
    local broken = support.spawn("process.link(...) error('broken', 0)", linked)
    local text = tostring(support.event_of(linked).error)
    assert.are.equal(("linked process failed: %s: broken"):format(broken), text)
  end)

  it("M-11 in a forked child the inherited descriptor is closed, and the next call makes a new one", function()
    local script = descriptors.source
      .. [[
      local process = require "process"
      local fd = process.pollfd()
      process.send(process.pid(), "before", 1)
      local child = native.fork()
      if child == 0 then
        local closed = native.close(fd) ~= 0
        local new = process.pollfd()
        local due = native.readable(new, 0)
        process.step()
        local quiet = native.readable(new, 0)
        process.send(process.pid(), "x", 1)
        os.exit(closed and due == 1 and quiet == 0 and native.readable(new, 0) == 1 and 7 or 1)
      end
      print(native.wait(child), native.readable(fd, 0), process.step())
      print(native.readable(fd, 0))
    ]]
    assert.are.equal("7 1 false nil 0 ", (support.output_of(script):gsub("%.0", ""):gsub("%s+", " ")))
  end)

  it("M-1 M-3 B-150 is not there on a pool host, and neither is step", function()
    if support.workers == 0 then
      return
    end
    local texts = support.result_of([[
      local _, a = process.pollfd()
      local _, b = process.step()
      return { tostring(a), tostring(b), a:kind() }
    ]])
    assert.are.same({
      "not available on a pool host: pollfd",
      "not available on a pool host: step",
      require("process.errors").UNAVAILABLE,
    }, texts)
  end)
end)

describe("process.step", function()
  before_each(function()
    support.reset()
    settle()
  end)
  after_each(support.finish)

  it("M-3 resumes at most `budget` coroutines, and says whether more can go on", function()
    local ran = 0
    for _ = 1, 5 do
      coroutine.spawn(function()
        ran = ran + 1
      end)
    end
    local more, timeout = process.step(2)
    assert.are.same({ true, 0, 2 }, { more, timeout, ran })
    assert.is_true(is_due())
    more, timeout = process.step(2)
    assert.are.same({ true, 0, 4 }, { more, timeout, ran })
    more, timeout = process.step()
    assert.are.same({ false, 5 }, { more, ran })
    assert.is_true(timeout == nil or timeout > 1)
    for _ = 1, 70 do
      coroutine.spawn(function()
        ran = ran + 1
      end)
    end
    assert.is_true(process.step())
    assert.are.equal(69, ran)
    assert.is_false(process.step())
  end)

  it("M-3 says how long until the next timer: never less, at most a millisecond more", function()
    local start = time.now()
    local timer = time.timer("80ms")
    local _, timeout = process.step()
    local passed = time.now():sub(start):seconds()
    assert.is_true(timeout > 0.08 - passed and timeout <= 0.081)
    timer:stop()
    local _, later = process.step()
    assert.is_true(later == nil or later > 1)
  end)

  it("M-3 raises for a budget that is none", function()
    for _, budget in ipairs { 0, -1, 0.5 } do
      assert.is_truthy(support.bad_argument(process.step, budget):find("#1", 1, true))
    end
    assert.are.equal("#1 (number expected, got string)", support.bad_argument(process.step, "x"))
  end)

  it("M-4 neither timers of one nor a channel that never runs dry keep others away", function()
    local ticks, taken, other, over = 0, 0, 0, false
    local ticker = time.ticker("1us")
    local flood = channel.new(2)
    coroutine.spawn(function()
      while not over do
        ticker:channel():receive()
        ticks = ticks + 1
      end
    end)
    coroutine.spawn(function()
      while not over do
        flood:send(1)
        flood:receive()
        taken = taken + 1
      end
    end)
    coroutine.spawn(function()
      while not over do
        other = other + 1
        coroutine.yield()
      end
    end)
    local start = time.now()
    for _ = 1, 20 do
      process.step(6)
    end
    assert.is_true(ticks > 0 and taken > 0 and other > 0)
    assert.is_true(time.now():sub(start):seconds() < 10)
    over = true
    ticker:stop()
    settle()
  end)

  it("M-5 raises errors of coroutines and broken links unchanged, one a call, in order, first of all", function()
    local ran = false
    for number = 1, 2 do
      coroutine.spawn(function()
        error({ number = number })
      end)
    end
    for number = 1, 2 do
      assert.is_true(is_due())
      local ok, raised = pcall(process.step)
      assert.is_false(ok)
      assert.are.same({ number = number }, raised)
    end
    coroutine.spawn(function()
      ran = true
    end)
    process.step()
    assert.is_true(ran)
    local pid = support.spawn_linked("error('broken', 0)")
    assert.is_true(is_due(20000))
    local text
    support.eventually(function()
      local ok, raised = pcall(process.step)
      text = not ok and tostring(raised)
      return not ok
    end)
    assert.are.equal(("linked process failed: %s: broken"):format(pid), text)
    settle()
  end)

  it("M-6 does nothing inside a coroutine that the library runs, and in a finalizer", function()
    local inside, ran
    coroutine.spawn(function()
      inside = support.pack(process.step())
    end)
    coroutine.spawn(function()
      ran = true
    end)
    assert.is_true(process.step(1))
    assert.are.equal(false, inside[1])
    assert.is_nil(ran)
    assert.is_false((support.in_finalizer(process.step)))
    assert.is_nil(ran)
    process.step()
    assert.is_true(ran)
  end)

  it("M-6 B-151 a call that would block raises if the process wants that, and is served if it need not wait", function()
    assert.are.equal("wait", process.get_options().blocking)
    assert.is_true(process.set_options { blocking = "error" })
    assert.are.equal("error", process.get_options().blocking)
    local ch = channel.new(1)
    local calls = {
      receive = function() ch:receive() end,
      select = function() channel.select { ch:case_receive() } end,
      sleep = function() time.sleep("1ms") end,
      exec = function() process.exec(support.entry "", support.host) end,
      wait = function()
        support.spawn(support.parked)
        process.wait("1s")
      end,
      await = function() process.registry.await("spec.loops.nobody") end,
      call = function() process.call(support.spawn(support.parked), "x") end,
      shutdown = function() process.shutdown() end,
    }
    for name, call in pairs(calls) do
      assert.are.equal(name .. " would block the event loop", support.raised(call))
    end
    ch:send(1)
    assert.are.equal("send would block the event loop", support.raised(ch.send, ch, 2))
    assert.are.equal(1, ch:receive())
    time.sleep(0)
    time.sleep(-1)
    assert.is_true(channel.select({ ch:case_receive(), default = true }).default)
    local got
    coroutine.spawn(function()
      time.sleep("1ms")
      got = true
    end)
    support.reset()
    support.eventually(function()
      process.step()
      return got
    end)
    for _, bad in ipairs { "never", 1, true } do
      local _, err = process.set_options { blocking = bad }
      assert.are.equal('option blocking must be a string, "wait" or "error"', tostring(err))
    end
    assert.are.equal("wait", support.result_of("return process.get_options().blocking"))
  end)

  it("M-3 M-5 works in a process with a thread of its own, whose coroutines end it when they fail", function()
    if support.workers > 0 then
      return
    end
    local body = descriptors.source
      .. [[
      local fd, seen = process.pollfd(), {}
      process.on(process.inbox(), function(msg) seen[#seen + 1] = msg:payload() end)
      process.send(..., "ready", fd)
      while #seen < 3 do
        native.readable(fd, 20000)
        process.step()
      end
      coroutine.spawn(function() error("of the coroutine", 0) end)
      process.step()
      return "not reached"
    ]]
    local pid = support.spawn_monitored(body, process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    for number = 1, 3 do
      process.send(pid, "x", number)
    end
    assert.are.equal("of the coroutine", tostring(support.event_of(pid).error))
  end)

  it("M-9 the deadlock error is not raised once a loop may watch, or while a watch or signals are open", function()
    local head = descriptors.source .. "local process, channel = require 'process', require 'channel' "
    local plain = support.run(head .. "print(pcall(function() channel.new():receive() end))", 20)
    assert.is_truthy(plain.out:find("deadlock: nothing can wake the main process", 1, true))
    for _, opened in ipairs {
      "process.pollfd()",
      "local a = native.pair(); W = process.poll(a, 'r')",
      "process.signals { 'USR1' }",
    } do
      local ran = support.run(head .. opened .. " print('begins') io.stdout:flush() channel.new():receive()", 1)
      assert.are.same({ 137, "begins\n" }, { ran.code, ran.out })
    end
    local closed = support.run(head .. "process.signals({ 'USR1' }):close() channel.new():receive()", 20)
    assert.is_truthy(closed.err:find("deadlock: nothing can wake the main process", 1, true))
  end)
end)
