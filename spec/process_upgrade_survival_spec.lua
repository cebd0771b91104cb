-- process.md: the parts of a process that survive an upgrade, and those that do not.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"
local upgrade = require "spec.support.upgrade"
local spawn, report, result = upgrade.spawn, upgrade.report, upgrade.result
local code = support.code
local host = support.host

describe("an upgrade", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-57 keeps the messages, those of listeners too, in the order in which they came", function()
    local pid = spawn([[
      local a = process.listen("a")
      process.listen("b", { message = true })
      local go = process.listen("go")
      process.send(parent, "ready")
      a:receive()
      go:receive()
      -- Looks at the mailbox: every message is with its view now.
      channel.select({ process.events():case_receive(), default = true })
      process.upgrade("spec.upgrade:next", parent)
    ]])
    support.receive(process.inbox())
    for number, topic in ipairs({ "a", "b", "a", "c", "b", "a", "c" }) do
      process.send(pid, topic, number)
    end
    process.send(pid, "go")
    report()
    assert.are.same({ "b 2", "a 3", "c 4", "b 5", "a 6", "c 7" }, result(pid))
  end)

  it("P-57 keeps messages that nobody has looked at yet, and those that come meanwhile", function()
    assert(process.define(
      "spec.upgrade:counting",
      [[
      return function(seen)
        for _ = 1, 10 do
          if process.inbox():receive():payload() ~= seen + 1 then
            return "out of order"
          end
          seen = seen + 1
        end
        return seen == 2000 and "all" or process.upgrade(nil, seen)
      end
    ]]
    ))
    local pid = support.keep(process.spawn_monitored("spec.upgrade:counting", host, 0))
    for number = 1, 2000 do
      assert(process.send(pid, "count", number))
    end
    assert.are.equal("all", result(pid))
  end)

  it("P-57 keeps the events: EXIT, LINK_DOWN and CANCEL", function()
    local pid = spawn([[
      process.set_options({ trap_links = true })
      local function fail() error("broken", 0) end
      local watched = process.spawn_monitored(fail, "app:processes")
      local linked = process.spawn_linked(fail, "app:processes")
      process.wait()
      process.send(parent, "ready", watched, linked)
      process.listen("go"):receive()
      process.upgrade("spec.upgrade:next", parent)
    ]])
    local children = support.receive(process.inbox()):payload()
    process.cancel(pid, "closing time")
    process.send(pid, "go")
    report()
    local mail = result(pid)
    table.sort(mail)
    local expected = { "pid.exit " .. children[1], "pid.link.down " .. children[2], "pid.cancel closing time" }
    table.sort(expected)
    assert.are.same(expected, mail)
  end)

  it("P-57 keeps watching and being watched, links and names", function()
    local watched = support.spawn("process.inbox():receive()")
    assert(process.define(
      "spec.upgrade:relations",
      [[
      return function(parent, watched)
        process.send(parent, "upgraded", process.registry.lookup("spec.upgrade.name") == process.pid())
        process.send(watched, "end")
        local ev = process.events():receive()
        process.send(parent, "exit", ev.from == watched)
        process.inbox():receive()
        error("broken", 0)
      end
    ]]
    ))
    process.set_options({ trap_links = true })
    local pid = support.keep(process.spawn_linked_monitored(
      support.entry([[
        local parent, watched = ...
        process.registry.register("spec.upgrade.name")
        process.monitor(watched)
        process.upgrade("spec.upgrade:relations", parent, watched)
      ]]),
      host,
      process.pid(),
      watched
    ))
    assert.is_true(support.receive(process.inbox()):payload())
    assert.is_true(support.receive(process.inbox()):payload())
    assert.is_true(process.send("spec.upgrade.name", "end"))
    local exit, down = support.receive(process.events()), support.receive(process.events())
    assert.are.same({ "pid.exit", pid, "broken" }, { exit.kind, exit.from, tostring(exit.error) })
    assert.are.same({ "pid.link.down", pid }, { down.kind, down.from })
  end)

  it("P-57 keeps the context, the options and the limits", function()
    assert(process.define(
      "spec.upgrade:kept",
      [[
      return function()
        local big = pcall(string.rep, "x", 20000000)
        return { key = require("process.ctx").get("key"), options = process.get_options(), big = big }
      end
    ]]
    ))
    local builder = process.with_context({ key = "value" }):with_options({ memory_limit = 8000000 })
    local got, err = builder:exec(code(function()
      process.set_options({ trap_links = true, wrapped = true, blocking = "error", strict_values = true })
      process.upgrade("spec.upgrade:kept")
    end), host)
    assert.is_nil(err)
    local options = support.options { trap_links = true, wrapped = true, blocking = "error", strict_values = true }
    assert.are.same({ key = "value", options = options, big = false }, got)
  end)

  it("P-25 P-57 keeps count of the waiting messages", function()
    assert(process.define_host("spec.upgrade:limited", { mailbox_limit = 5, workers = support.workers }))
    assert(process.define(
      "spec.upgrade:parked",
      [[
      return function(parent, n)
        process.listen("x")
        if n > 0 then
          process.upgrade(nil, parent, n - 1)
        end
        process.send(parent, "ready")
        process.listen("end"):receive()
      end
    ]]
    ))
    local pid = support.keep(process.spawn_monitored("spec.upgrade:parked", "spec.upgrade:limited", process.pid(), 50))
    assert(process.send(pid, "x", 1))
    assert(process.send(pid, "y", 2))
    support.receive(process.inbox())
    for _ = 1, 3 do
      assert(process.send(pid, "x"))
    end
    support.fails(("mailbox full: %s (limit 5)"):format(pid), "RATE_LIMITED", process.send(pid, "x"))
  end)

  it("P-19 P-57 keeps its children", function()
    assert(process.define(
      "spec.upgrade:parent",
      [[
      return function(child)
        local before = process.wait("1ms")
        process.terminate(child)
        return { before, process.wait("20s") }
      end
    ]]
    ))
    local parked = code(function()
      process.inbox():receive()
    end)
    assert.are.same(
      { false, true },
      (process.exec(code(function()
        local child = process.spawn(parked, host)
        coroutine.spawn(process.wait)
        coroutine.yield()
        process.upgrade("spec.upgrade:parent", child)
      end), host))
    )
  end)

  it("P-57 drops listeners, timers, coroutines and globals", function()
    assert(process.define(
      "spec.upgrade:fresh",
      [[
      return function()
        process.send(process.pid(), "topic", "in the inbox")
        local got = process.inbox():receive():payload()
        time.sleep("20ms")
        local mail = channel.select({ process.inbox():case_receive(), default = true })
        return { got = got, mail = mail.default, leak = tostring(leak), loaded = package.loaded.leak == nil }
      end
    ]]
    ))
    local got = process.exec(code(function()
      process.listen("topic")
      rawset(_G, "leak", 1)
      package.loaded.leak = true
      time.timer("5ms")
      coroutine.spawn(function()
        while true do
          time.sleep("1ms")
          process.send(process.pid(), "from the old code")
        end
      end)
      process.upgrade("spec.upgrade:fresh")
    end), host)
    assert.are.same({ got = "in the inbox", mail = true, leak = "nil", loaded = true }, got)
  end)

  it("P-55 P-57 takes no EXIT over that an exec of the old code was to get", function()
    local pid = spawn([[
      local me = process.pid()
      coroutine.spawn(function()
        process.exec(function() process.send(me, "ending") end, "app:processes")
      end)
      process.listen("ending"):receive()
      process.wait()
      -- Looks at the mailbox, and gives the other coroutine no turn.
      channel.select({ process.inbox():case_receive(), default = true })
      process.upgrade("spec.upgrade:next", parent)
    ]])
    report()
    assert.are.same({}, result(pid))
  end)
end)
