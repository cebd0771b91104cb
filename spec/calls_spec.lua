-- calls.md: process.call, msg:reply, msg:waiting.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local border = require "spec.support.border"
local calls = require "spec.support.calls"
local support = require "spec.support"
local spawn, within = support.start, support.within
local service, results = calls.service, calls.results

describe("a call", function()
  before_each(support.reset)
  after_each(support.finish)

  it("A-1 returns what was replied, one value", function()
    local pid = service()
    assert.are.equal("tea", process.call(pid, "echo", "tea"))
    assert.are.same({ 1, { 2 } }, process.call(pid, "echo", { 1, { 2 } }))
    assert.are.same({ n = 1, false }, support.pack(process.call(pid, "echo", false)))
    assert.are.same({ n = 1 }, support.pack(process.call(pid, "echo")))
    assert.are.equal(("x"):rep(300000), process.call(pid, "echo", ("x"):rep(300000)))
    process.registry.register("spec.calls.shop", pid)
    assert.are.equal(5, process.call("spec.calls.shop", "echo", 5, { timeout = false }))
  end)

  it("A-1 is never wrapped", function()
    local pid = service()
    process.set_options({ wrapped = true })
    local value = process.call(pid, "echo", "tea")
    process.set_options({ wrapped = false })
    assert.are.equal("tea", value)
  end)

  it("A-2 is a message in every respect", function()
    local pid = spawn(function()
      local topic = process.listen("asked", { message = true })
      local msg = topic:receive()
      local seen = { msg:from(), msg:topic(), msg:payload(), tostring(msg) }
      msg:reply(seen)
      for place = 1, 3 do
        local each = process.inbox():receive()
        each:reply(place .. each:payload())
      end
    end)
    local seen = process.call(pid, "asked", "now")
    assert.are.same({ process.pid(), "asked", "now", "process.Message{topic=asked}" }, seen)
    -- In the order in which they were sent.
    local answers = channel.new(3)
    process.send(pid, "plain", "a")
    for _, text in ipairs { "b", "c" } do
      coroutine.spawn(function()
        answers:send((process.call(pid, "request", text)))
      end)
    end
    assert.are.same({ "2b", "3c" }, { within(answers), within(answers) })
  end)

  it("A-2 B-22 counts for the mailbox", function()
    local full = border.host { mailbox_limit = 1 }
    local pid = support.keep(assert(process.spawn_monitored(support.code(function()
      process.listen("never"):receive()
    end), full)))
    process.send(pid, "any")
    local value, err = process.call(pid, "echo")
    assert.is_nil(value)
    assert.are.equal(("mailbox full: %s (limit 1)"):format(pid), tostring(err))
  end)

  it("A-2 says whether anybody waits", function()
    local pid = service()
    process.send(pid, "results", 1)
    local answer = results()
    assert.are.same({ nil, "not a request: results" }, { answer[1], tostring(answer[3]) })
    assert.are.equal(7, process.call(pid, "results", 7))
    answer = results()
    assert.are.same({ true, true }, { answer[1], answer[2] })
    assert.is_nil((process.call(pid, "keep", 1, { timeout = "10ms" })))
    process.send(pid, "waits")
    answer = results()
    assert.is_false(answer[1])
  end)

  it("A-2 A-7 B-111 finds that the caller has ended", function()
    local pid = service()
    local caller = spawn(function(callee)
      process.call(callee, "keep", 1, { timeout = false })
    end, pid)
    process.call(pid, "echo")
    time.sleep("20ms")
    process.terminate(caller)
    support.event_of(caller)
    process.send(pid, "waits")
    local answer = results()
    assert.are.same({ false, "the caller no longer waits" }, { answer[1], tostring(answer[3]) })
    assert.are.equal(errors.CANCELED, answer[3]:kind())
  end)

  it("A-3 is replied to in any order", function()
    local pid = service()
    local answers = channel.new(5)
    for number = 1, 5 do
      coroutine.spawn(function()
        answers:send({ number, process.call(pid, "keep", number) })
      end)
    end
    time.sleep("20ms")
    process.call(pid, "last first")
    for _ = 1, 5 do
      local answer = within(answers)
      assert.are.equal(answer[1] * 10, answer[2])
    end
  end)

  it("A-3 B-110 takes the first reply", function()
    local pid = service()
    assert.are.equal(1, process.call(pid, "twice"))
    local answer = results()
    assert.are.same({ true, "already replied", false }, { answer[1], tostring(answer[3]), answer[4] })
    assert.are.equal(errors.CONFLICT, answer[3]:kind())
    process.send(process.pid(), "plain")
    local done, err = within(process.inbox()):reply(1)
    assert.is_nil(done)
    assert.are.equal("not a request: plain", tostring(err))
    assert.are.equal(errors.INVALID, err:kind())
  end)

  it("A-3 B-20 stays open if the reply cannot cross", function()
    local pid = spawn(function()
      local msg = process.inbox():receive()
      local done, err = msg:reply({ coroutine.create(print) })
      msg:reply({ done == nil, tostring(err), msg:waiting() })
    end)
    assert.are.same({ true, "cannot send a thread (argument 1, [1])", true }, process.call(pid, "any"))
  end)

  it("A-3 V-23 gives the caller nothing that its host does not take", function()
    local pid = spawn(function()
      local msg = process.inbox():receive()
      local done, err = msg:reply(io.open)
      msg:reply({ done == nil, tostring(err) })
    end)
    local answer = border.run(border.restricted(), "return (process.call(..., 'any'))", pid)
    assert.are.same({ true, "cannot send a function (argument 1)" }, answer)
  end)

  it("A-11 passes on what a function returns that fails", function()
    local pid = spawn(function()
      while true do
        local msg = process.inbox():receive()
        local kind = msg:payload()
        if kind == "text" then
          msg:reply(nil, "no luck", "more")
        elseif kind == "false" then
          msg:reply(false, "no")
        elseif kind == "error" then
          msg:reply(nil, require("process.errors").new { kind = "NotFound", message = "gone" })
        elseif kind == "table" then
          msg:reply(nil, { "no error" })
        else
          msg:reply("value", "ignored")
        end
      end
    end)
    local value, err = process.call(pid, "t", "text")
    assert.are.same({ nil, "no luck", errors.INTERNAL }, { value, tostring(err), err:kind() })
    value, err = process.call(pid, "t", "false")
    assert.are.same({ nil, "no" }, { value, tostring(err) })
    value, err = process.call(pid, "t", "error")
    assert.are.same({ nil, "gone", errors.NOT_FOUND }, { value, tostring(err), err:kind() })
    assert.are.same({ n = 1 }, support.pack(process.call(pid, "t", "table")))
    assert.are.same({ n = 1, "value" }, support.pack(process.call(pid, "t", "other")))
  end)

  it("A-4 never meets the answer to another", function()
    local pid = spawn(function()
      while true do
        local msg = process.inbox():receive()
        require("process.time").sleep(msg:payload())
        msg:reply(msg:payload())
      end
    end)
    local late = 0
    for round = 1, 20 do
      local value, err = process.call(pid, "t", "3ms", { timeout = round % 2 == 0 and "2ms" or "200ms" })
      late = late + (err and 1 or 0)
      assert.is_true(value == "3ms" or errors.is(err, errors.TIMEOUT))
      assert.are.equal("1us", process.call(pid, "t", "1us"))
    end
    assert.is_true(late >= 10)
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("A-4 H-31 counts replies towards the memory of a restricted caller", function()
    local pid = service()
    local restricted = border.restricted { memory_limit = 4 * 1024 * 1024 }
    local event = border.exit_of(restricted, [[
      local big = ("x"):rep(1500000)
      local value = process.call(..., "echo", big)
      return #value
    ]], pid)
    assert.is_true(event.result == 1500000 or tostring(event.error):find("not enough memory") ~= nil)
    event = border.exit_of(restricted, [[
      local callee = ...
      process.send(callee, "keep")
      local text = process.call(callee, "echo", 1)
      return text
    ]], pid)
    assert.are.equal(1, event.result)
  end)
end)

describe("a bad call", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-114 returns when the time is over", function()
    local pid = service()
    local value, err = process.call(pid, "keep", 1, { timeout = "50ms" })
    assert.is_nil(value)
    assert.are.equal("no reply within 50ms: " .. pid .. " keep", tostring(err))
    assert.are.equal(errors.TIMEOUT, err:kind())
    process.registry.register("spec.calls.slow", pid)
    err = select(2, process.call("spec.calls.slow", "keep", 1, { timeout = 2000000 }))
    assert.are.equal("no reply within 2ms: spec.calls.slow keep", tostring(err))
  end)

  it("B-10 B-11 B-12 B-13 B-14 B-20 B-30 B-40 B-41 B-42 returns errors and sends nothing", function()
    local pid = service()
    local function text(...)
      local value, err = process.call(...)
      assert.is_nil(value)
      return tostring(err)
    end
    assert.are.equal("destination not found: nobody", text("nobody", "t"))
    assert.are.equal("process not found: {a:b|9999999}", text("{a:b|9999999}", "t"))
    assert.are.equal("reserved topic (begins with @): @x", text(pid, "@x"))
    assert.are.equal("topic too long (70000 bytes, limit 65535)", text(pid, ("t"):rep(70000)))
    assert.are.equal("empty topic", text(pid, ""))
    assert.are.equal("cannot send a thread (argument 3)", text(pid, "t", coroutine.create(print)))
    assert.are.equal("call: destination and topic are missing", text())
    assert.are.equal("call: topic is missing", text(pid))
    assert.are.equal("process.call: invalid duration: soon", text(pid, "t", 1, { timeout = "soon" }))
    assert.are.equal("process.call: invalid duration: true", text(pid, "t", 1, { timeout = true }))
    assert.is_truthy(text(pid, "t", 1, { timeout = 5 }):find("process.call: 5 is 5 nanoseconds", 1, true))
    assert.are.equal("process.call: duration must be greater than zero", text(pid, "t", 1, { timeout = "0s" }))
    assert.are.equal(1, process.call(pid, "echo", 1))
    process.terminate(pid)
    support.event_of(pid)
    assert.are.equal("process not found: " .. pid, text(pid, "t"))
  end)

  it("B-1 raises", function()
    local function text(...)
      local done, err = pcall(process.call, ...)
      assert.is_false(done)
      return (err:gsub("^.-:%d+: ", ""))
    end
    assert.is_truthy(text({}, "t"):find("bad argument #1 to 'call' (string expected, got table)", 1, true))
    assert.is_truthy(text("x", {}):find("bad argument #2 to 'call' (string expected, got table)", 1, true))
    assert.is_truthy(text("x", "t", 1, 5):find("bad argument #4 to 'call' (table expected, got number)", 1, true))
    assert.are.equal("call: unknown option timout (did you mean timeout?)", text("x", "t", 1, { timout = 5 }))
  end)

  it("B-56 raises in a finalizer before it sends anything", function()
    local told = process.listen("told")
    local pid = spawn(function(parent)
      local function finalize()
        process.send(parent, "told", tostring(select(2, pcall(process.call, parent, "never"))))
      end
      if newproxy then
        getmetatable(newproxy(true)).__gc = finalize
      else
        setmetatable({}, { __gc = finalize })
      end
      collectgarbage()
      collectgarbage()
    end, process.pid())
    assert.is_truthy(within(told):find("cannot wait in a finalizer", 1, true))
    support.event_of(pid)
    assert.is_nil(support.waiting(process.inbox()))
  end)
end)
