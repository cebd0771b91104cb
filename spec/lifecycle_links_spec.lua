-- Links between two processes, and the effects of terminate and of a broken link.
local process = require "process"
local support = require "spec.support"
local waiting = require "life.waiting"

local me = process.pid()

local function next_event()
  return support.receive(process.events())
end

-- Fails if an event other than a CANCEL sent now comes first: events arrive in order.
local function no_more_events()
  process.cancel(me, "nothing before this")
  assert.are.equal("nothing before this", next_event().reason)
end

-- A child that links itself to `partner` and says when it has; then it runs `body`.
local function linked_to(partner, body, ...)
  local pid = support.spawn_monitored([[
    local parent, partner = ...
    assert(process.link(partner))
    process.send(parent, "linked")
  ]] .. body, me, partner, ...)
  assert.are.equal("linked", support.receive(process.inbox()):topic())
  return pid
end

describe("a link", function()
  before_each(support.reset)
  after_each(support.finish)

  it("L-40 is one per pair, whoever made it and however often: one unlink removes it", function()
    process.set_options({ trap_links = true })
    local pid = linked_to(me, [[
      process.send(parent, "again", process.link(parent))
      process.inbox():receive()
      error('bad')
    ]])
    assert.is_true(support.receive(process.inbox()):payload())
    assert(process.link(pid))
    assert(process.unlink(pid))
    process.send(pid, "fail")
    assert.are.equal(process.event.EXIT, next_event().kind)
    no_more_events()
  end)

  it("L-40 L-42 is symmetric: the failure of either end reaches the other", function()
    process.set_options({ trap_links = true })
    local made_there = linked_to(me, "process.inbox():receive() error('bad')")
    local made_here = support.spawn("process.inbox():receive() error('bad')")
    assert(process.link(made_here))
    for _, pid in ipairs({ made_there, made_here }) do
      process.send(pid, "fail")
      assert.are.equal(pid, support.event_of(pid, process.event.LINK_DOWN).from)
    end
  end)

  it("L-41 just disappears when one end exits normally", function()
    for _, trap in ipairs({ true, false }) do
      process.set_options({ trap_links = trap })
      for _, body in ipairs({ "return", "return 42", "return false", "return nil, 42" }) do
        local pid = support.spawn_linked_monitored(body)
        assert.are.equal(pid, next_event().from)
        no_more_events()
      end
    end
    local partner = support.spawn_monitored("process.listen('end'):receive()")
    local pid = linked_to(partner, support.echo)
    process.send(partner, "end")
    assert.is_nil(support.event_of(partner).error)
    assert.is_true(support.answers(pid))
  end)

  for way in pairs(waiting.ways) do
    it("L-42 L-11 ends a process that does not trap, at once, even " .. way, function()
      local partner = support.spawn(support.parked)
      local pid = assert(process.spawn_monitored("life:waiting", support.host, way, me, partner))
      assert.are.equal("waiting", support.receive(process.inbox()):topic())
      process.terminate(partner)
      local text = "linked process failed: " .. partner .. ": process terminated"
      local ev = support.event_of(pid)
      support.fails(text, "INTERNAL", ev.result, ev.error)
      assert.is_nil(support.waiting(process.inbox()))
    end)
  end

  it("L-42 gives a process that traps exactly one LINK_DOWN per broken link", function()
    process.set_options({ trap_links = true })
    for _, body in ipairs({ "return nil, 'bad'", "error('bad', 0)", "process.link(...) error('bad', 0)" }) do
      local pid = support.spawn_linked(body, me)
      local ev = next_event()
      assert.are.same({ process.event.LINK_DOWN, pid, "bad" }, { ev.kind, ev.from, tostring(ev.error) })
      assert.is_true(support.silent(process.events()))
    end
  end)

  it("L-43 breaks as trap_links is at that moment; setting it later does not kill", function()
    assert.are.equal("pid.link.down", support.result_of([[
      process.set_options({ trap_links = true })
      local pid = process.spawn_linked(..., "app:processes")
      while process.terminate(pid) do
        time.sleep("1ms")
      end
      process.set_options({ trap_links = false })
      return process.events():receive().kind
    ]], support.entry(support.parked)))
  end)

  it("L-45 to a PID that is gone is an error, and no event follows", function()
    process.set_options({ trap_links = true })
    local pid = support.exit_of("error('bad')").from
    support.fails("process not found: " .. pid, "NOT_FOUND", process.link(pid))
    no_more_events()
  end)

  it("L-45 leaves no gap: either true and a LINK_DOWN, or the error", function()
    process.set_options({ trap_links = true })
    for _ = 1, 300 do
      local pid = support.spawn_monitored("return nil, 'bad'")
      local ok, err = process.link(pid)
      assert.are.equal(process.event.EXIT, next_event().kind)
      if ok then
        assert.are.equal(process.event.LINK_DOWN, next_event().kind)
      else
        support.fails("process not found: " .. pid, "NOT_FOUND", ok, err)
      end
    end
    no_more_events()
  end)

  it("L-46 made again, or to oneself, is true and changes nothing", function()
    process.set_options({ trap_links = true })
    local pid = support.spawn_linked("process.inbox():receive() error('bad')")
    for _ = 1, 3 do
      assert.is_true(process.link(pid))
      assert.is_true(process.link(me))
    end
    process.send(pid, "fail")
    assert.are.equal(pid, next_event().from)
    no_more_events()
    local exit = support.exit_of("assert(process.link(process.pid())) error('bad', 0)")
    assert.are.equal("bad", tostring(exit.error))
  end)

  it("L-47 is removed by unlink, by either end; true also when there was none", function()
    process.set_options({ trap_links = true })
    local ours, theirs = support.spawn_linked(support.parked), linked_to(me, [[
      process.inbox():receive()
      process.send(parent, "unlinked", process.unlink(parent), process.unlink(parent))
      error("bad")
    ]])
    assert.is_true(process.unlink(ours))
    assert.is_true(process.unlink(ours))
    support.kill(ours)
    assert.is_true(process.unlink(ours))
    assert.is_true(process.unlink(me))

    process.send(theirs, "unlink")
    assert.are.same({ n = 2, true, true }, support.receive(process.inbox()):payload())
    local exit = next_event()
    assert.are.same({ process.event.EXIT, theirs }, { exit.kind, exit.from })
    no_more_events()
    support.fails("destination not found: nobody", "NOT_FOUND", process.unlink("nobody"))
  end)

  it("L-47 unlink also removes a LINK_DOWN that waits already, and no other event", function()
    process.set_options({ trap_links = true })
    local removed, kept = support.spawn_linked(support.parked), support.spawn_linked(support.parked)
    support.kill(removed)
    support.kill(kept)
    assert.is_true(process.unlink(removed))
    assert.are.equal(kept, next_event().from)
    no_more_events()
  end)

  it("L-47 unlink at any moment: no failure can end the caller after it", function()
    local survived = support.result_of([[
      local failing = ...
      process.set_options({ trap_links = true })
      local events = process.events()
      for i = 1, 300 do
        local pid = assert(process.spawn_linked_monitored(failing, "app:processes"))
        assert(process.unlink(pid))
        process.set_options({ trap_links = false })
        local exit = events:receive()
        assert(exit.kind == process.event.EXIT and exit.from == pid, exit.kind)
        process.set_options({ trap_links = true })
      end
      return "survived"
    ]], support.entry("return nil, 'bad'"))
    assert.are.equal("survived", survived)
  end)

  it("L-49 and monitors both ways give one EXIT and one LINK_DOWN", function()
    process.set_options({ trap_links = true })
    local pid = support.spawn_linked_monitored([[
      local parent = ...
      assert(process.monitor(parent) and process.link(parent))
      process.inbox():receive()
      error("bad")
    ]], me)
    assert(process.monitor(pid) and process.link(pid))
    process.send(pid, "fail")
    assert.are.same({ "pid.exit", "pid.link.down" }, { next_event().kind, next_event().kind })
    no_more_events()
  end)
end)

describe("terminate", function()
  before_each(support.reset)
  after_each(support.finish)

  for way in pairs(waiting.ways) do
    it("L-50 L-51 ends a process that traps links and waits " .. way, function()
      local pid = assert(process.spawn_monitored("life:waiting", support.host, way, me))
      assert.are.equal("waiting", support.receive(process.inbox()):topic())
      assert.is_true(process.terminate(pid))
      local ev = support.event_of(pid)
      support.fails("process terminated", "CANCELED", ev.result, ev.error)
      assert.is_nil(support.waiting(process.inbox()))
    end)
  end

  it("L-51 lets finalizers run, and no other code of the process", function()
    local pid = support.spawn_monitored([[
      local parent = ...
      require("life.finally")(function() process.send(parent, "finalizer") end)
      process.send(parent, "waiting")
      local ok = pcall(time.sleep, "10h")
      process.send(parent, "survived", ok)
    ]], me)
    assert.are.equal("waiting", support.receive(process.inbox()):topic())
    process.terminate(pid)
    support.event_of(pid)
    assert.are.equal("finalizer", support.waiting(process.inbox()):topic())
    assert.is_nil(support.waiting(process.inbox()))
  end)
end)
