-- process.md: process.wait waits for the end of all children.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local code = support.code
local host = support.host

describe("process.wait", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-19 returns true at once if the caller has no live children", function()
    assert.is_true(process.wait())
    assert.is_true(process.wait("1h"))
    assert.is_true(process.wait(0))
  end)

  it("P-19 waits until every child has ended, however it was spawned and however it ends", function()
    process.set_options({ trap_links = true })
    local pids = {
      process.spawn(support.returning, host, process.pid()),
      process.spawn_linked(support.returning, host, process.pid()),
      process.spawn_monitored(support.returning, host, process.pid()),
      process.with_context({}):spawn(support.returning, host, process.pid()),
    }
    local order = {}
    coroutine.spawn(function()
      for _ = 1, #pids do
        support.child()
      end
      process.send(pids[1], "return")
      process.send(pids[2], "fail", "broken")
      process.terminate(pids[3])
      time.sleep("10ms")
      order[#order + 1] = "last"
      process.send(pids[4], "return")
    end)
    assert.is_true(process.wait("20s"))
    assert.are.same({ "last" }, order)
    for _, pid in ipairs(pids) do
      assert.is_nil(process.send(pid, "x"))
    end
  end)

  it("P-19 returns false when the time is over, and takes every duration", function()
    support.spawn(support.parked)
    assert.is_false(process.wait("5ms"))
    assert.is_false(process.wait(5 * time.MILLISECOND))
    assert.is_false(process.wait(time.parse_duration("5ms")))
    assert.is_false(process.wait(0))
    assert.is_false(process.wait("-1s"))
  end)

  it("P-19 does not wait for children of children", function()
    local grandchild = support.keep(support.result_of(
      [[
        local host, parked = ...
        return process.spawn(parked, host)
      ]],
      host,
      code(function()
        channel.new():receive()
      end)
    ))
    assert.is_true(process.wait("20s"))
    assert.is_true(process.terminate(grandchild))
  end)

  it("P-19 waits for children, too, that were started meanwhile", function()
    local first = support.spawn("process.inbox():receive()")
    local second
    coroutine.spawn(function()
      second = support.spawn("process.inbox():receive()")
      process.send(first, "end")
      support.eventually(function()
        return not process.send(first, "again")
      end)
      process.send(second, "end")
    end)
    assert.is_true(process.wait("20s"))
    assert.is_nil(process.send(second, "x"))
  end)

  it("P-19 may be called by several coroutines, each with its own limit", function()
    local child = support.spawn(support.parked)
    local short, long = channel.new(1), channel.new(5)
    coroutine.spawn(function()
      short:send(process.wait("5ms"))
    end)
    for _ = 1, 5 do
      coroutine.spawn(function()
        long:send(process.wait())
      end)
    end
    assert.is_false((support.receive(short)))
    assert.is_nil((support.waiting(long)))
    process.terminate(child)
    for _ = 1, 5 do
      assert.is_true((support.receive(long)))
    end
  end)

  it("L-14 P-19 returns when the children are gone: no send reaches one, no name is left", function()
    for i = 1, 200 do
      local name = "spec.exec.wait" .. i
      local pid = process.with_context({}):with_name(name):spawn(support.entry(""), host)
      assert.is_true(process.wait("20s"))
      assert.is_nil(process.send(pid, "x"))
      assert.is_nil(process.registry.lookup(name))
    end
  end)

  it("L-65 P-19 is how a script sees its children through", function()
    local out = support.output_of([[
      local process = require "process"
      for i = 1, 3 do
        process.spawn(function() time.sleep("20ms") io.write(i) end, "app:processes")
      end
      process.wait()
      io.write(" all done")
    ]])
    assert.are.equal("123", (function(digits)
      table.sort(digits)
      return table.concat(digits)
    end)({ out:match("^(%d)(%d)(%d) all done$") }))
  end)

  it("C-33 P-3 P-19 works in plain coroutines and callbacks, in spawned processes too", function()
    local body = [[
      local host = ...
      local nap = function() time.sleep("2ms") end
      process.spawn(nap, host)
      local a = coroutine.wrap(function() return process.wait() end)()
      process.spawn(nap, host)
      local b = ("x"):gsub("x", function() return tostring(process.wait()) end)
      return tostring(a) .. b
    ]]
    assert.are.equal("truetrue", support.result_of(body, host))
    assert.are.equal("truetrue", assert((loadstring or load)(body))(host))
  end)

  it("B-65 P-19 is left by the failure of a linked process", function()
    support.spawn(support.parked)
    local linked = process.spawn_linked(support.entry("error('broken', 0)"), host)
    support.raises(("linked process failed: %s: broken"):format(linked), process.wait)
  end)

  it("B-56 P-19 raises in a finalizer if there is anything to wait for", function()
    support.spawn(support.parked)
    local ok, err = support.in_finalizer(function()
      return pcall(process.wait)
    end)
    assert.is_false(ok)
    assert.are.equal("cannot wait in a finalizer", tostring(err))
  end)

  it("B-41 T-4 P-19 raises for a bare small number", function()
    for _, number in ipairs({ 1, 5, 999 }) do
      local text = 'process.wait: %d is %d nanoseconds; write "%ds", "%dms" or %d * time.SECOND'
      support.raises(text:format(number, number, number, number, number), process.wait, number)
    end
    support.spawn(support.parked)
    assert.is_false(process.wait(1000))
    assert.is_false(process.wait(-5))
  end)

  it("B-40 P-19 raises for what is no duration", function()
    for _, value in ipairs({ true, {}, "soon", "5 s", 0 / 0 }) do
      local shown = type(value) == "table" and "" or tostring(value)
      support.raises("process.wait: invalid duration: " .. shown, process.wait, value)
    end
  end)
end)
