-- calls.md: calls whose callee or caller ends, requests that are dropped, and what a call costs.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local border = require "spec.support.border"
local calls = require "spec.support.calls"
local support = require "spec.support"
local spawn, within = support.start, support.within
local service = calls.service

describe("the end of a call", function()
  before_each(support.reset)
  after_each(support.finish)

  it("A-5 B-112 ends with the callee", function()
    local pid = service()
    local value, err = process.call(pid, "fail", "out of tea")
    assert.is_nil(value)
    assert.are.equal("process ended before it replied: " .. pid .. ": out of tea", tostring(err))
    assert.are.equal(errors.UNAVAILABLE, err:kind())
    assert.are.same({ from = pid, reason = "out of tea" }, err:details())
    pid = service()
    value, err = process.call(pid, "end")
    assert.is_nil(value)
    assert.are.equal("process ended before it replied: " .. pid .. ": ended normally", tostring(err))
    assert.are.same({ from = pid, reason = "ended normally", normal = true }, err:details())
  end)

  it("A-5 B-112 ends with a callee that is terminated, and many callers hear of it", function()
    local pid = service()
    local answers = channel.new(100)
    for _ = 1, 100 do
      coroutine.spawn(function()
        local _, err = process.call(pid, "keep", nil, { timeout = false })
        answers:send(tostring(err))
      end)
    end
    time.sleep("20ms")
    process.terminate(pid)
    for _ = 1, 100 do
      assert.are.equal("process ended before it replied: " .. pid .. ": process terminated", within(answers))
    end
    assert.is_not_nil(support.event_of(pid).error)
    assert.is_nil(support.waiting(process.events()))
  end)

  it("A-5 takes a reply that a finalizer gives", function()
    local pid = spawn(function()
      local msg = process.inbox():receive()
      local proxy
      if newproxy then
        proxy = newproxy(true)
        getmetatable(proxy).__gc = function()
          msg:reply("at the end")
        end
      else
        proxy = setmetatable({}, {
          __gc = function()
            msg:reply("at the end")
          end,
        })
      end
      _G.kept = proxy
    end)
    assert.are.equal("at the end", process.call(pid, "any"))
  end)

  it("A-5 tells a restricted caller nothing of others", function()
    local pid = service()
    local answer = border.run(border.restricted(), [[
      local _, err = process.call(..., "end")
      return { tostring(err), err:details().normal == nil }
    ]], pid)
    assert.are.same({ "process ended before it replied: " .. pid .. ": ended", true }, answer)
  end)

  it("A-6 B-113 does not wait in vain for a request that was dropped", function()
    local pid = service()
    local value, err = process.call(pid, "drop")
    assert.is_nil(value)
    assert.are.equal("request dropped without a reply: drop", tostring(err))
    assert.are.equal(errors.UNAVAILABLE, err:kind())
  end)

  it("A-6 B-113 does not wait for a listener that takes payloads only", function()
    local pid = spawn(function(parent)
      local payloads = process.listen("work")
      while true do
        process.send(parent, "took", (payloads:receive()))
      end
    end, process.pid())
    local took = process.listen("took")
    for round = 1, 2 do
      local value, err = process.call(pid, "work", round)
      assert.is_nil(value)
      assert.are.equal("the listener of work takes payloads only and cannot reply", tostring(err))
      assert.are.equal(errors.INVALID, err:kind())
      assert.are.equal(round, within(took))
    end
  end)

  it("A-6 B-113 A-7 knows which requests an upgrade collects, and which survive it", function()
    local next_main = support.entry [[
      local msg = process.inbox():receive()
      msg:reply("new " .. msg:payload())
    ]]
    local pid = spawn(function(entry)
      local taken = process.inbox():receive()
      process.listen("go"):receive()
      process.upgrade(entry)
      return taken
    end, next_main)
    local answers = channel.new(2)
    for number = 1, 2 do
      coroutine.spawn(function()
        local value, err = process.call(pid, "t", number)
        answers:send(value or tostring(err))
      end)
    end
    time.sleep("20ms")
    process.send(pid, "go")
    assert.are.equal("request dropped without a reply: t", within(answers))
    assert.are.equal("new 2", within(answers))
  end)

  it("A-7 of the old code is not answered to the new", function()
    local callee = service()
    local next_main = support.entry [[
      local callee, parent = ...
      process.send(parent, "new", process.call(callee, "echo", "mine"))
      process.send(callee, "last first")
      process.send(parent, "new", process.call(callee, "echo", "again"))
    ]]
    spawn(function(entry, other, parent)
      coroutine.spawn(function()
        process.call(other, "keep", 1, { timeout = false })
      end)
      require("process.time").sleep("5ms")
      process.upgrade(entry, other, parent)
    end, next_main, callee, process.pid())
    local heard = process.listen("new")
    assert.are.equal("mine", within(heard))
    assert.are.equal("again", within(heard))
  end)

  it("A-7 leaves nothing behind when the main script is called away", function()
    local output = support.run [[
      local process = require "process"
      local callee = process.spawn(function()
        local first = process.inbox():receive()
        local go = process.inbox():receive()
        go:reply({ first:waiting(), (first:reply("late")) })
      end, "app:processes")
      coroutine.spawn(function()
        require("process.time").sleep("10ms")
        error("called away", 0)
      end)
      print(pcall(process.call, callee, "first"))
      local seen = process.call(callee, "go")
      print(seen[1], seen[2])
    ]]
    assert.are.equal("false\tcalled away\nfalse\tnil\n", output.out)
  end)

  it("A-8 works within a process that serves itself", function()
    local own = process.pid()
    coroutine.spawn(function()
      local msg = process.listen("own", { message = true }):receive()
      msg:reply(msg:payload() + 1)
    end)
    assert.are.equal(2, process.call(own, "own", 1))
    local pid = spawn(function()
      coroutine.spawn(function()
        local msg = process.inbox():receive()
        msg:reply(msg:payload() .. "!")
      end)
      return (process.call(process.pid(), "t", "hey"))
    end)
    assert.are.equal("hey!", support.event_of(pid).result)
  end)

  it("A-9 costs about what two messages cost", function()
    local pid = spawn(function()
      local parent
      while true do
        local msg = process.inbox():receive()
        if msg:waiting() then
          msg:reply(msg:payload())
        else
          parent = parent or msg:from()
          process.send(parent, "ball", msg:payload())
        end
      end
    end)
    local balls = process.listen("ball")
    local function fastest(round)
      local best = math.huge
      for _ = 1, 8 do
        local start = time.now()
        for _ = 1, 300 do
          round()
        end
        best = math.min(best, time.now():sub(start):microseconds())
      end
      return best
    end
    local messages = fastest(function()
      process.send(pid, "ball", 1)
      balls:receive()
    end)
    local requests = fastest(function()
      process.call(pid, "ball", 1)
    end)
    -- The measure is W15; this finds gross faults on a busy machine.
    assert.is_true(requests < 3 * messages, ("%d against %d us"):format(requests, messages))
  end)
end)
