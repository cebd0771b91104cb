-- channel.md: ch:iter().
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

describe("ch:iter", function()
  before_each(support.reset)
  after_each(support.finish)

  it("A-10 receives until the channel is closed and empty, and counts", function()
    local ch = channel.new(3)
    ch:send("a")
    ch:send(nil)
    ch:send(false)
    ch:close()
    local seen = {}
    for number, value in ch:iter() do
      seen[number] = { value }
    end
    assert.are.same({ { "a" }, {}, { false } }, seen)
    for _ in ch:iter() do
      error("nothing is left")
    end
  end)

  it("A-10 waits for what is still to come", function()
    local ch = channel.new()
    coroutine.spawn(function()
      for number = 1, 2500 do
        ch:send(number)
      end
      ch:close()
    end)
    local sum, last = 0, 0
    for number, value in ch:iter() do
      assert.are.equal(number, value)
      sum, last = sum + value, number
    end
    assert.are.same({ 2500, 2500 * 2501 / 2 }, { last, sum })
  end)

  it("A-10 takes nothing more when the loop is left", function()
    local ch = channel.new(3)
    for number = 1, 3 do
      ch:send(number)
    end
    for _, value in ch:iter() do
      if value == 2 then
        break
      end
    end
    assert.are.equal(3, (ch:receive()))
    ch:send(4)
    ch:close()
    for number, value in ch:iter() do
      assert.are.same({ 1, 4 }, { number, value })
    end
  end)

  it("A-10 works for mailbox channels, timers and tickers", function()
    local topic = process.listen("iter")
    process.send(process.pid(), "iter", "a")
    process.send(process.pid(), "iter")
    for number, value in topic:iter() do
      assert.are.equal(number == 1 and "a" or nil, value)
      if number == 2 then
        process.unlisten(topic)
      end
    end
    process.send(process.pid(), "letter", "hello")
    process.send(process.pid(), "letter", "bye")
    for _, msg in process.inbox():iter() do
      if msg:payload() == "bye" then
        break
      end
      assert.are.equal("hello", msg:payload())
    end
    local ticker = time.ticker("2ms")
    for number, at in ticker:channel():iter() do
      assert.is_truthy(at:unix_nano())
      if number == 3 then
        ticker:stop()
        break
      end
    end
  end)

  it("A-10 runs beside other coroutines, in callbacks and in generators", function()
    local ch, seen = channel.new(), {}
    coroutine.spawn(function()
      for _, value in ch:iter() do
        seen[#seen + 1] = value
      end
      seen.done = true
    end)
    for value in ("a,b,c"):gmatch("%a") do
      ch:send(value)
    end
    ch:close()
    support.eventually(function()
      return seen.done
    end)
    assert.are.same({ "a", "b", "c", done = true }, seen)
    local result = support.result_of [[
      local values = channel.new(2)
      values:send(1)
      values:send(2)
      values:close()
      local next_value = coroutine.wrap(function()
        for _, value in values:iter() do coroutine.yield(value) end
      end)
      return { next_value(), next_value(), next_value() }
    ]]
    assert.are.same({ 1, 2 }, result)
  end)

  it("A-10 V-21 crosses by name, as the function that it gives", function()
    local ch = channel.new()
    local iter, step = ch.iter, (ch:iter())
    -- On LuaJIT each state has function values of its own for what is written in C.
    local jit = support.jit
    local pid = support.start(function()
      local own = channel.new(1)
      own:send("x")
      return (jit or iter == own.iter) and step == own:iter() and select(2, step(own, 0))
    end)
    assert.are.equal("x", support.event_of(pid).result)
  end)

  it("A-10 B-1 raises for anything but a channel", function()
    local ch = channel.new()
    assert.is_truthy(support.raised(ch.iter, 5):find("channel expected", 1, true))
    assert.is_truthy(support.raised((ch:iter()), ch, "x"):find("number expected", 1, true))
  end)
end)
