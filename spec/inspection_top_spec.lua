-- inspection.md: process.top.
local process = require "process"
local top = require "process.top"
local support = require "spec.support"

-- The PIDs in the lines of the table, from above.
local function pids(text)
  local list = {}
  for pid in text:gmatch("\n({[^{}]*})") do
    list[#list + 1] = pid
  end
  return list
end

describe("process.top", function()
  before_each(support.reset)
  after_each(support.finish)

  it("I-8 shows totals and a line for each process", function()
    local pid = support.spawn "process.listen('orders'):receive()"
    support.eventually(function()
      return process.info(pid).state == "waiting"
    end)
    local text = top.text()
    local stats = process.stats()
    assert.is_truthy(text:find(("^%d processes %%(%d spawned, "):format(stats.processes, stats.spawned)), text)
    assert.is_truthy(text:find("\nPID +ENTRY +STATE +WAITS FOR +MAILBOX +MEMORY +TIME +AGE\n"), text)
    local line = text:match("\n(" .. pid:gsub("%p", "%%%0") .. " [^\n]*)")
    assert.is_truthy(line:find(" spec.inline:e%d+ +waiting +receive orders +0 +%d+ %a+ +[%d.]+ m?s +[%d.]+ m?s$"), line)
    assert.is_truthy(text:find("\n" .. process.pid():gsub("%p", "%%%0") .. " +main:main +running "), text)
  end)

  it("I-8 sorts, and shows as many rows as wanted", function()
    local busy = support.spawn("for _ = 1, 3e7 do end " .. support.parked)
    local large = support.spawn("kept = ('x'):rep(3e7) " .. support.parked)
    local full = support.spawn(support.parked)
    for _ = 1, 1000 do
      process.send(full, "t", 1)
    end
    support.eventually(function()
      return process.info(busy).state == "waiting" and process.info(large).state == "waiting"
    end)
    assert.are.equal(large, pids(top.text({ sort = "memory" }))[1])
    assert.are.equal(full, pids(top.text({ sort = "mailbox" }))[1])
    local by_time, before = pids(top.text({ rows = 1000 })), nil
    for _, pid in ipairs(by_time) do
      local info = process.info(pid)
      local used = pid == busy and info.processor_time:nanoseconds()
      before = before or used
    end
    assert.is_true(before > 1e6)
    assert.are.equal(2, #pids(top.text({ rows = 2 })))
    assert.are.equal(#process.list(), #by_time)
  end)

  it("I-8 B-1 refuses unknown options and bad values", function()
    for options, text in pairs({
      [{ rows = 0 }] = "top: rows: whole number from 1 expected, got 0",
      [{ sort = "age" }] = "top: sort: 'time', 'memory' or 'mailbox' expected, got age",
      [{ color = true }] = "top: unknown option color",
      [{ refresh = "1s" }] = "top: unknown option refresh",
    }) do
      assert.has_error(function() top.text(options) end, text)
    end
    assert.has_error(function() top.run({ refresh = "0s" }) end,
      "top: refresh: duration greater than zero expected, got 0s")
    assert.has_error(function() top.text(5) end, "bad argument #1 to 'text' (table expected, got number)")
  end)

  it("I-8 writes it again and again until it is cancelled", function()
    local output = support.run [[
      local process = require "process"
      local pid = process.spawn_monitored(function()
        return require("process.top").run({ refresh = "5ms" })
      end, "app:processes")
      process.time.sleep("200ms")
      process.cancel(pid)
      print(process.events():receive().error)
    ]]
    assert.are.equal("nil\n", output.out)
    assert.is_true(select(2, output.err:gsub("PID +ENTRY", "")) > 3, output.err)
  end)

  it("I-7 I-8 B-100 is not for restricted processes", function()
    local border = require "spec.support.border"
    local host = border.restricted()
    local body = "local _, err = require('process.top').text() return tostring(err)"
    assert.are.equal("not allowed on host " .. host .. ": list", border.run(host, body))
  end)

  it("I-8 PROCESS_TOP has a process do that", function()
    local output = support.run("local p = require 'process' p.time.sleep('400ms') print(#p.list())", 20,
      "env PROCESS_TOP=1")
    assert.are.equal("2\n", output.out)
    assert.is_truthy(output.err:find("^2 processes .*\nPID +ENTRY .*{main|1}"), output.err)
    output = support.run("print(#require('process').list())", 20, "env PROCESS_TOP=0")
    assert.are.same({ "1\n", "" }, { output.out, output.err })
  end)
end)
