local process = require "process"
local supervisor = require "process.supervisor"
local time = require "process.time"
local support = require "spec.support"
local supervised = require "spec.support.supervised"

local child = supervised.child

describe("supervisor, endings:", function()
  before_each(function()
    process.set_options { trap_links = true }
  end)

  after_each(function()
    support.finish()
    supervised.reset()
  end)

  it("S-4 a cancelled supervisor ends its children in reverse order, then normally", function()
    local sup = assert(supervised.spawn { children = { child("a"), child("b"), child("c") } })
    local pids = supervised.all_born(3)
    process.monitor(sup)
    process.cancel(sup)
    assert.are.same({ "c", "b", "a" }, { supervised.cancelled(), supervised.cancelled(), supervised.cancelled() })
    local event = support.event_of(sup)
    assert.is_nil(event.error)
    assert.is_true(event.result)
    for _, pid in pairs(pids) do
      assert.is_true(supervised.is_gone(pid))
    end
  end)

  it("S-4 one is told after the other has ended", function()
    local slow = support.entry([[
      local parent, id = ...
      process.events():receive()
      process.send(parent, "cancelled", "begin " .. id)
      time.sleep("30ms")
      process.send(parent, "cancelled", "end " .. id)
    ]])
    local sup = assert(supervised.spawn { children = { child("a", { entry = slow }), child("b", { entry = slow }) } })
    process.cancel(sup)
    local seen = {}
    for place = 1, 4 do
      seen[place] = support.receive(process.listen("cancelled"))
    end
    assert.are.same({ "begin b", "end b", "begin a", "end a" }, seen)
  end)

  it("S-3, S-4 what does not obey in time is terminated, and with kill at once", function()
    local sup = assert(supervised.spawn {
      children = { child("a", { shutdown = "50ms" }, "deaf"), child("b", { shutdown = "kill" }, "deaf") },
    })
    supervised.all_born(2)
    process.monitor(sup)
    local start = time.now()
    process.cancel(sup)
    local first, second = supervised.told("exited"), supervised.told("exited")
    assert.are.same({ "b", "process terminated" }, { first.id, first.error })
    assert.are.same({ "a", "process terminated: cancel deadline passed" }, { second.id, second.error })
    assert.is_nil(support.event_of(sup).error)
    local passed = time.now():sub(start):milliseconds()
    assert.is_true(passed >= 50 and passed < 8000)
  end)

  it("S-3 without a limit it takes as long as it takes", function()
    local slow = support.entry([[
      local parent, id = ...
      local event = process.events():receive()
      process.send(parent, "cancelled", id, event.deadline == nil)
      process.listen("now"):receive()
    ]])
    local sup = assert(supervised.spawn { children = { child("a", { entry = slow, shutdown = false }) } })
    process.monitor(sup)
    local pid = supervisor.children(sup)[1].pid
    process.cancel(sup)
    assert.are.same({ "a", true, n = 2 }, support.receive(process.listen("cancelled")))
    assert.is_true(support.silent(process.events()))
    process.send(pid, "now")
    assert.is_nil(support.event_of(sup).error)
  end)

  it("S-4 a CANCEL comes before everything else that waits", function()
    -- The first exit keeps the supervisor busy; more wait behind it, then the CANCEL.
    local here = process.pid()
    local sup = assert(supervised.spawn {
      intensity = 100,
      on_event = support.code(function(event)
        process.send(here, "told", { kind = event.kind, id = event.id })
        if event.kind == "exited" and event.id == "a" then
          process.listen("go on"):receive()
        end
      end),
      children = { child("a"), child("b"), child("c"), child("d") },
    })
    local pids = supervised.all_born(4)
    process.monitor(sup)
    process.send(pids.a, "end", "broken")
    repeat until supervised.told("exited").id == "a"
    for _, id in ipairs { "b", "c" } do
      process.monitor(pids[id])
      process.send(pids[id], "end", "broken")
      support.event_of(pids[id])
    end
    process.cancel(sup)
    process.send(sup, "go on")
    assert.is_nil(support.event_of(sup).error)
    assert.are.equal("d", supervised.cancelled())
    assert.is_true(support.silent(process.listen("child")))
  end)

  it("S-4 a CANCEL ends a supervisor that cannot start a child, and one that waits for it", function()
    local sup = assert(supervised.spawn {
      intensity = 1000000, children = { child("a"), child("b", { backoff = { initial = "1h", max = "1h" } }, "dead") },
    })
    supervised.told("restarting")
    process.monitor(sup)
    process.cancel(sup)
    assert.is_nil(support.event_of(sup).error)
    sup = assert(supervised.spawn { intensity = 1000000, children = { child("b", {}, "dead") } })
    supervised.told("restarting")
    process.monitor(sup)
    process.cancel(sup)
    assert.is_nil(support.event_of(sup).error)
  end)

  it("S-4 the failure of a linked process that is no child ends the children and the supervisor", function()
    local runs = support.entry([[
      local here, entry, host = ...
      return require("process.supervisor").run { on_event = function() end, children = {
        { id = "a", entry = entry, host = host, args = { here, "a" } },
        { id = "b", entry = entry, host = host, args = { here, "b" } },
      } }
    ]])
    local parent = support.spawn([[
      local here, runs, entry, host = ...
      process.send(here, "sup", process.spawn_linked(runs, host, here, entry, host))
      process.listen("end"):receive()
      error("poor thing", 0)
    ]], process.pid(), runs, supervised.entry("steady"), support.host)
    local sup = support.receive(process.listen("sup"))
    supervised.all_born(2)
    process.monitor(sup)
    process.send(parent, "end")
    assert.are.same({ "b", "a" }, { supervised.cancelled(), supervised.cancelled() })
    local err = support.event_of(sup).error
    assert.are.equal("linked process failed: " .. parent .. ": poor thing", tostring(err))
    assert.are.same({ from = parent, origin = parent, reason = "poor thing" }, err:details())
    process.unlisten(process.listen("sup"))
  end)

  it("S-4 a terminated supervisor takes its children along, whole trees of them", function()
    local branch = support.code(function(here, entry, host)
      return require("process.supervisor").run { on_event = function() end, children = {
        { id = "leaf", entry = entry, host = host, args = { here, "leaf" } },
      } }
    end)
    local sup = assert(supervised.spawn {
      children = {
        child("a", {}, "deaf"),
        child("branch", {
          entry = branch, args = { process.pid(), supervised.entry("steady"), support.host }, ready = "20s",
        }),
      },
    })
    local pids = supervised.all_born(2)
    process.terminate(sup)
    for _, pid in pairs(pids) do
      support.eventually(function()
        return supervised.is_gone(pid)
      end)
    end
    assert.is_true(process.wait("20s"))
  end)

  it("S-11 M-31 at the end of the program and in a shutdown the supervisor asks the children, in its order", function()
    for _, last in ipairs { "", "os.exit(0, true)", "assert(process.shutdown('5s'))" } do
      local out = support.output_of([[
        local process = require "process"
        local supervisor = require "process.supervisor"
        local function worker(name)
          local event = process.events():receive()
          time.sleep("20ms")
          print(name, event.from == process.registry.lookup("boss"), event.reason)
        end
        local function deaf(name)
          channel.new():receive()
          print(name)
        end
        local host = "app:processes"
        local function branch(worker, host)
          return require("process.supervisor").run { name = "boss", children = {
            { id = "a", entry = worker, args = { "a" }, host = host },
            { id = "b", entry = worker, args = { "b" }, host = host },
          } }
        end
        assert(supervisor.spawn({ children = {
          { id = "first", entry = deaf, args = { "deaf" }, host = host, shutdown = "10ms" },
          { id = "branch", entry = branch, args = { worker, host }, ready = "20s", shutdown = false, host = host },
          { id = "last", entry = deaf, args = { "deaf" }, host = host, shutdown = "10ms" },
        } }, host))
      ]] .. last)
      assert.are.equal("b\ttrue\tstopped by its supervisor\na\ttrue\tstopped by its supervisor\n", out)
    end
  end)

  it("S-11 what is left when the grace is over is terminated", function()
    local ran = support.run([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      local host = "app:processes"
      assert(supervisor.spawn({ children = {
        { id = "a", entry = function() channel.new():receive() end, shutdown = false, host = host },
        { id = "b", entry = function()
          process.set_options { trap_links = true }
          channel.new():receive()
        end, shutdown = false, host = host },
      } }, host))
    ]])
    assert.are.equal(0, ran.code)
    assert.are.equal("", ran.err)
    assert.is_true(ran.seconds < 10)
  end)

  it("S-11 children of a supervisor that has ended are the library's again", function()
    local out = support.output_of([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      process.cancel(process.pid())
      assert(supervisor.run {})
      process.spawn(function()
        print(process.events():receive().reason)
      end, "app:processes")
      time.sleep("100ms")
    ]])
    assert.are.equal("main process ended\n", out)
  end)
end)
