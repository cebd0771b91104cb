-- Managed coroutines: how coroutine.spawn starts one, how it runs beside the others, and how it ends.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"
local spawn = coroutine.spawn

local function turn()
  time.sleep(0)
end

describe("coroutine.spawn", function()
  before_each(support.reset)
  after_each(support.finish)

  it("C-30 starts fn(...) beside the caller", function()
    local done = channel.new()
    spawn(function(n, ...)
      time.sleep("1ms")
      done:send({ n * 2, select("#", ...) })
    end, 21, nil, nil)
    assert.same({ 42, 2 }, (support.receive(done)))
  end)

  it("C-31 starts no later than the caller's next wait, in the order of the calls", function()
    local log = {}
    for i = 1, 5 do
      spawn(function()
        log[#log + 1] = i
      end)
    end
    turn()
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end)

  it("C-31 runs ready coroutines in the order in which they became ready", function()
    local log, gates = {}, {}
    for i = 1, 5 do
      gates[i] = channel.new(1)
      spawn(function()
        table.insert(log, (gates[i]:receive()))
      end)
    end
    turn()
    for _, i in ipairs({ 3, 1, 5, 2, 4 }) do
      gates[i]:send(i)
    end
    turn()
    assert.same({ 3, 1, 5, 2, 4 }, log)
  end)

  it("C-32 an error that leaves it ends a spawned process with that error", function()
    local exit = support.exit_of([[
      coroutine.spawn(function()
        error(errors.new({ message = "no paper", kind = errors.UNAVAILABLE }))
      end)
      channel.new():receive()
    ]])
    assert.equal("no paper", exit.error:message())
    assert.equal(errors.UNAVAILABLE, exit.error:kind())
  end)

  it("C-32 in the main process its error is raised from the present wait, which takes nothing", function()
    local broken, ch = { "any value" }, channel.new(1)
    spawn(function()
      time.sleep("1ms")
      error(broken)
    end)
    local ok, err = pcall(ch.receive, ch)
    assert.is_false(ok)
    assert.equal(broken, err)
    ch:send("kept")
    turn()
    assert.equal("kept", (ch:receive()))
  end)

  it("C-32 in the main process the error of a second one is raised from the next wait", function()
    for i = 1, 2 do
      spawn(function()
        error("broken " .. i, 0)
      end)
    end
    assert.same({ false, "broken 1" }, { pcall(time.sleep, "1ms") })
    assert.same({ false, "broken 2" }, { pcall(time.sleep, "1ms") })
    assert.is_true(pcall(time.sleep, "1ms"))
  end)

  it("C-34 is dropped when `main` returns", function()
    local exit = support.exit_of([[
      local parent, running = ..., channel.new()
      coroutine.spawn(function()
        running:send(true)
        while true do
          process.send(parent, "tick")
          time.sleep("1ms")
        end
      end)
      running:receive()
      time.sleep("5ms")
      return "main is over"
    ]], process.pid())
    assert.equal("main is over", exit.result)
    support.reset() -- what it sent before
    assert.is_true(support.silent(process.inbox()))
  end)

  it("C-35 returns a handle that is not the coroutine that runs", function()
    local done, itself = channel.new(), nil
    local handle = spawn(function()
      itself = coroutine.running()
      done:send("finished")
    end)
    assert.equal("thread", type(handle))
    assert.equal("dead", coroutine.status(handle))
    local ok, message = coroutine.resume(handle)
    assert.is_false(ok)
    assert.equal("string", type(message))
    if coroutine.close then
      coroutine.close(handle)
    end
    assert.equal("finished", (support.receive(done)))
    assert.is_false(handle == itself)
  end)

  it("C-35 coroutine.yield in it, or in `main` of a spawned process, gives the others a turn", function()
    local body = [[
      local log, done = {}, channel.new()
      for i = 1, 2 do
        coroutine.spawn(function()
          for step = 1, 2 do
            table.insert(log, i .. ":" .. step .. " " .. select("#", coroutine.yield("ignored")))
          end
          done:send(true)
        end)
      end
      %s
      done:receive()
      done:receive()
      return log
    ]]
    local expected = { "1:1 0", "2:1 0", "1:2 0", "2:2 0" }
    assert.same(expected, assert(load(body:format("")))())
    assert.same(expected, support.result_of(body:format([[
      coroutine.yield()
      assert(#log == 0)
      assert(select("#", coroutine.yield()) == 0)
      assert(#log == 2)
    ]])))
  end)

  if coroutine.close then
    it("C-35 C-40 one that is closed while it waits takes nothing", function()
      local ch, itself = channel.new(1), nil
      spawn(function()
        itself = coroutine.running()
        ch:receive()
      end)
      turn()
      ch:send("for somebody else") -- it is next, but does not resume any more
      coroutine.close(itself)
      turn()
      assert.equal("for somebody else", (support.receive(ch)))
    end)
  end

  it("C-36 waits while its process computes; other processes do not", function()
    local flag = os.tmpname()
    os.remove(flag)
    local computing = support.spawn_monitored([[
      local parent, flag = ...
      local turns = 0
      coroutine.spawn(function()
        turns = turns + 1
      end)
      process.send(parent, "computing")
      repeat
        local file = io.open(flag)
      until file
      return turns
    ]], process.pid(), flag)
    assert.equal("computing", support.receive(process.inbox()):topic())
    local partner = support.spawn(support.echo)
    for _ = 1, 10 do
      assert.is_true(support.answers(partner))
    end
    support.write(flag, "")
    assert.equal(0, support.event_of(computing).result)
    os.remove(flag)
  end)

  it("C-37 may park a spawned process for ever: terminate and links still end it", function()
    local parked = support.spawn_monitored(support.parked)
    local linked = support.spawn_monitored([[
      local partner, parent = ...
      process.link(partner)
      process.send(parent, "linked")
      channel.new():receive()
    ]], parked, process.pid())
    assert.equal("linked", support.receive(process.inbox()):topic())
    assert.is_true(support.silent(process.events()))
    process.terminate(parked)
    assert.equal("process terminated", tostring(support.event_of(parked).error))
    assert.equal(("linked process failed: %s: process terminated"):format(parked),
      tostring(support.event_of(linked).error))
  end)
end)

describe("a waiting coroutine that is next", function()
  before_each(support.reset)
  after_each(support.finish)

  local function waits_on(ch)
    local got = {}
    spawn(function()
      got.value, got.ok = ch:receive()
    end)
    turn()
    return got
  end

  it("C-40 P-39 gets nil, false when unlisten comes first; the message goes back to the inbox", function()
    local ch = process.listen("next.topic")
    local got = waits_on(ch)
    process.send(process.pid(), "next.topic", "back")
    process.unlisten(ch)
    turn()
    assert.same({ ok = false }, got)
    assert.equal("back", support.receive(process.inbox()):payload())
  end)

  it("C-40 P-31 goes on waiting in its old place when listen takes its message", function()
    local first, second = waits_on(process.inbox()), waits_on(process.inbox())
    process.send(process.pid(), "next.claimed", "claimed")
    local ch = process.listen("next.claimed")
    turn()
    assert.same({}, first)
    assert.equal("claimed", (support.receive(ch)))
    process.unlisten(ch)
    process.send(process.pid(), "next.other", 1)
    turn()
    process.send(process.pid(), "next.other", 2)
    turn()
    assert.same({ 1, 2 }, { first.value:payload(), second.value:payload() })
  end)

  local removals = {
    { id = "L-24", undo = "unmonitor", start = "spawn_monitored" },
    { id = "L-47", undo = "unlink", start = "spawn_linked" },
  }
  for _, case in ipairs(removals) do
    it("C-40 " .. case.id .. " goes on waiting in its old place when " .. case.undo .. " takes its event", function()
      process.set_options({ trap_links = true })
      local first, second = waits_on(process.events()), waits_on(process.events())
      local dies = "return nil, 'died'"
      local removed = support[case.start](support.parked)
      local start = time.now()
      repeat -- without blocking, so that the event waits in the mailbox
        local found = process.terminate(removed)
      until not found or time.now():sub(start):seconds() > 20
      process[case.undo](removed)
      turn()
      assert.same({}, first)

      local one = support[case.start](dies)
      support.eventually(function()
        return first.value
      end)
      local two = support[case.start](dies)
      support.eventually(function()
        return second.value
      end)
      assert.same({ one, two }, { first.value.from, second.value.from })
    end)
  end
end)
