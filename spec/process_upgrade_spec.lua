-- process.md: process.upgrade, and what survives it.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"
local code = support.code
local host = support.host

-- What an upgraded process runs: it tells its parent its PID, its entry and its arguments, and returns what waits for
-- it: "topic payload" of messages in the order of arrival, then "kind reason-or-PID" of events.
assert(process.define(
  "spec.upgrade:next",
  [[
  local function waiting(ch)
    local got = channel.select({ ch:case_receive(), default = true })
    return got.value
  end
  return { main = function(parent, ...)
    process.send(parent, "upgraded", process.pid(), process.id(), select("#", ...), ...)
    local mail = {}
    for msg in waiting, process.inbox() do
      mail[#mail + 1] = msg:topic() .. " " .. tostring(msg:payload())
    end
    for event in waiting, process.events() do
      mail[#mail + 1] = event.kind .. " " .. (event.reason or event.from)
    end
    return mail
  end }
]]
))

-- Spawns a child with this body, which gets this process's PID as `parent`.
local function spawn(body)
  return support.spawn_monitored("local parent = ... " .. body, process.pid())
end

-- What the upgraded child has sent: { pid, id, number of arguments, arguments… }.
local function report()
  local msg = support.receive(process.inbox())
  assert.are.equal("upgraded", msg:topic())
  return msg:payload()
end

-- The result of a child; a child that fails fails the test.
local function result(pid)
  local ev = support.event_of(pid)
  assert.is_nil(ev.error)
  return ev.result
end

-- A piece of Lua source: calls fn when what it returns is collected, at the latest when the state closes.
local finalized = [[
  local function finalized(fn)
    if not newproxy then
      return setmetatable({}, { __gc = fn })
    end
    local object = newproxy(true)
    getmetatable(object).__gc = fn
    return object
  end
]]

describe("process.upgrade", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-56 goes on as another entry, with new arguments", function()
    local pid = spawn('process.upgrade("spec.upgrade:next", parent, 1, nil, "three", nil)')
    local got = report()
    assert.are.same({ pid, "spec.upgrade:next", 4 }, { got[1], got[2], got[3] })
    assert.are.same({ 1, nil, "three" }, { got[4], got[5], got[6] })
    assert.are.same({}, result(pid))
  end)

  it("P-56 does not return, from wherever it is called", function()
    local bodies = {
      ["main"] = "%s return 'returned'",
      ["pcall"] = "pcall(function() %s end) return 'returned'",
      ["plain coroutine"] = "coroutine.wrap(function() %s end)() return 'returned'",
      ["managed coroutine"] = "coroutine.spawn(function() %s end) channel.new():receive()",
      ["callback"] = "local _ = ('x'):gsub('x', function() %s end) return 'returned'",
      ["sort"] = "table.sort({ 1, 2, 3 }, function() %s end) return 'returned'",
      ["metamethod"] = "return setmetatable({}, { __index = function() %s end }).x",
      ["iterator"] = "for _ in function() %s end do end return 'returned'",
      ["coroutine in a callback in a coroutine, after a wait"] = [[
        coroutine.wrap(function()
          local _ = ("x"):gsub("x", function()
            coroutine.wrap(function() time.sleep("1ms") %s end)()
          end)
        end)()
        return 'returned'
      ]],
    }
    for where, body in pairs(bodies) do
      local pid = spawn(body:format('process.upgrade("spec.upgrade:next", parent)'))
      assert.are.equal("spec.upgrade:next", report()[2], where)
      assert.are.same({}, result(pid), where)
    end
  end)

  it("H-3 P-56 may be called at the top level of a file", function()
    assert(process.define(
      "spec.upgrade:top",
      ('process.upgrade("spec.upgrade:next", %q)'):format(process.pid())
    ))
    local pid = support.keep(process.spawn_monitored("spec.upgrade:top", host))
    assert.are.equal(pid, report()[1])
  end)

  it("P-8 P-56 with nil starts the present entry again", function()
    local pid = support.keep(process.spawn_monitored(
      support.entry([[
        local n = ...
        if n == 0 then
          return process.id()
        end
        process.upgrade(nil, n - 1)
      ]]),
      host,
      3
    ))
    assert.is_truthy(result(pid):find("^spec%.inline:e%d+$"))
  end)

  it("H-4 P-56 with nil reads the present entry again", function()
    assert(process.define(
      "spec.upgrade:again",
      [[
      process.define("spec.upgrade:again", "return function() return 'the new code' end")
      return function() process.upgrade() end
    ]]
    ))
    assert.are.equal("the new code", (process.exec("spec.upgrade:again", host)))
  end)

  it("P-18 P-56 with nil starts a function again, with its captured locals as they were at the spawn", function()
    local starts = 0
    local function count(n)
      starts = starts + 1
      if n == 0 then
        return starts
      end
      process.upgrade(nil, n - 1)
    end
    assert.are.equal(1, (process.exec(count, host, 3)))
    assert(process.define("spec.upgrade:count", count))
    assert.are.equal(1, (process.exec("spec.upgrade:count", host, 3)))
  end)

  it("H-6 P-8 P-56 takes entries that were defined by a function", function()
    assert(process.define("spec.upgrade:function", code(function(n)
      return process.id() .. " " .. n
    end)))
    assert.are.equal("spec.upgrade:function 3", (process.exec(code(function()
      process.upgrade("spec.upgrade:function", 3)
    end), host)))
  end)

  it("V-1 V-20 P-56 copies the arguments as any call does: functions that share a local share it", function()
    assert(process.define("spec.upgrade:shared", "return function(add, get) add() add() return get() end"))
    assert.are.equal(2, (process.exec(code(function()
      local n = 0
      process.upgrade("spec.upgrade:shared", function()
        n = n + 1
      end, function()
        return n
      end)
    end), host)))
  end)

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
      process.set_options({ trap_links = true, wrapped = true })
      process.upgrade("spec.upgrade:kept")
    end), host)
    assert.is_nil(err)
    assert.are.same({ key = "value", options = { trap_links = true, wrapped = true }, big = false }, got)
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
    support.fails("mailbox full: " .. pid, "RATE_LIMITED", process.send(pid, "x"))
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
      -- Looks at the mailbox without a turn for the other coroutine.
      channel.select({ process.inbox():case_receive(), default = true })
      process.upgrade("spec.upgrade:next", parent)
    ]])
    report()
    assert.are.same({}, result(pid))
  end)

  it("H-54 P-56 runs the finalizers of the old code, in which nothing waits and nothing is upgraded", function()
    local pid = spawn(finalized .. [[
      keep = finalized(function()
        process.send(parent, "finalizer", pcall(process.upgrade, "spec.upgrade:next"))
        process.send(process.pid(), "to", "myself")
      end)
      process.upgrade("spec.upgrade:next", parent)
    ]])
    local msg = support.receive(process.inbox())
    assert.are.equal("finalizer", msg:topic())
    assert.is_false(msg:payload()[1])
    assert.are.equal("cannot wait in a finalizer", tostring(msg:payload()[2]))
    report()
    assert.are.same({ "to myself" }, result(pid))
  end)

  it("B-56 P-56 is refused in a finalizer that runs meanwhile, and the code goes on", function()
    assert.are.equal("cannot wait in a finalizer", support.result_of(finalized .. [[
      local got
      finalized(function() got = tostring(select(2, pcall(process.upgrade, "spec.upgrade:next", ""))) end)
      collectgarbage()
      collectgarbage()
      return got
    ]]))
  end)

  it("L-11 P-56 fails with new code that fails to start: a row p, reported for the new entry", function()
    assert(process.define("spec.upgrade:methodless", "return {}"))
    assert(process.define("spec.upgrade:raising", "error('at the top')"))
    local ev = support.exit_of('process.upgrade("spec.upgrade:methodless")')
    assert.are.equal("entry spec.upgrade:methodless: no function main", tostring(ev.error))
    ev = support.exit_of('process.upgrade("spec.upgrade:raising")')
    assert.are.equal("spec.upgrade:raising:1: at the top", tostring(ev.error))
  end)

  it("L-50 L-42 P-56 is ended by terminate and by broken links, however often it upgrades", function()
    assert(process.define("spec.upgrade:for_ever", "return function() process.upgrade() end"))
    for round = 1, 30 do
      local pid = support.keep(process.spawn_monitored("spec.upgrade:for_ever", host))
      if round % 3 == 0 then
        time.sleep("1ms")
      end
      process.terminate(pid)
      assert.are.equal("process terminated", tostring(support.event_of(pid).error))
      pid = support.keep(process.spawn_monitored(code(function()
        process.spawn_linked(function()
          error("broken", 0)
        end, host)
        process.upgrade("spec.upgrade:for_ever")
      end), host))
      assert.is_truthy(tostring(support.event_of(pid).error):find("linked process failed: .*: broken$"))
    end
  end)

  it("B-96 P-56 grows by nothing in 1,000 upgrades", function()
    -- Memory of the program, in KiB: file, and where it stands there.
    local function resident()
      local file = io.open("/proc/self/statm")
      if not file then
        return 0
      end
      local _, pages = file:read("*n", "*n")
      file:close()
      return pages * 4
    end
    local entry = support.entry([[
      local n = ...
      local list = {}
      for i = 1, 1000 do list[i] = { i } end
      if n > 0 then
        process.upgrade(nil, n - 1)
      end
      return process.pid()
    ]])
    process.exec(entry, host, 200)
    local before = resident()
    assert.is_string((process.exec(entry, host, 1000)))
    assert.is_true(resident() < before * 1.05 + 1024)
  end)
end)

describe("an upgrade that fails", function()
  before_each(support.reset)
  after_each(support.finish)

  -- A child that tries this upgrade: { error text, kind, entry afterwards, whether its globals are still there }.
  local function attempt(arguments)
    return support.result_of([[
      still_here = true
      local ok, err = process.upgrade(]] .. arguments .. [[)
      return { tostring(err), err:kind(), (process.id():gsub("%d+$", "")), still_here and ok == nil }
    ]])
  end

  local function refused(text, kind, arguments)
    assert.are.same({ text, kind, "spec.inline:e", true }, attempt(arguments))
  end

  it("P-56 B-3 B-31 B-32 leaves the old code running: no such entry", function()
    refused("entry not found: no.such:entry", "NotFound", '"no.such:entry"')
    refused("not an entry reference (namespace:name): nosuch", "Invalid", '"nosuch"')
    refused("not an entry reference (namespace:name): ", "Invalid", '""')
  end)

  it("P-56 B-3 B-33 B-34 leaves the old code running: a file that is gone or has a syntax error", function()
    assert(process.define("spec.upgrade:gone", { source = "file:///no/such/file.lua" }))
    refused("entry spec.upgrade:gone: cannot open /no/such/file.lua: No such file or directory", "NotFound",
      '"spec.upgrade:gone"')
    support.with_folder({ ["upgrade/broken.lua"] = "return = 1" }, function(folder)
      local path = package.path
      package.path = folder .. "/?.lua"
      local got = attempt('"upgrade:broken"')
      package.path = path
      assert.is_truthy(got[1]:find("entry upgrade:broken: " .. folder .. "/upgrade/broken.lua:1: ", 1, true))
      assert.are.same({ "Invalid", "spec.inline:e", true }, { got[2], got[3], got[4] })
    end)
  end)

  it("P-56 B-3 B-20 B-23 leaves the old code running: an argument that cannot cross", function()
    refused("cannot send a userdata (argument 2)", "Invalid", '"spec.upgrade:next", io.stderr')
    refused("cannot send a userdata (argument 3, .log)", "Invalid", '"spec.upgrade:next", 1, { log = io.stderr }')
    refused("cannot send a userdata (argument 2)", "Invalid", "nil, io.stderr")
    refused("cannot send a thread (argument 2)", "Invalid", "nil, coroutine.create(print)")
    local received = "(process.send(process.pid(), 't') and process.inbox():receive()).topic"
    refused("cannot send a message field (argument 2): call it, as in msg:topic()", "Invalid", "nil, " .. received)
  end)

  it("P-56 P-57 B-3 keeps listeners, timers and coroutines then", function()
    assert.are.equal("value later", support.result_of([[
      local a = process.listen("a")
      process.send(process.pid(), "a", "value")
      local done = channel.new()
      coroutine.spawn(function() time.sleep("2ms") done:send("later") end)
      process.upgrade("no.such:entry")
      return a:receive() .. " " .. done:receive()
    ]]))
  end)

  it("P-57 B-19 L-62 is refused to the main process", function()
    support.fails("not possible for the main process", "INVALID", process.upgrade("spec.upgrade:next"))
    support.fails("not possible for the main process", "INVALID", process.upgrade())
    assert.are.equal("main:main", process.id())
  end)

  it("B-1 P-56 raises for an entry that is neither a string nor nil", function()
    for _, value in ipairs({ 1, true, {}, print }) do
      local text = ("#1 (string expected, got %s)"):format(type(value))
      assert.are.equal(text, support.bad_argument(process.upgrade, value))
    end
  end)
end)
