-- process.exec, process.wait and process.id: processes for their results.
local process = require "process"
local channel = require "process.channel"
local support = require "spec.support"

local managed = coroutine.spawn

describe("exec", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-55 returns the first result of main", function()
    local entry = support.entry("return select('#', ...) + 1, 'dropped'")
    assert.equal(4, (process.exec(entry, support.host, nil, 2, nil)))
    assert.is_nil((process.exec(support.entry(""), support.host)))
    assert.is_false((process.exec(support.entry("return false"), support.host)))
  end)

  it("P-55 returns nil and the exit error", function()
    support.fails("no stock", "INTERNAL", process.exec(support.entry("error('no stock', 0)"), support.host))
    support.fails("no stock", "INTERNAL", process.exec(support.entry("return nil, 'no stock'"), support.host))
    support.fails("process terminated", "CANCELED",
      process.exec(support.entry("process.terminate(process.pid())"), support.host))
  end)

  it("P-55 the child's EXIT does not appear among the events", function()
    process.exec(support.entry("return 1"), support.host)
    assert.is_true(support.silent(process.events()))
  end)

  it("P-55 B-30 B-32 B-35 returns the errors of spawn", function()
    support.fails("exec: entry and host are missing", "INVALID", process.exec())
    support.fails("exec: host is missing", "INVALID", process.exec("a:b"))
    support.fails("entry not found: no.such:entry", "NOT_FOUND", process.exec("no.such:entry", support.host))
    support.fails("host not found: no.such:host", "NOT_FOUND", process.exec(support.entry(""), "no.such:host"))
    assert.equal("#1 (string expected, got number)", support.bad_argument(process.exec, 5, support.host))
  end)

  it("P-55 C-33 lets other coroutines run, and works in plain coroutines and callbacks", function()
    local entry = support.entry("time.sleep('5ms') return (...)")
    local done = channel.new(3)
    for i = 1, 3 do
      managed(function() done:send((process.exec(entry, support.host, i))) end)
    end
    local sum = 0
    for _ = 1, 3 do
      sum = sum + support.receive(done)
    end
    assert.equal(6, sum)
    assert.equal(7, coroutine.wrap(function() return (process.exec(entry, support.host, 7)) end)())
    assert.equal("abab", (("xx"):gsub(".", function() return (process.exec(entry, support.host, "ab")) end)))
  end)

  it("P-55 goes on in the child when the caller ends first", function()
    local me = process.pid()
    local caller = support.spawn([[
      local me, entry = ...
      process.exec(entry, "app:processes", me)
    ]], me, support.entry("process.send(..., 'started') process.inbox():receive() process.send(..., 'finished')"))
    local child = support.receive(process.inbox()):from()
    support.kill(caller)
    assert.is_true(process.send(child, "go on"))
    assert.equal("finished", support.receive(process.inbox()):topic())
  end)

  it("P-18 B-38 takes a function for the entry, not a C function", function()
    local captured = 40
    assert.equal(42, (process.exec(support.code(function(n) return captured + n end), support.host, 2)))
    support.fails("entry function must not be a C function", "INVALID", process.exec(print, support.host))
  end)
end)

describe("wait", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-19 waits until no child is alive", function()
    local out = support.output_of([[
      local process = require "process"
      print(process.wait())
      for i = 1, 5 do
        process.spawn(function() time.sleep(i .. "ms") end, "app:processes")
      end
      print(process.wait("20s"), process.host_info("app:processes").processes)
    ]])
    assert.equal("true\ntrue\t0\n", out)
  end)

  it("P-19 gives up when the time is over", function()
    local result = support.result_of([[
      local child = process.spawn(function() channel.new():receive() end, "app:processes")
      local first, now = process.wait("5ms"), process.wait(0)
      process.terminate(child)
      return { first, now, process.wait() }
    ]])
    assert.same({ false, false, true }, result)
  end)

  it("P-19 B-40 raises for what is no duration", function()
    support.raises("process.wait: invalid duration: soon", process.wait, "soon")
  end)
end)

describe("id", function()
  it("P-8 is the entry that the process was started from", function()
    assert.equal("main:main", process.id())
    local entry = support.entry("return process.id()")
    assert.equal(entry, (process.exec(entry, support.host)))
    local of_function = process.exec(support.code(function() return process.id() end), support.host)
    assert.is_truthy(of_function:find("process_exec_spec.lua:%d+$"), of_function)
  end)
end)
