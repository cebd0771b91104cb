-- The main process: a script is a process too. Scripts of their own show its failures and its end.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

local managed = coroutine.spawn
local me = process.pid()

describe("the main process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("L-60 can do everything from the top level of a script, in functions and in coroutines", function()
    local script = support.run([[
      require "process"
      local price = [=[
        return { main = function(item) return item.qty * item.each end }
      ]=]
      process.define("shop:price", price)

      local events = process.events()
      local pid = assert(process.spawn_monitored("shop:price", "app:processes", { qty = 3, each = 14 }))
      local late = process.time.after("20s")
      local got = channel.select { events:case_receive(), late:case_receive() }
      print(got.value.from == pid, got.value.error, got.value.result)

      local function talk()
        assert(process.registry.register("shop.main"))
        process.send("shop.main", "greeting", process.pid())
        local msg = process.inbox():receive()
        print(msg:topic(), msg:payload() == process.pid(), msg:from() == process.pid())
        process.listen("orders")
        process.send(process.pid(), "orders", "one")
        print(process.listen("orders"):receive())
        process.registry.unregister("shop.main")
      end
      talk()
      coroutine.wrap(talk)()
      print(process.set_options({ trap_links = true }), process.get_options().trap_links)
    ]])
    local talk = "greeting\ttrue\ttrue\none\ttrue\n"
    assert.are.equal("true\tnil\t42\n" .. talk .. talk .. "true\ttrue\n", script.out)
    assert.are.equal("", script.err)
    assert.are.equal(0, script.code)
  end)

  it("L-61 runs its managed coroutines while a call blocks, not while it computes", function()
    local steps, done = 0, channel.new()
    managed(function()
      for i = 1, 3 do
        steps = i
        time.sleep(0)
      end
      done:send("done")
    end)
    local sum = 0
    for i = 1, 1e5 do
      sum = sum + i % 7
    end
    assert.is_true(sum > 0)
    assert.are.equal(0, steps)
    assert.are.equal("done", (support.receive(done)))
    assert.are.equal(3, steps)
  end)

  it("L-62 lives on the host main, where nothing can be spawned, and cannot be terminated", function()
    assert.is_truthy(me:find("^{main|"))
    local pid, err = process.spawn(support.entry(""), "main")
    assert.is_nil(pid)
    assert.are.equal("userdata", type(err))
    support.fails("not possible for the main process", "INVALID", process.terminate(me))
  end)
end)

describe("a failing link of the main process", function()
  before_each(support.reset)
  after_each(support.finish)

  -- A script's beginning: fail() starts a linked process that fails, and catch(call) repeats a call until it raises.
  local prelude = [[
    local process = require "process"
    process.define("spec:failing", "return { main = function(text) error(text, 0) end }")

    local function fail(text)
      return assert(process.spawn_linked("spec:failing", "app:processes", text))
    end

    local function catch(call, ...)
      local ok, err
      repeat
        ok, err = pcall(call, ...)
      until not ok
      return tostring(err)
    end
  ]]

  it("L-63 B-65 raises in the wait that holds the thread", function()
    local pid = support.spawn_linked("process.inbox():receive() error('no stock', 0)")
    process.send(pid, "fail")
    support.raises("linked process failed: " .. pid .. ": no stock", time.sleep, "20s")
    assert.is_true(support.answers(support.spawn(support.echo)))
  end)

  it("L-63 raises in the next call that may wait, even if it could be served at once", function()
    local calls = {
      ["receive"] = "local ch = channel.new(); ch:close(); local function call() ch:receive() end",
      ["channel send"] = "local function call() channel.new(1):send(1) end",
      ["select"] = "local function call() channel.select({ default = true }) end",
      ["sleep"] = "local function call() process.time.sleep(0) end",
    }
    for name, call in pairs(calls) do
      local script = support.run(prelude .. call .. [[
        local pid = fail("no stock")
        print(catch(call):find("linked process failed: " .. pid .. ": no stock", 1, true) ~= nil)
        call()
        print("goes on")
      ]])
      assert.are.equal("true\ngoes on\n", script.out, name .. ": " .. script.err)
      assert.are.equal(0, script.code, name)
    end
  end)

  it("L-63 raises in calls of the main script only, and takes nothing then", function()
    local script = support.run(prelude .. [[
      local jobs = channel.new(200000)
      for i = 1, 200000 do jobs:send(i) end
      local pid = fail("no stock")
      while process.terminate(pid) do end

      local taken = 0
      local err = catch(function()
        local job = jobs:receive()
        assert(job == taken + 1)
        taken = job
      end)
      assert(err:find("linked process failed", 1, true), err)
      print(jobs:receive() == taken + 1)

      local done, caught = channel.new(), false
      coroutine.spawn(function()
        local undisturbed = true
        repeat undisturbed = undisturbed and pcall(process.time.sleep, "1ms") until caught
        done:send(undisturbed)
      end)
      fail("again")
      print(catch(done.receive, done):find("again", 1, true) ~= nil)
      caught = true
      print(done:receive())
    ]])
    assert.are.equal("true\ntrue\ntrue\ttrue\n", script.out, script.err)
  end)

  it("L-63 raises several failures one per call", function()
    local script = support.run(prelude .. [[
      local pids = { fail("bad"), fail("bad") }
      for _ = 1, 2 do
        local err = catch(process.time.sleep, 0)
        for i, pid in ipairs(pids) do
          if err:find("linked process failed: " .. pid .. ": bad", 1, true) then
            table.remove(pids, i)
          end
        end
      end
      process.time.sleep("1ms")
      print(#pids .. " left")
    ]])
    assert.are.equal("0 left\n", script.out, script.err)
  end)

  it("L-63 ends a script that does not catch it, with a traceback and exit code 1", function()
    local script = support.run(prelude .. [[
      print(fail("no stock"))
      channel.new():receive()
      print("never reached")
    ]])
    local pid = script.out:match("^({.-})\n$")
    assert.is_truthy(script.err:find("linked process failed: " .. pid .. ": no stock", 1, true), script.err)
    assert.is_truthy(script.err:find("stack traceback:", 1, true), script.err)
    assert.are.equal(1, script.code)
  end)

  it("L-63 becomes an event with trap_links", function()
    process.set_options({ trap_links = true })
    local pid = support.spawn_linked("error('no stock', 0)")
    assert.are.equal("no stock", tostring(support.event_of(pid, process.event.LINK_DOWN).error))
  end)
end)

describe("the end of the main process", function()
  -- Defines an entry from the body of its main, spawns it and waits until it says that it is ready.
  local prelude = [[
    local process = require "process"
    local spawned = 0
    local function spawn(body)
      spawned = spawned + 1
      local entry = "spec:child" .. spawned
      assert(process.define(entry, "return { main = function(parent) " .. body .. " end }"))
      return assert(process.spawn(entry, "app:processes", process.pid()))
    end
    local function spawn_ready(body)
      local pid = spawn(body)
      assert(process.inbox():receive():from() == pid)
      return pid
    end
  ]]

  -- Children in every state in which the end can find them.
  local children = [[
    spawn_ready("process.send(parent, 'ready') process.time.sleep('1h')")
    spawn_ready("process.send(parent, 'ready') channel.new():receive()")
    spawn_ready("process.send(parent, 'ready') while true do pcall(channel.new().receive, channel.new()) end")
    spawn_ready("process.set_options({ trap_links = true }) process.link(parent) process.monitor(parent) "
      .. "process.send(parent, 'ready') process.inbox():receive()")
    spawn_ready("local events = process.events() process.send(parent, 'ready') events:receive()")
    for _ = 1, 20 do spawn("channel.new():receive()") end
  ]]

  -- The longest grace (1 s) and one second more, and something for the interpreter to start.
  local bound = 3

  it("L-64 L-65 counts as normal: EXIT without result for watchers, links vanish", function()
    local script = support.run(prelude .. [[
      spawn_ready([=[
        assert(process.link(parent))
        assert(process.monitor(parent))
        local events = process.events()
        process.send(parent, "ready")
        while true do
          local ev = events:receive()
          if ev.kind == process.event.EXIT then
            io.write(("%s %s %s\n"):format(tostring(ev.from == parent), tostring(ev.error), tostring(ev.result)))
            return
          end
        end
      ]=])
    ]])
    assert.are.equal("true nil nil\n", script.out)
    assert.are.equal("", script.err)
    assert.are.equal(0, script.code)
  end)

  it("L-65 sends CANCEL to those who have opened events(); spawn, register and sends to main fail then", function()
    local script = support.run(prelude .. [[
      spawn_ready([=[
        local events = process.events()
        process.send(parent, "ready")
        local ev = events:receive()
        while ev.kind ~= process.event.CANCEL do ev = events:receive() end
        local function show(...)
          local parts = {}
          for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
          io.write(table.concat(parts, " "), "\n")
        end
        show(ev.reason, ev.from == parent, ev.deadline:after(ev.at))
        local pid, err = process.spawn("spec:child1", "app:processes")
        show(pid, err:kind(), err:find("^cannot start process: ") ~= nil)
        show((process.registry.register("spec.late")))
        local sent, lost = process.send(parent, "late")
        show(sent, tostring(lost) == "process not found: " .. parent)
      ]=])
    ]])
    assert.are.equal("main process ended true true\nnil Unavailable true\nnil\nnil true\n", script.out)
    assert.are.equal("", script.err)
    assert.is_true(script.seconds < bound)
  end)

  it("L-65 terminates those who overrun the grace, and those who did not ask for it at once", function()
    local script = support.run(prelude .. [[
      spawn_ready([=[
        local events = process.events()
        process.send(parent, "ready")
        while true do io.write(events:receive().kind, "\n") end
      ]=])
      spawn_ready("process.send(parent, 'ready') pcall(process.time.sleep, '500ms') io.write('not terminated\\n')")
    ]])
    assert.are.equal("pid.cancel\n", script.out)
    assert.are.equal("", script.err)
    assert.is_true(script.seconds < bound)
  end)

  -- How scripts end: their last statement, their exit code, and the interpreter's message.
  local ends = {
    { "L-65 the end of the script", "", 0 },
    { "L-65 return", "do return end", 0 },
    { "L-65 an error", "error('the script fails', 0)", 1, "the script fails" },
    { "L-65 os.exit that closes the state", "os.exit(7, true)", 7 },
    { "L-66 os.exit", "os.exit(7)", 7 },
    { "L-66 os.exit(true)", "os.exit(true)", 0 },
    { "L-66 os.exit in a coroutine", "coroutine.wrap(os.exit)(7)", 7 },
  }
  for _, last in ipairs(ends) do
    it(last[1] .. " ends everything in bounded time, silently, with its exit code", function()
      local script = support.run(prelude .. children .. last[2])
      assert.are.equal(last[3], script.code, script.err)
      assert.are.equal("", script.out)
      if last[4] then
        assert.is_truthy(script.err:find(last[4], 1, true))
      else
        assert.are.equal("", script.err)
      end
      assert.is_true(script.seconds < bound)
    end)
  end

  -- A child that would report a CANCEL, and one that would go on for long.
  local witness = [[
    spawn_ready("local events = process.events() process.send(parent, 'ready') "
      .. "local ev = events:receive() io.write(ev.kind, '\\n') process.time.sleep('1h')")
  ]]

  it("L-66 os.exit without close ends everything at once: no CANCEL, no grace", function()
    local script = support.run(prelude .. witness .. "os.exit(3)")
    assert.are.equal(3, script.code)
    assert.are.equal("", script.out .. script.err)
    assert.is_true(script.seconds < 1)
  end)

  it("L-66 a deadly signal ends everything at once, with its code", function()
    local script = support.run(prelude .. witness .. "os.execute('kill -TERM $PPID'); process.time.sleep('20s')")
    assert.are.equal(128 + 15, script.code)
    assert.are.equal("", script.out .. script.err)
  end)
end)
