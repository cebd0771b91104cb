-- process.md: process.upgrade, from wherever it is called, and when it fails.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"
local upgrade = require "spec.support.upgrade"
local spawn, report, result = upgrade.spawn, upgrade.report, upgrade.result
local code = support.code
local host = support.host

-- Lua source: calls fn when its value is collected, at the latest when the state closes.
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

  it("H-4 P-56 with nil reads the file of the present entry again", function()
    support.with_folder({ ["clerk.lua"] = "" }, function(folder)
      local file = folder .. "/clerk.lua"
      assert(process.define("spec.upgrade:file", { source = "file://" .. file }))
      local old = "return function() process.send(%q, 'old') process.inbox():receive() process.upgrade() end"
      support.write(file, old:format(process.pid()))
      local pid = support.keep(process.spawn_monitored("spec.upgrade:file", host))
      assert.are.equal("old", support.receive(process.inbox()):topic())
      support.write(file, "return function() return 'the new code' end")
      process.send(pid, "go on")
      assert.are.equal("the new code", result(pid))
    end)
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
    -- Memory of the program, in KiB: the file, and the place in it.
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

  -- A child that tries this upgrade: { error text, kind, entry afterwards, whether its globals still exist }.
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
    refused("entry not found: no.such:entry (no no/such/entry.lua on package.path)", "NotFound", '"no.such:entry"')
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

  it("P-56 B-3 V-23 leaves the old code running: functions for a host that takes none", function()
    assert(process.define_host("spec.upgrade:closed", { functions = false, workers = support.workers }))
    local entry = support.entry('return nil, select(2, process.upgrade("spec.upgrade:next", 1, { print }))')
    local text = "cannot send a function (argument 3, [1]) to host spec.upgrade:closed"
    support.fails(text, "INVALID", process.exec(entry, "spec.upgrade:closed"))
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
