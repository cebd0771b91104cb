-- process.md: process.id, functions as entries, process.exec.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local code = support.code
local host = support.host

-- True if an event waits in this process.
local function has_event()
  return support.waiting(process.events()) ~= nil
end

describe("a function as an entry", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-18 V-20 is the child's main", function()
    local greeting = "hello"
    local pid = support.keep(process.spawn_monitored(code(function(name, ...)
      return ("%s %s, %d more"):format(greeting, name, select("#", ...))
    end), host, "clerk", nil, nil))
    assert.are.equal("hello clerk, 2 more", support.event_of(pid).result)
  end)

  it("P-10 P-14 P-18 works in every form of spawn", function()
    process.set_options({ trap_links = true })
    local function fail()
      error("no main", 0)
    end
    local exit, link_down = process.event.EXIT, process.event.LINK_DOWN
    local told = {
      spawn_monitored = { exit },
      spawn_linked = { link_down },
      spawn_linked_monitored = { exit, link_down },
    }
    for form, kinds in pairs(told) do
      local pid = process[form](code(fail), host)
      for _, kind in ipairs(kinds) do
        assert.are.equal("no main", tostring(support.event_of(pid, kind).error))
      end
    end
    support.reset()
    local pid = process.spawn(support.returning, host, process.pid())
    assert.are.equal(pid, support.child())
    process.send(pid, "return")
    assert.is_true(process.wait("20s"))
  end)

  it("P-8 P-18 names the process after its source and line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local id = process.exec(code(function()
      return process.id()
    end), host)
    assert.are.equal("spec/process_exec_spec.lua:" .. line, (id:gsub("^%./", "")))
  end)

  it("H-5 P-18 finds modules where the spawner finds them", function()
    support.with_folder({ ["shelf.lua"] = "return 'books'" }, function(folder)
      local path = package.path
      package.path = folder .. "/?.lua;" .. path
      local got, err = process.exec(code(function()
        return require "shelf"
      end), host)
      package.path = path
      assert.is_nil(err)
      assert.are.equal("books", got)
    end)
  end)
end)

describe("process.id", function()
  before_each(support.reset)

  it("P-8 is the entry that the process was started from, main:main in the main process", function()
    assert.are.equal("main:main", process.id())
    assert(process.define("spec.exec:id", "return { main = function() return process.id() end }"))
    assert.are.equal("spec.exec:id", (process.exec("spec.exec:id", host)))
  end)

  it("H-6 P-8 is the reference of an entry that was defined by a function", function()
    assert(process.define("spec.exec:by_function", code(function()
      return process.id()
    end)))
    assert.are.equal("spec.exec:by_function", (process.exec("spec.exec:by_function", host)))
  end)

  it("P-3 P-8 can be asked for in any coroutine", function()
    assert.are.equal("main:main", coroutine.wrap(process.id)())
    assert.are.equal("main:main", (("x"):gsub("x", process.id)))
  end)
end)

describe("process.exec", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-55 spawns, waits for the end and returns the first result of main", function()
    local price = support.entry("local order = ... return order.qty * order.each, 'dropped'")
    assert.are.equal(10, process.exec(price, host, { qty = 2, each = 5 }))
    assert.are.equal(1, select("#", process.exec(price, host, { qty = 2, each = 5 })))
  end)

  it("L-11 P-55 returns false and nil as main does", function()
    local result, err = process.exec(support.entry("return false"), host)
    assert.is_false(result)
    assert.is_nil(err)
    result, err = process.exec(support.entry(""), host)
    assert.is_nil(result)
    assert.is_nil(err)
  end)

  it("L-11 P-55 returns nil and the exit error, with kind, details and stack", function()
    local result, err = process.exec(support.entry("return nil, 'no stock'"), host)
    assert.is_nil(result)
    support.fails("no stock", "INTERNAL", nil, err)
    err = support.fails(
      "no such sku",
      "NOT_FOUND",
      process.exec(
        support.entry(
          "return false, errors.new({ message = 'no such sku', kind = errors.NOT_FOUND, details = { sku = 17 } })"
        ),
        host
      )
    )
    assert.are.equal(17, err:details().sku)
    err = select(2, process.exec(support.entry("local t = nil; return t.x"), host))
    assert.is_truthy(err:stack():find("traceback", 1, true))
    local suicide = support.entry("process.terminate(process.pid())")
    support.fails("process terminated", "CANCELED", process.exec(suicide, host))
    support.fails("cannot send a userdata (result)", "INVALID", process.exec(support.entry("return io.stderr"), host))
    assert(process.define("spec.exec:methodless", "return {}"))
    local missing = "entry spec.exec:methodless: no function main"
    support.fails(missing, "NOT_FOUND", process.exec("spec.exec:methodless", host))
  end)

  it("L-41 P-55 does not show the child's end among the events", function()
    process.exec(support.entry("return 1"), host)
    process.exec(support.entry("error('x')"), host)
    assert.is_true(process.wait("20s"))
    assert.is_false(has_event())
  end)

  it("L-16 P-55 counts as watching: a failing child writes no report", function()
    local out = support.output_of([[
      local process = require "process"
      print((select(2, process.exec(function() error("oops", 0) end, "app:processes"))))
    ]])
    assert.are.equal("oops\n", out)
  end)

  it("L-20 L-23 P-55 gives an EXIT besides, if another coroutine monitors the child", function()
    local monitored = channel.new(1)
    coroutine.spawn(function()
      local pid = support.child()
      monitored:send(process.monitor(pid))
      process.send(pid, "return", "done")
    end)
    assert.are.equal("done", (process.exec(support.returning, host, process.pid())))
    assert.is_true(monitored:receive())
    assert.are.equal("done", support.receive(process.events()).result)
    assert.is_false(has_event())
  end)

  it("L-24 P-55 still ends when another coroutine takes its monitor of the child away", function()
    coroutine.spawn(function()
      local pid = support.child()
      process.unmonitor(pid)
      process.monitor(pid)
      process.unmonitor(pid)
      process.send(pid, "return", "done")
    end)
    assert.are.equal("done", (process.exec(support.returning, host, process.pid())))
    assert.is_false(has_event())
  end)

  it("L-50 P-55 returns the error of a child that somebody terminates", function()
    coroutine.spawn(function()
      process.terminate(support.child())
    end)
    support.fails("process terminated", "CANCELED", process.exec(support.returning, host, process.pid()))
  end)

  it("L-63 P-55 waits on after the failure of the child itself, if that is linked and trapped", function()
    process.set_options({ trap_links = true })
    coroutine.spawn(function()
      local pid = support.child()
      process.link(pid)
      process.send(pid, "fail", "broken")
    end)
    support.fails("broken", "INTERNAL", process.exec(support.returning, host, process.pid()))
    assert.are.equal(process.event.LINK_DOWN, support.receive(process.events()).kind)
  end)

  it("C-33 P-3 P-55 works in plain coroutines, callbacks, metamethods and iterators", function()
    local upper = support.entry("local c = ... return c:upper()")
    local exec = process.exec
    assert.are.equal("A", coroutine.wrap(function()
      return (exec(upper, host, "a"))
    end)())
    assert.are.equal("ABC", (("abc"):gsub(".", function(c)
      return (exec(upper, host, c))
    end)))
    local t = setmetatable({}, {
      __index = function(_, key)
        return (exec(upper, host, key))
      end,
    })
    assert.are.equal("X", t.x)
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      return (exec(support.entry("local a, b = ... return a < b"), host, a, b))
    end)
    assert.are.same({ 1, 2, 3 }, list)
  end)

  it("C-33 P-3 P-55 works there in spawned processes too", function()
    assert.are.equal("A B C", support.result_of([[
      local host = ...
      local upper = function(c) return c:upper() end
      local a = coroutine.wrap(function() return (process.exec(upper, host, "a")) end)()
      local b = ("b"):gsub("b", function(c) return (process.exec(upper, host, c)) end)
      local done = channel.new(1)
      coroutine.spawn(function() done:send((process.exec(upper, host, "c"))) end)
      return a .. " " .. b .. " " .. done:receive()
    ]], host))
  end)

  it("C-30 P-55 runs in many managed coroutines at a time", function()
    local results = channel.new(20)
    for i = 1, 20 do
      coroutine.spawn(function()
        results:send((process.exec(support.returning, host, process.pid())))
      end)
      assert.is_truthy(i)
    end
    local children = {}
    for i = 1, 20 do
      children[i] = support.child()
    end
    -- All of them live at the same time; they end in the opposite order.
    for i = 20, 1, -1 do
      process.send(children[i], "return", i)
      assert.are.equal(i, (support.receive(results)))
    end
  end)

  it("P-17 P-55 nests: a child executes another one, twenty deep", function()
    local function go(n)
      if n == 0 then
        return "bottom"
      end
      return process.exec(function()
        return go(n - 1)
      end, host)
    end
    assert.are.equal("bottom", (go(20)))
  end)

  it("P-16 P-55 leaves the child alone when the caller ends first", function()
    local me = process.pid()
    local caller = support.spawn(
      [[
        local host, parent, child = ...
        process.exec(child, host, parent)
      ]],
      host,
      me,
      support.returning
    )
    local child = support.child()
    support.kill(caller)
    assert.is_true(process.monitor(child))
    process.send(child, "return", "goes on")
    assert.are.equal("goes on", support.event_of(child).result)
  end)

  it("B-65 L-63 P-55 is left by the failure of a linked process, and the child goes on unnoticed", function()
    local linked = process.spawn_linked(support.returning, host, process.pid())
    assert.are.equal(linked, support.child())
    local child
    coroutine.spawn(function()
      child = support.child()
      process.send(linked, "fail", "broken")
    end)
    local ok, err = pcall(process.exec, support.returning, host, process.pid())
    assert.is_false(ok)
    support.raises(("linked process failed: %s: broken"):format(linked), error, err)
    assert.is_true(process.send(child, "return"))
    assert.is_true(process.wait("20s"))
    assert.is_false(has_event())
  end)

  it("C-37 P-55 is no deadlock while the child lives", function()
    assert.are.equal("late", (process.exec(support.entry("time.sleep('30ms') return 'late'"), host)))
  end)

  it("B-3 B-56 H-54 P-55 raises in a finalizer, and starts nothing", function()
    local before = process.host_info(host).processes
    local ok, err = support.in_finalizer(function()
      return pcall(process.exec, support.entry("return 1"), host)
    end)
    assert.is_false(ok)
    assert.are.equal("cannot wait in a finalizer", tostring(err))
    assert.are.equal(before, process.host_info(host).processes)
  end)

  it("B-57 P-55 raises when too many waits nest, and starts nothing", function()
    local entry = support.entry("return 1")
    local before = process.host_info(host).processes
    local function nest(depth)
      local failure
      local _ = ("x"):gsub("x", function()
        coroutine.spawn(function()
          time.sleep("1ms")
        end)
        local gate = channel.new()
        coroutine.spawn(function()
          failure = depth > 400 and "no limit" or nest(depth + 1)
          gate:send(true)
        end)
        if not failure then
          local ok, err = pcall(gate.receive, gate)
          if not ok then
            failure = tostring(err)
          end
        end
      end)
      return failure
    end
    assert.is_truthy(nest(1):find("too many nested waits", 1, true))
    assert.are.equal(before, process.host_info(host).processes)
    assert.are.equal(1, (process.exec(entry, host)))
  end)

  it("B-96 P-55 leaves nothing behind: 2,000 times", function()
    local entry = support.entry("return ...")
    local function run(n)
      for i = 1, n do
        if process.exec(entry, host, i) ~= i then
          error("wrong result")
        end
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    local before = run(200)
    assert.is_true(run(2000) < before * 1.05 + 20)
    assert.is_true(process.wait("20s"))
    assert.are.equal(0, process.host_info(host).processes)
  end)
end)
