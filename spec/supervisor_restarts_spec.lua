local process = require "process"
local supervisor = require "process.supervisor"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local supervised = require "spec.support.supervised"

local child, born, told = supervised.child, supervised.born, supervised.told

describe("supervisor, restarts:", function()
  before_each(function()
    process.set_options { trap_links = true }
  end)

  after_each(function()
    support.finish()
    supervised.reset()
  end)

  local function fail(pid, text)
    assert(process.send(pid, "end", text or "broken"))
  end

  -- The supervisor fails with this error.
  local function fails_with(text, sup)
    local err = support.event_of(sup, process.event.LINK_DOWN).error
    assert.are.equal(text, tostring(err))
    assert.are.equal("Internal", err:kind())
  end

  it("S-2 one_for_one restarts the child that has ended, and no other", function()
    local sup = assert(supervised.spawn { children = { child("a"), child("b"), child("c") } })
    local pids = supervised.all_born(3)
    fail(pids.b)
    local id, pid = born()
    assert.are.equal("b", id)
    assert.are_not.equal(pids.b, pid)
    assert.is_true(support.silent(process.listen("child")))
    local list = supervisor.children(sup)
    assert.are.same({ 0, 1, 0 }, { list[1].restarts, list[2].restarts, list[3].restarts })
    assert.are.same({ pids.a, pid, pids.c }, { list[1].pid, list[2].pid, list[3].pid })
    assert.are.same({ specs = 3, running = 3, restarts = 1 }, supervisor.count(sup))
  end)

  it("S-2, S-10 one_for_all ends all in reverse order and starts them again in order", function()
    local sup = assert(supervised.spawn { strategy = "one_for_all", children = { child("a"), child("b"), child("c") } })
    local pids = supervised.all_born(3)
    fail(pids.b)
    assert.are.same({ "c", "a" }, { supervised.cancelled(), supervised.cancelled() })
    assert.are.same({ "a", "b", "c" }, supervised.restarted(3))
    assert.are.same({ specs = 3, running = 3, restarts = 1 }, supervisor.count(sup))
  end)

  it("S-2, S-10 rest_for_one does so with it and those after it", function()
    local sup = assert(supervised.spawn {
      strategy = "rest_for_one", children = { child("a"), child("b"), child("c"), child("d") },
    })
    local pids = supervised.all_born(4)
    fail(pids.b)
    assert.are.same({ "d", "c" }, { supervised.cancelled(), supervised.cancelled() })
    assert.are.same({ "b", "c", "d" }, supervised.restarted(3))
    assert.are.equal(pids.a, supervisor.children(sup)[1].pid)
    assert.are.equal(1, supervisor.count(sup).restarts)
  end)

  it("S-10 a stopped child stays stopped, and a temporary one that has ended is forgotten", function()
    local sup = assert(supervised.spawn {
      strategy = "one_for_all",
      children = {
        child("a"), child("b"), child("once", { restart = "temporary" }), child("d", { restart = "transient" }),
      },
    })
    local pids = supervised.all_born(4)
    assert(supervisor.stop_child(sup, "b"))
    fail(pids.d)
    assert.are.same({ "a", "d" }, supervised.restarted(2))
    support.eventually(function()
      return supervisor.count(sup).running == 2
    end)
    assert.are.same({ a = "running", b = "stopped", d = "running" }, supervised.states(sup))
  end)

  it("S-3 permanent children are always restarted, transient ones after a failure, temporary ones never", function()
    local quick = support.entry([[
      local parent, id, text = ...
      process.send(parent, "child", id, process.pid())
      if process.listen("end"):receive() then error("broken", 0) end
    ]])
    local function one(id, restart)
      return child(id, { entry = quick, restart = restart })
    end
    local sup = assert(supervised.spawn {
      intensity = 10,
      children = {
        one("p1", "permanent"), one("p2"), one("t1", "transient"), one("t2", "transient"),
        one("x1", "temporary"), one("x2", "temporary"),
      },
    })
    local pids = supervised.all_born(6)
    for _, id in ipairs { "p1", "t1", "x1" } do
      process.send(pids[id], "end", true)
    end
    for _, id in ipairs { "p2", "t2", "x2" } do
      process.send(pids[id], "end", nil)
    end
    local again = supervised.all_born(3)
    assert.is_truthy(again.p1 and again.p2 and again.t1)
    support.eventually(function()
      return supervisor.count(sup).specs == 4 and supervisor.count(sup).running == 3
    end)
    assert.are.same({ p1 = "running", p2 = "running", t1 = "running", t2 = "stopped" }, supervised.states(sup))
    assert.is_true(support.silent(process.listen("child")))
  end)

  it("B-131, S-2 too many restarts end the children and the supervisor", function()
    local sup = assert(supervised.spawn { intensity = 2, period = "1m", children = { child("a"), child("b") } })
    local pids = supervised.all_born(2)
    for _ = 1, 2 do
      fail(pids.b)
      pids.b = select(2, born())
    end
    fail(pids.b, "once too often")
    assert.are.equal("a", supervised.cancelled())
    fails_with("supervisor: more than 2 restarts within 1m0s, last: b: once too often", sup)
    assert.is_true(supervised.is_gone(pids.a))
    assert.are.equal("supervisor: more than 2 restarts within 1m0s, last: b: once too often", told("gave_up").error)
  end)

  it("B-131 a permanent child that ends normally counts as well", function()
    local sup = assert(supervised.spawn { intensity = 0, children = { child("a") } })
    process.send((select(2, born())), "end", nil)
    fails_with("supervisor: more than 0 restarts within 5s, last: a: ended normally", sup)
  end)

  it("S-2 restarts that are further apart than the period are no matter", function()
    local sup = assert(supervised.spawn { intensity = 1, period = "50ms", children = { child("a") } })
    for _ = 1, 4 do
      fail((select(2, born())))
      time.sleep("60ms")
    end
    born()
    assert.are.equal(4, supervisor.count(sup).restarts)
  end)

  it("S-5 a child that dies in its first instruction is restarted until it is too often", function()
    local sup = assert(supervised.spawn { intensity = 5, children = { child("a", {}, "dead"), child("b") } })
    fails_with("supervisor: more than 5 restarts within 5s, last: a: dead at once", sup)
    local exits = 0
    for _ = 1, 6 do
      exits = exits + (told("exited").id == "a" and 1 or 0)
    end
    assert.is_true(exits >= 5)
  end)

  it("S-5 a restart that fails counts as one and is tried again", function()
    -- The child's name is taken as soon as it has ended.
    local sup = assert(supervised.spawn {
      intensity = 1000, period = "1m", children = { child("a", { name = "spec.wanted" }) },
    })
    local _, pid = born()
    process.unlink(sup)
    local thief = support.spawn([[
      local name, parent = ...
      while not process.registry.register(name) do end
      process.send(parent, "stolen")
      process.listen("give back"):receive()
    ]], "spec.wanted", process.pid())
    local stolen = process.listen("stolen")
    process.terminate(pid)
    local cancel = time.after("200ms")
    local got = channel.select { stolen:case_receive(), cancel:case_receive() }
    if got.channel == stolen then
      repeat
        local event = told("exited")
      until not event.pid and event.error == "name already registered: spec.wanted"
      process.send(thief, "give back")
    else
      process.terminate(thief)
    end
    local id, again = born()
    assert.are.equal("a", id)
    assert.are.equal(again, process.registry.lookup("spec.wanted"))
    process.unlisten(stolen)
  end)

  it("S-5 failed starts during a restart end in B-131", function()
    local host = "spec:narrow" .. support.workers
    assert(process.define_host(host, { workers = support.workers, max_processes = 1 }))
    local sup = assert(supervised.spawn { intensity = 3, children = { child("a", { host = host }) } })
    local _, pid = born()
    -- The place of the child is taken while it is stopped.
    assert(supervisor.stop_child(sup, "a"))
    support.kill(pid)
    local blocker = support.keep(process.spawn(support.entry(support.parked), host))
    support.fails("host is full: " .. host .. " (limit 1)", "UNAVAILABLE", supervisor.restart_child(sup, "a"))
    assert.are.same({ a = "stopped" }, supervised.states(sup))
    support.kill(blocker)
    assert.are.equal("string", type(supervisor.restart_child(sup, "a")))
    born()
  end)

  it("S-5 children that end while a round is under way are handled by the same rules", function()
    local sup = assert(supervised.spawn {
      strategy = "rest_for_one", intensity = 10,
      children = { child("a"), child("b"), child("c", { shutdown = "300ms" }, "deaf"), child("d") },
    })
    local pids = supervised.all_born(4)
    fail(pids.b)
    assert.are.equal("d", supervised.cancelled())
    -- The round waits for the deaf one; now the first fails too.
    fail(pids.a)
    assert.are.same({ "a", "b", "c", "d" }, supervised.restarted(4))
    supervised.all_born(4)
    assert.are.same({ specs = 4, running = 4, restarts = 2 }, supervisor.count(sup))
    assert.is_true(support.silent(process.listen("child")))
  end)

  it("S-9 the delay doubles up to max, and such restarts do not count", function()
    local sup = assert(supervised.spawn {
      intensity = 0, children = { child("a", { backoff = { initial = "20ms", max = "100ms" } }, "dead") },
    })
    local delays = {}
    for place = 1, 5 do
      local event = told("restarting")
      assert.are.equal(place, event.attempt)
      delays[place] = event.delay
    end
    for place, expected in ipairs { 20, 40, 80, 100, 100 } do
      assert.is_true(delays[place] >= expected * 0.89 - 1 and delays[place] <= expected * 1.1 + 1,
        ("delay %d is %d ms"):format(place, delays[place]))
    end
    assert.is_true(supervisor.count(sup).restarts >= 5)
  end)

  it("S-9 the delay begins anew when the child has run for longer than max", function()
    assert(supervised.spawn {
      intensity = 0, children = { child("a", { backoff = { initial = "20ms", max = "100ms" } }) },
    })
    for _ = 1, 4 do
      fail((select(2, born())))
    end
    local last
    for _ = 1, 4 do
      last = told("restarting").delay
    end
    assert.is_true(last >= 88)
    local _, pid = born()
    time.sleep("130ms")
    fail(pid)
    assert.is_true(told("restarting").delay <= 22)
  end)

  it("S-9 the supervisor answers while a restart is delayed, and stops the child then", function()
    local sup = assert(supervised.spawn {
      children = { child("a", { backoff = { initial = "1m", max = "1m" } }, "dead"), child("b") },
    })
    told("restarting")
    local one = supervisor.children(sup)[1]
    assert.are.equal("restarting", one.state)
    assert.is_nil(one.pid)
    support.fails("supervisor: child is running: a", "CONFLICT", supervisor.restart_child(sup, "a"))
    support.fails("supervisor: child is running: a", "CONFLICT", supervisor.delete_child(sup, "a"))
    assert.is_true(supervisor.stop_child(sup, "a"))
    assert.are.same({ a = "stopped", b = "running" }, supervised.states(sup))
    assert.is_true(supervisor.delete_child(sup, "a"))
  end)

  it("S-9, S-10 a round waits as long as the child that caused it", function()
    local sup = assert(supervised.spawn {
      strategy = "one_for_all", intensity = 0,
      children = { child("a"), child("b", { backoff = { initial = "100ms", max = "100ms" } }), child("c") },
    })
    local pids = supervised.all_born(3)
    local start = time.now()
    fail(pids.b)
    assert.are.same({ "c", "a" }, { supervised.cancelled(), supervised.cancelled() })
    support.eventually(function()
      return supervisor.count(sup).running == 0
    end)
    assert.are.same({ a = "restarting", b = "restarting", c = "restarting" }, supervised.states(sup))
    assert.is_true(supervisor.stop_child(sup, "c"))
    assert.are.same({ "a", "b" }, supervised.restarted(2))
    assert.is_true(time.now():sub(start):milliseconds() >= 89)
    support.eventually(function()
      return supervisor.count(sup).running == 2
    end)
    assert.are.same({ a = "running", b = "running", c = "stopped" }, supervised.states(sup))
  end)

  it("S-8 on_event hears what happens, with the errors", function()
    local sup = assert(supervised.spawn { children = { child("a") } })
    local _, pid = born()
    fail(pid)
    local _, again = born()
    support.eventually(function()
      return supervisor.count(sup).running == 1
    end)
    local seen = {}
    for _ = 1, 4 do
      seen[#seen + 1] = support.receive(process.listen("told"))
    end
    assert.are.same({
      { kind = "started", id = "a", pid = pid, attempt = 0 },
      { kind = "exited", id = "a", pid = pid, error = "broken" },
      { kind = "restarting", id = "a", error = "broken", attempt = 1 },
      { kind = "started", id = "a", pid = again, attempt = 1 },
    }, seen)
  end)

  it("S-8 an error in on_event ends the children, and the supervisor with it", function()
    local sup = assert(supervised.spawn {
      on_event = support.code(function(event)
        if event.kind == "exited" then
          error("no pencil", 0)
        end
      end),
      children = { child("a"), child("b") },
    })
    local pids = supervised.all_born(2)
    fail(pids.a)
    assert.are.equal("b", supervised.cancelled())
    fails_with("no pencil", sup)
  end)

  it("S-8 without on_event failures of children are reported as L-16 says", function()
    local ran = support.run([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      process.define("spec:bad", "return { main = function() error('broken', 0) end }")
      process.define_host("spec:quiet", { report = false })
      local host = "app:processes"
      local sup = assert(supervisor.spawn { children = {
        { id = "a", entry = "spec:bad", restart = "temporary", host = host },
        { id = "b", entry = "spec:bad", restart = "temporary", host = "spec:quiet" },
        { id = "c", entry = function() return nil, "refused" end, restart = "temporary", host = host },
        { id = "d", entry = function() channel.new():receive() end, shutdown = "kill", host = host },
      } })
      while supervisor.count(sup).specs > 1 do time.sleep("1ms") end
      supervisor.stop_child(sup, "d")
      process.monitor(sup)
      process.cancel(sup)
      process.events():receive()
    ]])
    assert.are.equal(0, ran.code)
    assert.is_truthy(ran.err:find("process {app:processes|%x+} %(spec:bad%) failed: broken\nstack traceback:\n"))
    assert.is_truthy(ran.err:find("process {app:processes|%x+} %([^\n]*:9%) failed: refused\n"))
    assert.are.equal(2, select(2, ran.err:gsub("failed:", "")))
  end)
end)
