-- loops.md: process.on, functions that are called with the values of a channel.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

-- Runs everything that can go on.
local function turn()
  repeat
    local more = process.step()
  until not more
end

describe("process.on", function()
  before_each(function()
    support.reset()
    turn()
  end)
  after_each(support.finish)

  it("M-7 calls the function for each value, in order, and once at the end", function()
    local ch, calls = channel.new(3), {}
    for number = 1, 3 do
      ch:send(number)
    end
    process.on(ch, function(value, ok)
      calls[#calls + 1] = { value, ok }
    end)
    turn()
    assert.are.same({ { 1, true }, { 2, true }, { 3, true } }, calls)
    ch:close()
    turn()
    turn()
    assert.are.equal(4, #calls)
    assert.are.same({ nil, false }, calls[4])
  end)

  it("M-7 works with every kind of channel, and without steps too", function()
    local seen = {}
    local function note(name)
      return function(value)
        seen[name] = value ~= nil
      end
    end
    local topic = process.listen("spec.on")
    local handles = {
      process.on(topic, note "listener"),
      process.on(process.inbox(), note "inbox"),
      process.on(process.events(), note "events"),
      process.on(time.after("1ms"), note "timer"),
      process.on(time.ticker("1ms"):channel(), note "ticker"),
      process.on(channel.new(), note "never"),
    }
    process.send(process.pid(), "spec.on", 1)
    process.send(process.pid(), "spec.on.other", 1)
    support.spawn_monitored("")
    support.eventually(function()
      return seen.listener and seen.inbox and seen.events and seen.timer and seen.ticker
    end)
    assert.is_nil(seen.never)
    for _, handle in ipairs(handles) do
      handle:stop()
    end
    process.unlisten(topic)
  end)

  it("M-7 M-3 each call is one resumption", function()
    local ch, calls = channel.new(5), 0
    for number = 1, 5 do
      ch:send(number)
    end
    local handle = process.on(ch, function()
      calls = calls + 1
    end)
    for number = 1, 5 do
      process.step(1)
      assert.are.equal(number, calls)
    end
    handle:stop()
  end)

  it("M-7 C-40 once it is stopped no call begins and nothing more is taken", function()
    local ch, calls = channel.new(5), 0
    local handle = process.on(ch, function()
      calls = calls + 1
    end)
    turn()
    ch:send("left")
    assert.is_true(handle:stop())
    assert.is_false(handle:stop())
    turn()
    assert.are.equal(0, calls)
    assert.are.equal("left", (ch:receive()))
    local topic = process.listen("spec.on.lone")
    local other = process.on(topic, function()
      calls = calls + 1
    end)
    turn()
    process.send(process.pid(), "spec.on.lone", "left")
    assert.is_true(other:stop())
    turn()
    assert.are.equal(0, calls)
    assert.are.equal("left", (topic:receive()))
    process.unlisten(topic)
    local early = process.on(ch, function()
      calls = calls + 1
    end)
    ch:send("also")
    assert.is_true(early:stop())
    turn()
    assert.are.equal(0, calls)
    assert.are.equal("also", (ch:receive()))
  end)

  it("M-7 is the same in a lone process that waits for one topic", function()
    local result = support.result_of([[
      local ch, calls = process.listen("lone"), 0
      local handle = process.on(ch, function(value) calls = calls + value end)
      local time = require "process.time"
      process.send(process.pid(), "lone", 1)
      while calls < 1 do time.sleep("1ms") end
      process.send(process.pid(), "lone", 1)
      local ran = handle:stop()
      time.sleep("2ms")
      return { calls, ran, handle:stop(), (ch:receive()) }
    ]])
    assert.are.same({ 1, true, false, 1 }, result)
  end)

  it("M-7 the function may block, and stop its own handle, and goes on when the handle is dropped", function()
    local ch, calls = channel.new(5), {}
    local handle
    handle = process.on(ch, function(value)
      time.sleep("1ms")
      calls[#calls + 1] = value
      if value == 2 then
        assert.is_true(handle:stop())
      end
    end)
    for number = 1, 3 do
      ch:send(number)
    end
    support.eventually(function()
      return #calls == 2
    end)
    time.sleep("5ms")
    assert.are.same({ 1, 2 }, calls)
    assert.is_false(handle:stop())
    assert.are.equal(3, (ch:receive()))
    process.on(ch, function(value)
      calls[#calls + 1] = value
    end)
    collectgarbage()
    collectgarbage()
    ch:send(4)
    support.eventually(function()
      return #calls == 3
    end)
    ch:close()
  end)

  it("M-7 M-5 what it raises is raised by step, unchanged, and the next value comes all the same", function()
    local ch, calls = channel.new(5), 0
    local failure = { code = 7 }
    process.on(ch, function(value)
      calls = calls + 1
      if value == "bad" then
        error(failure)
      end
    end)
    ch:send("bad")
    ch:send("good")
    local ok, raised = pcall(turn)
    assert.is_false(ok)
    assert.are.equal(failure, raised)
    turn()
    assert.are.equal(2, calls)
    ch:close()
    turn()
    assert.are.equal(3, calls)
    local other = channel.new()
    local handle = process.on(other, function()
      error(failure)
    end)
    other:close()
    ok, raised = pcall(turn)
    assert.are.same({ false, failure }, { ok, raised })
    turn()
    assert.is_false(handle:stop())
  end)

  it("M-7 B-1 raises for what is no channel or no function", function()
    local ch = channel.new()
    assert.are.equal("#1 (channel expected, got nil)", (support.bad_argument(process.on, nil)))
    assert.are.equal("#1 (channel expected, got table)", (support.bad_argument(process.on, {}, print)))
    assert.are.equal("#2 (function expected, got nil)", (support.bad_argument(process.on, ch, nil)))
    assert.are.equal("#2 (function expected, got table)", (support.bad_argument(process.on, ch, {})))
  end)
end)
