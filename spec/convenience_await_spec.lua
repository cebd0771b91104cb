-- convenience.md: process.await.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local border = require "spec.support.border"
local support = require "spec.support"
local spawn, within = support.start, support.within
local host = support.host

-- Returns what it is sent on the topic "end"; raises it if that is a table.
local function ending()
  local value = process.inbox():receive():payload()
  if type(value) == "table" then
    error(value[1], 0)
  end
  return value
end

-- A process of that kind that nobody monitors.
local function unwatched()
  return assert(process.spawn(support.code(ending), host))
end

describe("process.await", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-1 returns what exec would", function()
    local pid = spawn(ending)
    process.send(pid, "end", "tea")
    assert.are.equal("tea", process.await(pid))
    pid = spawn(ending)
    process.send(pid, "end")
    assert.are.same({ n = 1 }, support.pack(process.await(pid)))
    pid = spawn(ending)
    process.send(pid, "end", { "out of tea" })
    support.fails("out of tea", "INTERNAL", process.await(pid, "5s"))
    pid = spawn(ending)
    process.registry.register("spec.await.named", pid)
    coroutine.spawn(function()
      process.send(pid, "end", 5)
    end)
    assert.are.equal(5, process.await("spec.await.named"))
  end)

  it("W-1 takes the EXIT of a monitored process, waiting already or to come, and no other event", function()
    local first, second, third = spawn(ending), spawn(ending), spawn(ending)
    process.cancel(process.pid(), "stays")
    process.send(first, "end", 1)
    process.send(second, "end", 2)
    support.eventually(function()
      return not process.send(first, "gone?") and not process.send(second, "gone?")
    end)
    assert.are.equal(1, process.await(first))
    assert.are.equal(2, process.await(second))
    coroutine.spawn(function()
      time.sleep("5ms")
      process.send(third, "end", 3)
    end)
    assert.are.equal(3, process.await(third))
    local event = support.waiting(process.events())
    assert.are.equal("stays", event.reason)
    assert.is_nil(support.waiting(process.events()))
  end)

  it("W-1 takes the EXIT before a coroutine that waits for events", function()
    local pid = spawn(ending)
    local events = channel.new(10)
    coroutine.spawn(function()
      events:send((process.events():receive()))
    end)
    coroutine.spawn(function()
      time.sleep("5ms")
      process.send(pid, "end", "mine")
    end)
    assert.are.equal("mine", process.await(pid))
    assert.is_true(support.silent(events))
    process.cancel(process.pid(), "last")
    assert.are.equal("last", within(events).reason)
  end)

  it("W-1 B-11 leaves no event of a process that is not monitored", function()
    local pid = unwatched()
    coroutine.spawn(function()
      time.sleep("5ms")
      process.send(pid, "end", "unseen")
    end)
    assert.are.equal("unseen", process.await(pid))
    assert.is_nil(support.waiting(process.events()))
    support.fails("process not found: " .. pid, "NOT_FOUND", process.await(pid))
  end)

  it("W-1 serves several coroutines that wait for one process", function()
    for _, start in ipairs { unwatched, function() return spawn(ending) end } do
      local pid = start()
      local answers = channel.new(20)
      for _ = 1, 20 do
        coroutine.spawn(function()
          answers:send((process.await(pid)))
        end)
      end
      time.sleep("5ms")
      process.send(pid, "end", "all")
      for _ = 1, 20 do
        assert.are.equal("all", within(answers))
      end
      assert.is_nil(support.waiting(process.events()))
    end
  end)

  it("W-1 B-160 returns when the time is over, and the monitor stays", function()
    local pid = spawn(ending)
    support.fails("process has not ended within 20ms: " .. pid, "TIMEOUT", process.await(pid, "20ms"))
    process.send(pid, "end", "later")
    assert.are.equal("later", support.event_of(pid).result)
    pid = unwatched()
    support.fails("process has not ended within 20ms: " .. pid, "TIMEOUT", process.await(pid, "20ms"))
    process.send(pid, "end", "later")
    support.eventually(function()
      return not process.send(pid, "gone?")
    end)
    assert.is_nil(support.waiting(process.events()))
  end)

  it("W-1 never loses an end to its time-out", function()
    for round = 1, 100 do
      local pid = spawn(ending)
      coroutine.spawn(function()
        time.sleep(round * 20000)
        process.send(pid, "end", round)
      end)
      local value, err = process.await(pid, "1ms")
      if err then
        assert.are.equal(round, support.event_of(pid).result)
      else
        assert.are.equal(round, value)
        assert.is_nil(support.waiting(process.events()))
      end
    end
  end)

  it("W-1 goes on when the process is unmonitored meanwhile", function()
    local pid = spawn(ending)
    coroutine.spawn(function()
      time.sleep("5ms")
      process.unmonitor(pid)
      process.send(pid, "end", "still")
    end)
    assert.are.equal("still", process.await(pid))
    assert.is_nil(support.waiting(process.events()))
  end)

  it("W-1 B-65 gives the EXIT back if an error leaves the wait", function()
    local output = support.run [[
      local process = require "process"
      local pid = process.spawn_monitored(function()
        return process.inbox():receive():payload()
      end, "app:processes")
      coroutine.spawn(function()
        require("process.time").sleep("10ms")
        error("called away", 0)
      end)
      print(pcall(process.await, pid))
      process.send(pid, "end", "kept")
      print(process.events():receive().result)
    ]]
    assert.are.equal("false\tcalled away\nkept\n", output.out)
  end)

  it("W-1 P-57 is over after an upgrade, and the monitor goes on", function()
    local next_main = support.entry [[
      local events = process.events()
      process.send(..., "upgraded", true)
      return events:receive().result
    ]]
    local children, upgraded = process.listen("child"), process.listen("upgraded")
    local pid = spawn(function(entry, body, parent, where)
      local child = process.spawn_monitored(body, where)
      coroutine.spawn(function()
        process.await(child)
      end)
      require("process.time").sleep("5ms")
      process.send(parent, "child", child)
      process.upgrade(entry, parent)
    end, next_main, support.code(ending), process.pid(), host)
    local child = within(children)
    within(upgraded)
    process.send(child, "end", "heard")
    assert.are.equal("heard", support.event_of(pid).result)
  end)

  it("W-1 L-16 watches: the failure is not reported", function()
    local output = support.run [[
      local process = require "process"
      print(process.await(process.spawn(function()
        require("process.time").sleep("20ms")
        error("seen", 0)
      end, "app:processes")))
    ]]
    assert.are.same({ "nil\tseen\n", "" }, { output.out, output.err })
  end)

  it("W-1 H-31 B-100 is as monitor for restricted processes", function()
    local restricted = border.restricted()
    local pid = spawn(ending)
    local got = border.run(restricted, [[
      local _, err = process.await(...)
      local child = process.spawn("spec.restricted:double", process.pid():match("{(.-)|"), 4)
      return { tostring(err), process.await(child) }
    ]], pid)
    assert.are.equal("not allowed on host " .. restricted .. ": await", got[1])
    assert.is_true(got[2] == 8 or got[2] == nil)
  end)

  it("W-1 B-1 B-10 B-11 B-24 B-40 B-41 B-42 refuses what it cannot wait for", function()
    support.fails("destination not found: nobody", "NOT_FOUND", process.await("nobody"))
    support.fails("process not found: {a:b|9999999}", "NOT_FOUND", process.await("{a:b|9999999}"))
    support.fails("cannot monitor own process", "INVALID", process.await(process.pid()))
    local pid = spawn(ending)
    support.fails("process.await: invalid duration: soon", "INVALID", process.await(pid, "soon"))
    support.fails("process.await: duration must be greater than zero", "INVALID", process.await(pid, "0s"))
    local _, err = process.await(pid, 5)
    assert.is_truthy(tostring(err):find("^process.await: 5 is 5 nanoseconds"))
    assert.are.equal("#1 (string expected, got table)", support.bad_argument(process.await, {}))
  end)
end)
