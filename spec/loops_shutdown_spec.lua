-- loops.md: process.shutdown, the end of everything that was spawned while the main process lives on.
local process = require "process"
local time = require "process.time"
local border = require "spec.support.border"
local support = require "spec.support"

describe("process.shutdown", function()
  before_each(support.reset)
  after_each(support.finish)

  it("M-31 terminates everything spawned, directly or not, and the main process hears of it", function()
    local nested = "process.send(..., 'inner', process.spawn(function() channel.new():receive() end, 'app:processes'))"
    local outer = support.spawn_monitored(nested .. " channel.new():receive()", process.pid())
    local inner = support.receive(process.inbox()):payload()
    local busy = support.spawn_monitored("while true do end")
    assert.is_true(process.shutdown())
    for _, pid in ipairs { outer, inner, busy } do
      assert.is_nil((process.send(pid, "there?")))
    end
    local ends = {}
    for _ = 1, 2 do
      local event = support.receive(process.events())
      ends[event.from] = tostring(event.error)
    end
    assert.are.same({ [outer] = "process terminated", [busy] = "process terminated" }, ends)
    assert.is_true(process.wait("1ms"))
  end)

  it("M-31 asks those that read their events, with the reason and the grace, and waits for them", function()
    local body = [[
      local events = process.events()
      process.send(..., "ready")
      local event = events:receive()
      process.send(..., "asked", { event.kind, event.reason, event.deadline:sub(event.at):seconds() })
      require("process.time").sleep("30ms")
      return "orderly"
    ]]
    local pid = support.spawn_monitored(body, process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    assert.is_true(process.shutdown("20s"))
    assert.are.same({ "pid.cancel", "shutdown", 20 }, support.receive(process.inbox()):payload())
    assert.are.equal("orderly", support.event_of(pid).result)
  end)

  it("M-31 ends those that overrun the grace, zero included", function()
    local stubborn = "process.events() process.send(..., 'ready') channel.new():receive()"
    for _, grace in ipairs { "40ms", "0", 0 } do
      local pid = support.spawn_monitored(stubborn, process.pid())
      assert.are.equal("ready", support.receive(process.inbox()):topic())
      local start = time.now()
      assert.is_true(process.shutdown(grace))
      assert.is_true(time.now():sub(start):seconds() < 5)
      assert.are.equal("process terminated", tostring(support.event_of(pid).error))
    end
  end)

  it("M-31 uses the exit grace of each host if nothing is said", function()
    local host = border.host { exit_grace = "40ms" }
    local code = support.code(function(parent)
      local process = require "process" -- luacheck: ignore
      process.events()
      process.send(parent, "ready")
      require("process.channel").new():receive()
    end)
    support.keep(assert(process.spawn(code, host, process.pid())))
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    local start = time.now()
    assert.is_true(process.shutdown())
    local seconds = time.now():sub(start):seconds()
    assert.is_true(seconds >= 0.04 and seconds < 1.5)
  end)

  it("M-31 its own links to what ends are dissolved, trapped or not", function()
    support.spawn_linked(support.parked)
    assert.is_true(process.shutdown())
    process.set_options { trap_links = true }
    support.spawn_linked(support.parked)
    assert.is_true(process.shutdown())
    time.sleep("2ms")
    assert.is_nil(support.waiting(process.events()))
  end)

  it("M-31 blocks the calling coroutine alone", function()
    local pid = support.spawn_monitored(
      "local events = process.events() process.send(..., 'ready') events:receive() process.inbox():receive()",
      process.pid()
    )
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    local done
    coroutine.spawn(function()
      done = process.shutdown("20s")
    end)
    time.sleep("10ms")
    assert.is_nil(done)
    process.send(pid, "end")
    support.eventually(function()
      return done
    end)
    assert.is_true(done)
  end)

  it("M-32 nothing can be spawned meanwhile, by anybody, and again afterwards", function()
    local body = [[
      local parent = ...
      local events = process.events()
      process.send(parent, "ready")
      events:receive()
      local _, err = process.spawn(function() end, "app:processes")
      process.send(parent, "tried", tostring(err))
      process.inbox():receive()
    ]]
    local pid = support.spawn(body, process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    local done
    coroutine.spawn(function()
      done = process.shutdown("20s")
    end)
    assert.are.equal("cannot start process: shutting down", support.receive(process.inbox()):payload())
    local code = support.code(function() end)
    local err = support.fails(
      "cannot start process: shutting down",
      "UNAVAILABLE",
      process.spawn(code, support.host)
    )
    assert.is_true(err:retryable())
    process.send(pid, "end")
    support.eventually(function()
      return done
    end)
    assert.are.equal(1, support.result_of("return 1"))
  end)

  it("M-32 a second call waits for the same end, and a shorter grace counts", function()
    support.spawn("process.events() process.send(..., 'ready') channel.new():receive()", process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    local done
    coroutine.spawn(function()
      done = process.shutdown("300s")
    end)
    time.sleep("5ms")
    local start = time.now()
    assert.is_true(process.shutdown("30ms"))
    assert.is_true(time.now():sub(start):seconds() < 5)
    support.eventually(function()
      return done
    end)
  end)

  it("M-32 none slips through while many spawn", function()
    local body = [[
      while true do
        process.spawn(function() require("process.time").sleep("1ms") end, "app:processes")
      end
    ]]
    for _ = 1, 5 do
      for _ = 1, 3 do
        support.spawn(body)
      end
      time.sleep("20ms")
      assert.is_true(process.shutdown("1s"))
      assert.are.equal(0, process.host_info(support.host).processes)
    end
  end)

  it("M-31 a call that an error takes out of its wait lets others spawn again", function()
    support.spawn("process.events() process.send(..., 'ready') channel.new():receive()", process.pid())
    assert.are.equal("ready", support.receive(process.inbox()):topic())
    coroutine.spawn(function()
      time.sleep("5ms")
      error("of another coroutine", 0)
    end)
    assert.are.equal("of another coroutine", support.raised(process.shutdown, "300s"))
    assert.are.equal(1, support.result_of("return 1"))
  end)

  it("M-31 B-153 B-40 B-42 is for the main process, and takes a duration", function()
    local err = support.result_of("return select(2, process.shutdown())")
    assert.are.equal("shutdown: only in the main process", tostring(err))
    assert.are.equal(require("process.errors").UNAVAILABLE, err:kind())
    support.fails("process.shutdown: invalid duration: soon", "INVALID", process.shutdown("soon"))
    support.fails("process.shutdown: duration must not be negative", "INVALID", process.shutdown(-1))
    support.fails(
      'process.shutdown: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND',
      "INVALID",
      process.shutdown(5)
    )
  end)
end)
