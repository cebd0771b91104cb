-- inspection.md: process.on_report.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

local PRELUDE = [[
  local process = require "process"
  local time = process.time
  local function fail(text)
    local pid = process.spawn(function(text) error(text, 0) end, "app:processes", text)
    while process.info(pid) do time.sleep("1ms") end
    return pid
  end
]]

local function script(body)
  local ran = support.run(PRELUDE .. body)
  return ran.out, ran.err:gsub("\nstack traceback:\n[^\n]*\n[^\n]*", "")
end

describe("process.on_report", function()
  before_each(support.reset)
  after_each(function()
    process.on_report(nil)
    support.finish()
  end)

  it("I-6 L-16 gives reports to the function, in order", function()
    local got = channel.new(10)
    assert.is_true(process.on_report(function(report)
      got:send(report)
    end))
    for number = 1, 5 do
      local pid = assert(process.spawn(support.code(function(n) error("bad " .. n, 0) end), support.host, number))
      local report = support.within(got)
      assert.are.equal(pid, report.pid)
      assert.is_truthy(report.entry:find("spec/inspection_report_spec.lua:", 1, true), report.entry)
      assert.are.same({ "bad " .. number, "Internal" }, { tostring(report.error), report.error:kind() })
      assert.is_truthy(report.error:stack())
    end
  end)

  it("I-6 takes the place of standard error, and nil gives it back", function()
    local out, err = script [[
      process.on_report(function(report) print(report.error) end)
      fail "one"
      time.sleep("20ms")
      process.on_report(function(report) print("second", report.error) end)
      fail "two"
      time.sleep("20ms")
      process.on_report(nil)
      process.on_report(nil)
      fail "three"
    ]]
    assert.are.equal("one\nsecond\ttwo\n", out)
    assert.is_truthy(err:find("^process {app:processes|%x+} %([^)]*%) failed: three\n$"), err)
  end)

  it("I-6 runs in a managed coroutine: it may block, and the next report waits for it", function()
    local out = script [[
      process.on_report(function(report)
        print("begin", report.error)
        time.sleep("10ms")
        print("end", report.error)
      end)
      fail "one"
      fail "two"
      time.sleep("50ms")
    ]]
    assert.are.equal("begin\tone\nend\tone\nbegin\ttwo\nend\ttwo\n", out)
  end)

  it("I-6 L-63 what it raises is raised in the main script, and the next report comes all the same", function()
    local out = script [[
      process.on_report(function(report)
        print(report.error)
        if tostring(report.error) == "one" then error("in the function", 0) end
      end)
      process.spawn(function() error("one", 0) end, "app:processes")
      print(pcall(time.sleep, "1s"))
      fail "two"
      time.sleep("20ms")
    ]]
    assert.are.equal("one\nfalse\tin the function\ntwo\n", out)
  end)

  it("I-6 what it has not had when the main state closes is written as before", function()
    local out, err = script [[
      process.on_report(function(report) print(report.error) time.sleep("1h") end)
      fail "one"
      fail "two"
      time.sleep("5ms")
      local pid = process.spawn(function() error("three", 0) end, "app:processes")
      repeat local alive = process.info(pid) until not alive
    ]]
    assert.are.equal("one\n", out)
    assert.is_truthy(err:find("failed: two\n.*failed: three\n"), err)
  end)

  it("I-6 S-8 supervisors report there too", function()
    local got = channel.new(10)
    process.on_report(function(report)
      got:send(report)
    end)
    local supervisor = require "process.supervisor"
    local sup = assert(supervisor.spawn({
      children = { { id = "child", restart = "temporary", entry = support.code(function()
        error("bad child", 0)
      end), host = support.host } },
    }, support.host))
    assert.are.equal("bad child", tostring(support.within(got).error))
    process.unlink(sup)
    process.terminate(sup)
    time.sleep("1ms")
  end)

  it("I-6 B-142 B-1 is for main processes", function()
    local text = support.result_of "return tostring(select(2, pcall(process.on_report, print)))"
    assert.are.equal("on_report: only in the main process", text)
    assert.has_error(function() process.on_report(5) end,
      "bad argument #1 to 'on_report' (function or nil expected, got number)")
    assert.has_error(function() process.on_report() end,
      "bad argument #1 to 'on_report' (function or nil expected, got no value)")
  end)
end)
