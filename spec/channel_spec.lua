-- Channels hand values from one coroutine of a process to another: first in, first out, by reference.
require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local spawn = coroutine.spawn

-- Lets every coroutine that is ready run once.
local function turn()
  time.sleep(0)
end

describe("channel.new", function()
  it("C-1 is unbuffered by default: a send completes when a receiver takes the value", function()
    for _, ch in ipairs({ channel.new(), channel.new(0) }) do
      local log = {}
      spawn(function()
        log[#log + 1] = "sending"
        ch:send("parcel")
        log[#log + 1] = "sent"
      end)
      turn()
      assert.same({ "sending" }, log)
      assert.same({ "parcel", true }, { ch:receive() })
      turn()
      assert.same({ "sending", "sent" }, log)
    end
  end)

  it("C-1 keeps up to `capacity` values without a receiver", function()
    local ch, sent = channel.new(3), 0
    spawn(function()
      for i = 1, 5 do
        ch:send(i)
        sent = i
      end
    end)
    turn()
    assert.equal(3, sent)
    assert.equal(1, (ch:receive()))
    turn()
    assert.equal(4, sent)
    ch:receive()
    turn()
    assert.equal(5, sent)
  end)

  it("C-2 uses memory for values, not for capacity", function()
    local ch = channel.new(2 ^ 53)
    ch:send("one of many")
    assert.equal("one of many", (ch:receive()))
  end)

  it("C-3 gives userdata, equal only to itself, printed as `channel: 0x…`", function()
    local ch, other = channel.new(), channel.new()
    assert.equal("userdata", type(ch))
    assert.matches("^channel: 0x%x+$", tostring(ch))
    assert.is_true(ch == ch) -- luacheck: ignore 571
    assert.is_false(ch == other)
    local waiting = { [ch] = "mine", [other] = "yours" }
    assert.equal("mine", waiting[ch])
  end)
end)

describe("ch:send", function()
  it("C-4 returns true", function()
    assert.same({ true, n = 1 }, support.pack(channel.new(1):send("x")))
  end)

  it("C-4 hands the value to the longest waiting receiver", function()
    for _, ch in ipairs({ channel.new(), channel.new(3) }) do
      local got = {}
      for i = 1, 3 do
        spawn(function()
          table.insert(got, i .. ch:receive())
        end)
      end
      turn()
      for _, value in ipairs({ "a", "b", "c" }) do
        ch:send(value)
      end
      turn()
      assert.same({ "1a", "2b", "3c" }, got)
    end
  end)

  it("C-4 passes any Lua value by reference", function()
    local ch = channel.new(1)
    local values = { false, 0, "", {}, print, function() end, coroutine.create(print), io.stdout, ch, n = 10 }
    for i = 1, values.n do -- the last one is nil
      ch:send(values[i])
      local value, ok = ch:receive()
      assert.is_true(rawequal(values[i], value))
      assert.is_true(ok)
    end
  end)

  it("C-5 B-51 raises on a closed channel", function()
    for _, ch in ipairs({ channel.new(), channel.new(3) }) do
      ch:close()
      assert.equal("send on closed channel", support.raised(ch.send, ch, "late"))
    end
  end)

  it("C-5 raises in a coroutine that is already waiting when the channel is closed", function()
    local ch, refusals = channel.new(), {}
    for i = 1, 2 do
      spawn(function()
        refusals[i] = support.raised(ch.send, ch, i)
      end)
    end
    turn()
    ch:close()
    turn()
    assert.same({ "send on closed channel", "send on closed channel" }, refusals)
    assert.same({ nil, false, n = 2 }, support.pack(ch:receive()))
  end)
end)

describe("ch:receive", function()
  it("C-6 takes the oldest value and blocks while there is none", function()
    local ch, log = channel.new(), {}
    spawn(function()
      table.insert(log, { ch:receive() })
    end)
    turn()
    assert.same({}, log)
    ch:send("at last")
    turn()
    assert.same({ { "at last", true } }, log)
  end)

  it("C-7 gives nil, false on a closed and empty channel, at once and every time", function()
    local ch = channel.new()
    ch:close()
    for _ = 1, 3 do
      assert.same({ nil, false, n = 2 }, support.pack(ch:receive()))
    end
  end)

  it("C-7 tells a received nil from the end by `ok`", function()
    local ch = channel.new(1)
    ch:send(nil)
    ch:close()
    assert.same({ nil, true, n = 2 }, support.pack(ch:receive()))
    assert.same({ nil, false, n = 2 }, support.pack(ch:receive()))
  end)

  it("C-8 keeps the order, waiting senders included", function()
    local ch, got = channel.new(2), {}
    for i = 1, 6 do -- two fit, four coroutines wait
      spawn(function()
        ch:send(i)
      end)
    end
    turn()
    for _ = 1, 6 do
      got[#got + 1] = ch:receive()
    end
    assert.same({ 1, 2, 3, 4, 5, 6 }, got)
  end)

  it("C-8 moves the longest waiting sender's value into the room that a receive made", function()
    local ch, log = channel.new(1), {}
    ch:send("buffered")
    for _, name in ipairs({ "first", "second" }) do
      spawn(function()
        ch:send(name)
        log[#log + 1] = name
      end)
    end
    turn()
    assert.equal("buffered", (ch:receive()))
    turn()
    assert.same({ "first" }, log)
    assert.equal("first", (ch:receive()))
    assert.equal("second", (ch:receive()))
  end)
end)

describe("ch:close", function()
  it("C-9 returns nothing, and a second time does nothing", function()
    local ch = channel.new()
    assert.equal(0, select("#", ch:close()))
    assert.equal(0, select("#", ch:close()))
  end)

  it("C-9 wakes waiting receivers and selects", function()
    local ch, got = channel.new(), {}
    spawn(function()
      got.receive = support.pack(ch:receive())
    end)
    spawn(function()
      got.select = channel.select({ channel.new():case_receive(), ch:case_receive() })
    end)
    turn()
    ch:close()
    turn()
    assert.same({ nil, false, n = 2 }, got.receive)
    assert.same({ channel = ch, ok = false }, got.select)
  end)

  it("C-9 leaves buffered values to be received", function()
    local jobs = channel.new(2)
    jobs:send("one")
    jobs:send("two")
    jobs:close()
    assert.same({ "one", true }, { jobs:receive() })
    assert.same({ "two", true }, { jobs:receive() })
    assert.same({ nil, false, n = 2 }, support.pack(jobs:receive()))
  end)
end)

describe("a dropped channel", function()
  it("C-38 is collected like any other value, even if it holds itself", function()
    local seen = setmetatable({}, { __mode = "v" })
    local function drop()
      seen.plain, seen.cyclic = channel.new(), channel.new(1)
      seen.cyclic:send({ seen.cyclic })
    end
    drop()
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_nil(seen.plain)
    assert.is_nil(seen.cyclic)
  end)

  it("C-38 lives as long as a coroutine waits on it", function()
    local seen, got = setmetatable({}, { __mode = "v" }), nil
    spawn(function()
      seen.ch = channel.new()
      got = seen.ch:receive()
    end)
    turn()
    collectgarbage()
    collectgarbage()
    seen.ch:send("still there")
    turn()
    assert.equal("still there", got)
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_nil(seen.ch)
  end)
end)
