-- A bare fork while nothing spawned is alive: both sides go on, each as a program of its own.
local support = require "spec.support"
local native = require "spec.support.native"

-- A script's beginning. forked(fn, ...) runs fn in the child of a fork, which then ends, and returns its exit code; in
-- between, the parent calls `meanwhile`. `works()` fails unless everything that needs a thread of the library works.
local beginning = [[
  local process = require "process"
  local time = require "process.time"

  local function forked(fn, meanwhile)
    io.stdout:flush()
    local child = native.fork()
    if child == 0 then
      fn()
      os.exit(3, true)
    end
    if meanwhile then
      meanwhile()
    end
    return math.floor(native.wait(child))
  end

  local function computes()
    while true do end
  end

  local function stays()
    channel.new():receive()
  end

  local ends = {}
  local function gone(pid)
    while not ends[pid] do
      local ev = process.events():receive()
      ends[ev.from] = tostring(ev.error)
    end
    return ends[pid]
  end

  local function works()
    assert(process.exec(function(n) return 2 * n end, "app:processes", 21) == 42)
    local echo = assert(process.spawn_monitored(function()
      while true do
        local msg = process.inbox():receive()
        process.send(msg:from(), "echo", msg:payload())
      end
    end, "app:processes"))
    local back = process.listen("echo")
    for i = 1, 20 do
      process.send(echo, "call", i)
      assert(back:receive() == i)
    end
    process.unlisten(back)
    local busy = assert(process.spawn_monitored(computes, "app:processes"))
    local idle = assert(process.spawn_monitored(stays, "app:processes"))
    process.cancel(idle, "enough", "1ms")
    process.terminate(busy)
    process.terminate(echo)
    assert(gone(busy) == "process terminated" and gone(echo) == "process terminated")
    assert(gone(idle):find("cancel", 1, true))
    time.sleep("1ms")
  end
]]

-- The output of a script that begins with these lines.
local function output(script)
  local out
  support.with_folder({ ["keep"] = "" }, function(folder)
    out = support.output_of(native.source(folder) .. beginning .. script)
  end)
  return out
end

describe("a fork while nothing spawned is alive", function()
  it("L-69 the child goes on, with name, options and unread mail; so does the parent", function()
    local out = output([[
      process.set_options({ trap_links = true })
      process.registry.register("main")
      process.send("main", "t", "unread")
      local me = process.pid()
      local function check()
        assert(process.pid() == me and process.registry.lookup("main") == me)
        assert(process.get_options().trap_links)
        local msg = process.inbox():receive()
        assert(msg:payload() == "unread" and msg:from() == me)
        works()
        assert(process.registry.lookup("main") == me)
      end
      print(forked(check, check))
    ]])
    assert.are.equal("3\n", out)
  end)

  it("L-69 it does not matter what has run before and is over, nor how often it forks", function()
    local out = output([[
      works()
      for _ = 1, 20 do
        assert(process.exec(function() return 1 end, "app:processes") == 1)
        assert(forked(works) == 3)
      end
      works()
      print "done"
    ]])
    assert.are.equal("done\n", out)
  end)

  it("L-69 a fork at once after the EXIT of the last process leaves both sides whole", function()
    local out = output([[
      for _ = 1, 100 do
        local pid = assert(process.spawn_monitored(function() end, "app:processes"))
        assert(gone(pid) == "nil")
        assert(forked(process.pid) == 3)
      end
      local pids = {}
      for i = 1, 100 do
        pids[i] = assert(process.spawn_monitored(function() end, "app:processes"))
      end
      for _ = 1, 100 do
        process.events():receive()
      end
      print(forked(works, works))
    ]])
    assert.are.equal("3\n", out)
  end)

  it("L-69 the child may fork again", function()
    local out = output([[
      local function generations(left)
        works()
        if left > 0 then
          assert(forked(function() generations(left - 1) end) == 3)
        end
        works()
      end
      generations(4)
      print "done"
    ]])
    assert.are.equal("done\n", out)
  end)

  it("L-69 neither side hears what the other one is told", function()
    local out = output([[
      local function talk()
        local echo = assert(process.spawn_linked(function()
          while true do
            local msg = process.inbox():receive()
            process.send(msg:from(), "echo", msg:payload())
          end
        end, "app:processes"))
        for i = 1, 3000 do
          process.send(echo, "call", i)
          local msg = process.inbox():receive()
          assert(msg:from() == echo and msg:payload() == i)
        end
      end
      print(forked(talk, talk))
    ]])
    assert.are.equal("3\n", out)
  end)

  it("L-69 coroutines, waits and timers that are there go on on both sides", function()
    local out = output([[
      local ch, late = channel.new(), time.after("5ms")
      local code
      coroutine.spawn(function()
        code = forked(function()
          works()
          ch:send("child")
          stays()
        end, works)
        ch:send("parent")
      end)
      print(ch:receive(), late:receive() ~= nil, code)
    ]])
    assert.are.equal("child\ttrue\tnil\nparent\ttrue\t0\n", out)
  end)

  it("L-69 a daemon may close all descriptors that it does not know", function()
    local out = output([[
      print(forked(function()
        native.close_others()
        time.sleep("1ms")
        local before = os.clock()
        time.sleep("500ms")
        assert(os.clock() - before < 0.05, "does not sleep, but computes")
        works()
      end))
    ]])
    assert.are.equal("3\n", out)
  end)

  it("L-69 a pool that was defined before has its workers on both sides", function()
    local out = output([[
      assert(process.define_host("spec:pool", { workers = 3 }))
      local function round()
        for _ = 1, 30 do
          assert(process.spawn_monitored(function() time.sleep("1ms") end, "spec:pool"))
        end
        for _ = 1, 30 do
          assert(process.events():receive().error == nil)
        end
        assert(process.host_info("spec:pool").processes == 0)
      end
      for _ = 1, 5 do
        round()
        assert(forked(round, round) == 3)
      end
      print "done"
    ]])
    assert.are.equal("done\n", out)
  end)

  it("L-69, L-65 the child ends like a program of its own, whatever it has spawned", function()
    local out = output([[
      local function leave(how)
        return forked(function()
          for _ = 1, 3 do
            assert(process.spawn(computes, "app:processes"))
            assert(process.spawn(stays, "app:processes"))
          end
          how()
        end)
      end
      print(leave(function() os.exit(5) end), leave(function() os.exit(6, true) end))
      assert(process.spawn(computes, "app:processes"))
    ]])
    assert.are.equal("5\t6\n", out)
  end)

  it("L-69 the module may be loaded first in the child, or in the parent before the main process is one", function()
    local out
    support.with_folder({ ["keep"] = "" }, function(folder)
      out = support.output_of(native.source(folder) .. [[
        local child = native.fork()
        local process = require "process"
        assert(process.exec(function() return 1 end, "app:processes") == 1)
        if child ~= 0 then
          print(math.floor(native.wait(child)))
        end
      ]], nil, nil, true)
    end)
    assert.are.equal("0\n", out)
  end)

  it("L-69, L-54 the thread of a process that was given up keeps the child from going on", function()
    local out = output([[
      assert(process.define_host("spec:graceless", { terminate_grace = "10ms" }))
      local pid = assert(process.spawn_monitored(function(parent)
        process.send(parent, "ready")
        os.execute("sleep 3")
      end, "spec:graceless", process.pid()))
      process.inbox():receive()
      time.sleep("20ms")
      process.terminate(pid)
      assert(gone(pid) == "process terminated")
      assert(process.host_info("spec:graceless").abandoned == 1)
      local code = forked(function()
        local pid, err = process.spawn(function() end, "app:processes")
        os.exit(pid == nil and tostring(err) == "not available after fork" and 4 or 5)
      end)
      while process.host_info("spec:graceless").abandoned > 0 do
        time.sleep("1ms")
      end
      print(code, forked(works, works))
    ]])
    assert.are.equal("4\t3\n", out)
  end)
end)
