-- Monitors, and the shape of events.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

local me = process.pid()

local function next_event()
  return support.receive(process.events())
end

-- Fails if an event other than a CANCEL sent now comes first: events arrive in order.
local function no_more_events()
  process.cancel(me, "nothing before this")
  assert.are.equal("nothing before this", next_event().reason)
end

describe("a monitor", function()
  before_each(support.reset)
  after_each(support.finish)

  it("L-20 gives exactly one EXIT, whatever the cause and however often it was set", function()
    for _, body in ipairs({ "return 1", "return nil, 'bad'", "error('bad')", "process.terminate(process.pid())" }) do
      local pid = support.spawn_monitored("process.inbox():receive() " .. body)
      for _ = 1, 3 do
        process.monitor(pid)
      end
      process.send(pid, "end")
      local ev = next_event()
      assert.are.same({ process.event.EXIT, pid }, { ev.kind, ev.from })
      assert.is_true(support.silent(process.events()))
    end
  end)

  it("L-21 is one-way: the end of the watcher does nothing to the watched", function()
    local watched = support.spawn(support.echo)
    for _, body in ipairs({ "return 1", "error('bad')" }) do
      support.exit_of("assert(process.monitor(...)) " .. body, watched)
      assert.is_true(support.answers(watched))
    end
  end)

  it("L-22 of a PID that is gone is an error, and no event follows", function()
    local pid = support.exit_of("return 1").from
    support.fails("process not found: " .. pid, "NOT_FOUND", process.monitor(pid))
    no_more_events()
  end)

  it("L-22 leaves no gap: either true and an EXIT, or the error", function()
    for _ = 1, 300 do
      local pid = support.spawn("return 1")
      local ok, err = process.monitor(pid)
      if ok then
        assert.are.equal(pid, next_event().from)
      else
        support.fails("process not found: " .. pid, "NOT_FOUND", ok, err)
      end
    end
    no_more_events()
  end)

  it("L-23 set again is true and changes nothing", function()
    local pid = support.spawn_monitored(support.parked)
    assert.is_true(process.monitor(pid))
    assert.is_true(process.monitor(pid))
    assert.is_true(process.unmonitor(pid))
    support.kill(pid)
    no_more_events()
  end)

  it("L-24 is removed by unmonitor, however it was made", function()
    local spawned, monitored = support.spawn_monitored(support.parked), support.spawn(support.parked)
    assert(process.monitor(monitored))
    for _, pid in ipairs({ spawned, monitored }) do
      assert.is_true(process.unmonitor(pid))
      support.kill(pid)
    end
    no_more_events()
  end)

  it("L-24 unmonitor also removes an EXIT that waits already, and no other event", function()
    local removed, kept = support.spawn_monitored(support.parked), support.spawn_monitored(support.parked)
    support.kill(removed)
    support.kill(kept)
    assert.is_true(process.unmonitor(removed))
    assert.are.equal(kept, next_event().from)
    no_more_events()
  end)

  it("L-24 unmonitor at any moment: no EXIT can be received after it", function()
    for _ = 1, 300 do
      local pid = support.spawn_monitored("return 1")
      assert.is_true(process.unmonitor(pid))
      no_more_events()
    end
  end)

  it("L-24 B-10 unmonitor is true for what is not monitored or gone, an error for an unknown name", function()
    local pid = support.spawn(support.parked)
    assert.is_true(process.unmonitor(pid))
    assert.is_true(process.unmonitor(me))
    support.kill(pid)
    assert.is_true(process.unmonitor(pid))
    support.fails("destination not found: nobody", "NOT_FOUND", process.unmonitor("nobody"))
  end)

  it("L-25 may be one of many: each watcher gets its EXIT", function()
    local watched = support.spawn_monitored("return process.inbox():receive():payload()")
    local watchers = 10
    for _ = 1, watchers do
      support.spawn([[
        local parent, watched = ...
        assert(process.monitor(watched))
        process.send(parent, "watching")
        local exit = process.events():receive()
        process.send(parent, "exit", exit.from, exit.result)
      ]], me, watched)
    end
    for _ = 1, watchers do
      assert.are.equal("watching", support.receive(process.inbox()):topic())
    end
    process.send(watched, "end", { "result" })
    for _ = 1, watchers do
      assert.are.same({ n = 2, watched, { "result" } }, support.receive(process.inbox()):payload())
    end
    assert.are.same({ "result" }, support.event_of(watched).result)
  end)

  it("L-25 works again after unmonitor", function()
    local pid = support.spawn_monitored(support.parked)
    assert(process.unmonitor(pid))
    assert.is_true(process.monitor(pid))
    process.terminate(pid)
    assert.are.equal(pid, next_event().from)
  end)

  it("L-26 B-24 of oneself is refused", function()
    support.fails("cannot monitor own process", "INVALID", process.monitor(me))
    assert(process.registry.register("spec.self"))
    support.fails("cannot monitor own process", "INVALID", process.monitor("spec.self"))
    assert(process.registry.unregister("spec.self"))
  end)

  it("L-27 on a linked process gives EXIT before LINK_DOWN", function()
    process.set_options({ trap_links = true })
    for _ = 1, 50 do
      local pid = support.spawn_linked_monitored("error('bad')")
      for _, kind in ipairs({ process.event.EXIT, process.event.LINK_DOWN }) do
        local ev = next_event()
        assert.are.same({ kind, pid }, { ev.kind, ev.from })
      end
    end
  end)
end)

describe("an event", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Checks the fields of an event: `at` is a Time since `start`, the others have these values, and there are no more.
  local function has_fields(ev, start, expected)
    assert.are.equal("table", type(ev))
    assert.is_nil(getmetatable(ev))
    assert.is_false(ev.at:before(start))
    assert.is_false(ev.at:after(time.now()))
    local found = {}
    for field, value in pairs(ev) do
      found[field] = field == "error" and tostring(value) or value
    end
    found.at = nil
    assert.are.same(expected, found)
  end

  it("L-30 L-31 L-34 EXIT after a normal end has kind, from, at and result", function()
    local start = time.now()
    local pid = support.spawn_monitored("return { 42 }")
    has_fields(next_event(), start, { kind = "pid.exit", from = pid, result = { 42 } })
    pid = support.spawn_monitored("return")
    has_fields(next_event(), start, { kind = "pid.exit", from = pid })
  end)

  it("L-30 L-32 L-34 EXIT after an abnormal end has kind, from, at and error", function()
    local start = time.now()
    local pid = support.spawn_monitored("error('no stock', 0)")
    local ev = next_event()
    has_fields(ev, start, { kind = "pid.exit", from = pid, error = "no stock" })
    assert.are.equal("clerk: no stock", "clerk: " .. ev.error)
    assert.are.equal("userdata", type(ev.error))
  end)

  it("L-30 L-34 LINK_DOWN has kind, from, at and error", function()
    process.set_options({ trap_links = true })
    local start = time.now()
    local pid = support.spawn_linked("error('no stock', 0)")
    has_fields(next_event(), start, { kind = "pid.link.down", from = pid, error = "no stock" })
  end)

  it("L-30 L-34 CANCEL has kind, from, at, and the reason if one was given", function()
    local start = time.now()
    local pid = support.spawn_monitored("process.cancel(..., 'closing time'); process.cancel(...)", me)
    has_fields(next_event(), start, { kind = "pid.cancel", from = pid, reason = "closing time" })
    has_fields(next_event(), start, { kind = "pid.cancel", from = pid })
  end)

  it("L-30 L-14 at is the time of the end, not of the receive", function()
    local pid = support.spawn_monitored("return 1")
    support.eventually(function()
      return not process.terminate(pid)
    end)
    local gone = time.now()
    assert.is_false(support.event_of(pid).at:after(gone))
  end)

  it("L-55 CANCEL is a request: several give several events, and who does not look is not affected", function()
    local pid = support.spawn(support.echo)
    for _ = 1, 3 do
      assert.is_true(process.cancel(pid))
    end
    assert.is_true(support.answers(pid))

    local looking = support.spawn_monitored([[
      process.listen("look"):receive()
      local events, reasons = process.events(), {}
      for i = 1, 3 do reasons[i] = events:receive().reason end
      return reasons
    ]])
    for _, reason in ipairs({ "please", "please!", "now" }) do
      process.cancel(looking, reason)
    end
    process.send(looking, "look")
    assert.are.same({ "please", "please!", "now" }, support.event_of(looking).result)
  end)
end)
