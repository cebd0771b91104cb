-- Ending other processes, relations, options.
local process = require "process"
local support = require "spec.support"

local me = process.pid()

-- The trace that a process leaves: the text of its exit error.
local function exit_error(pid)
  return tostring(support.event_of(pid).error)
end

describe("terminate", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-50 B-62 ends a process that waits; the exit is abnormal", function()
    local pid = support.spawn_monitored("pcall(function() channel.new():receive() end)")
    assert.is_true(process.terminate(pid))
    local exit = support.event_of(pid)
    support.fails("process terminated", "CANCELED", exit.result, exit.error)
  end)

  it("P-50 takes a name", function()
    local pid = support.spawn_monitored(support.parked)
    assert(process.registry.register("spec.doomed", pid))
    assert.is_true(process.terminate("spec.doomed"))
    assert.are.equal("process terminated", exit_error(pid))
  end)

  it("P-51 from then on the PID takes no messages", function()
    for _ = 1, 50 do
      local pid = support.spawn_monitored(support.echo)
      assert.is_true(process.terminate(pid))
      support.fails("process not found: " .. pid, "NOT_FOUND", process.send(pid, "echo", "too late"))
      support.event_of(pid)
      assert.is_nil(support.waiting(process.inbox()))
    end
  end)

  it("P-51 of oneself does not return", function()
    local pid = support.spawn_monitored([[
      pcall(process.terminate, process.pid())
      process.send(..., "survived")
    ]], me)
    assert.are.equal("process terminated", exit_error(pid))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-51 B-19 is refused for the main process, by anybody", function()
    support.fails("not possible for the main process", "INVALID", process.terminate(me))
    local err = support.result_of("return select(2, process.terminate(...))", me)
    assert.are.equal("not possible for the main process", tostring(err))
  end)
end)

describe("cancel", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-52 sends CANCEL with the caller's PID and the reason; nothing else happens", function()
    local pid = support.spawn([[
      local parent = ...
      local ev = process.events():receive()
      process.send(parent, "got", ev.kind, ev.from, ev.reason)
    ]] .. support.echo, me)
    assert.is_true(process.cancel(pid, "closing time"))
    assert.are.same({ n = 3, "pid.cancel", me, "closing time" }, support.receive(process.inbox()):payload())
    assert.is_true(support.answers(pid))
  end)

  it("P-52 takes a name, and no reason", function()
    assert(process.registry.register("spec.cancelled"))
    assert.is_true(process.cancel("spec.cancelled"))
    local ev = support.receive(process.events())
    assert.are.same({ process.event.CANCEL, me }, { ev.kind, ev.from })
    assert.is_nil(ev.reason)
    assert(process.registry.unregister("spec.cancelled"))
  end)

  it("P-54 raises for a number as reason", function()
    support.raises("(string expected, got number)", process.cancel, me, 5000)
    assert.is_nil(support.waiting(process.events()))
  end)
end)

describe("monitor, unmonitor, link, unlink", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-58 take names as well as PIDs, and do not wait", function()
    local pid = support.spawn(support.parked)
    assert(process.registry.register("spec.partner", pid))
    for _, dest in ipairs({ pid, "spec.partner" }) do
      for _, name in ipairs({ "monitor", "unmonitor", "link", "unlink" }) do
        local ok, err = process[name](dest)
        assert.is_true(ok, name)
        assert.is_nil(err, name)
      end
    end
  end)
end)

describe("options", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-60 get_options gives a new table with every option", function()
    assert.are.same(support.options { trap_links = false, wrapped = false }, process.get_options())
    process.get_options().trap_links = true
    assert.are.same(support.options { trap_links = false, wrapped = false }, process.get_options())
  end)

  it("P-61 set_options sets the given options of the calling process; the others keep their value", function()
    local ok, err = process.set_options({ trap_links = true })
    assert.is_true(ok)
    assert.is_nil(err)
    assert.is_true(process.set_options({}))
    assert.are.same(support.options { trap_links = true, wrapped = false }, process.get_options())
    assert.are.same(support.options {}, support.result_of("return process.get_options()"))
  end)

  it("P-62 B-4 B-61 all or nothing: one bad key or value and none is changed", function()
    for _, bad in ipairs({ { trap_links = true, unknown = 1 }, { trap_links = true, 1 } }) do
      local first, err = process.set_options(bad)
      assert.is_false(first)
      assert.are.equal("userdata", type(err))
      assert.is_false(process.get_options().trap_links)
    end
  end)

  it("P-63 trap_links decides whether a failing link ends the process or gives an event", function()
    local body = [[
      local trap, failing = ...
      process.set_options({ trap_links = trap })
      process.spawn_linked(failing, "app:processes")
      return process.events():receive().kind
    ]]
    local failing = support.entry("error('dead', 0)")
    assert.are.equal("pid.link.down", support.result_of(body, true, failing))
    local exit = support.exit_of(body, false, failing)
    assert.is_truthy(exit.error:find("^linked process failed: {.*}: dead$"))
  end)
end)
