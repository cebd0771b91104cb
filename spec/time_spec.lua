-- Durations and waiting: the first half of the page `time`.
require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local spawn = coroutine.spawn

local duration = time.parse_duration

local function elapsed(start)
  return time.now():sub(start):nanoseconds()
end

describe("a duration", function()
  it("T-1 is a string, a number of nanoseconds or a Duration, wherever one is taken", function()
    for _, value in ipairs({ "2ms", 2e6, 2 * time.MILLISECOND, assert(duration("2ms")) }) do
      local start = time.now()
      time.sleep(value)
      assert.is_true(elapsed(start) >= 2e6)
      support.receive(assert(time.after(value)))
      assert.is_true(elapsed(start) >= 4e6)
      assert.equal(2e6, duration(value):nanoseconds())
    end
  end)

  local strings = {
    ["3s"] = 3e9,
    ["100ms"] = 1e8,
    ["1h30m"] = 5400e9,
    ["1.5h"] = 5400e9,
    ["0.25s"] = 25e7,
    ["-2m"] = -120e9,
    ["+5s"] = 5e9,
    ["-1m30.5s"] = -905e8,
    ["7us"] = 7000,
    ["7µs"] = 7000,
    ["42ns"] = 42,
    ["1h2m3s4ms5us6ns"] = 3723004005006,
    ["90s30m"] = 1890e9,
    ["0"] = 0,
    ["0s"] = 0,
    ["291.5h"] = 1049400e9,
    ["2500000h"] = 9e18, -- 285 years
  }
  for text, nanoseconds in pairs(strings) do
    it("T-2 is written " .. text, function()
      assert.equal(nanoseconds, assert(duration(text)):nanoseconds())
    end)
  end

  local mistakes = {
    "", " ", "10", "1", "s", "1d", "5 s", " 5s", "5s ", "5s,3m", "1,5s", "--5s", "+-5s", "1h-30m", "1e3s", "0x10s",
    "nan", "inf", "infs", "5S", "5sec", "1..5s", "5s\0", "3000000h", "-3000000h", ("9"):rep(400) .. "s",
  }
  for _, text in ipairs(mistakes) do
    it(("T-2 is not written %q"):format(text:sub(1, 20)), function()
      local value, err = duration(text)
      assert.is_nil(value)
      assert.is_not_nil(err)
    end)
  end

  it("T-2 is read alike in every locale", function()
    -- A locale with a decimal comma, made for this test alone.
    support.with_folder({ ["keep"] = "" }, function(folder)
      assert(os.execute(("localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null"):format(folder)))
      local out = support.output_of([[
        local time = require "process.time"
        assert(os.setlocale("de_DE.UTF-8") == "de_DE.UTF-8")
        assert(jit or ("%.1f"):format(0.5) == "0,5") -- LuaJIT writes numbers by itself
        print(time.parse_duration("1.5s"):nanoseconds() == 15e8, (time.parse_duration("1,5s")))
        print(time.parse_duration("1500ms"))
      ]], nil, ("LOCPATH='%s'"):format(folder))
      assert.equal("true\tnil\n1.5s\n", out)
    end)
  end)

  it("T-3 as a number is finite and whole", function()
    for _, number in ipairs({ 0.5, 1e6 + 0.5, 1 / 0, -1 / 0, 0 / 0 }) do
      assert.is_nil((duration(number)))
      assert.is_nil((time.after(number)))
      assert.is_false(pcall(time.sleep, number))
    end
  end)

  it("T-4 as a bare number from 1 to 999 is refused where waiting is meant", function()
    for _, number in ipairs({ 1, 5, 999 }) do
      assert.is_nil((time.after(number)))
      assert.is_false(pcall(time.sleep, number))
      assert.equal(number, duration(number):nanoseconds())
    end
    for _, value in ipairs({ 1000, "5ns", duration(5) }) do
      support.receive(assert(time.after(value)))
      time.sleep(value)
    end
    time.sleep(0)
    time.sleep(-5)
  end)

  it("T-5 is written with the help of constants", function()
    local constants = {
      NANOSECOND = 1, MICROSECOND = 1e3, MILLISECOND = 1e6, SECOND = 1e9, MINUTE = 60e9, HOUR = 3600e9,
    }
    for name, nanoseconds in pairs(constants) do
      assert.equal(nanoseconds, time[name], name)
      if math.type then
        assert.equal("integer", math.type(time[name]), name)
      end
    end
  end)
end)

describe("time.parse_duration", function()
  it("T-6 makes a Duration of a string, any whole number, or a Duration", function()
    local first = assert(duration("1m30s"))
    assert.equal("userdata", type(first))
    for _, value in ipairs({ first, 90 * time.SECOND, "90s" }) do
      assert.is_true(first == duration(value))
    end
    assert.equal(-1, duration(-1):nanoseconds())
    assert.equal(0, duration(0):nanoseconds())
  end)

  it("T-7 gives objects that tell their length in every unit", function()
    local d = assert(duration("1h30m45.5s"))
    assert.equal(5445500000000, d:nanoseconds())
    assert.equal(5445500000, d:microseconds())
    assert.equal(5445500, d:milliseconds())
    assert.equal(5445.5, d:seconds())
    assert.equal(5445.5 / 60, d:minutes())
    assert.equal(5445.5 / 3600, d:hours())
    assert.equal(90, duration("1m30s"):seconds())
  end)

  it("T-7 rounds whole numbers toward zero", function()
    for _, sign in ipairs({ 1, -1 }) do
      local d = assert(duration(sign * 1999999))
      assert.equal(sign * 1999999, d:nanoseconds())
      assert.equal(sign * 1999, d:microseconds())
      assert.equal(sign * 1, d:milliseconds())
      for _, method in ipairs({ "nanoseconds", "microseconds", "milliseconds" }) do
        assert.equal("integer", math.type and math.type(d[method](d)) or "integer")
      end
    end
  end)

  local printed = {
    ["2h"] = "2h0m0s", ["1h30m45.5s"] = "1h30m45.5s", ["0"] = "0s", ["1.5ms"] = "1.5ms", ["90s"] = "1m30s",
    ["60m"] = "1h0m0s", ["3s"] = "3s", ["0.25s"] = "250ms", ["42ns"] = "42ns", ["-1.5s"] = "-1.5s",
    ["-90s"] = "-1m30s", ["1s1ns"] = "1.000000001s", ["26h"] = "26h0m0s",
  }
  for text, expected in pairs(printed) do
    it(("T-7 prints %s as %s"):format(text, expected), function()
      assert.equal(expected, tostring(duration(text)))
    end)
  end

  it("T-8 gives objects that compare by length", function()
    local short, long = duration("59s"), duration("1m")
    assert.is_true(long == duration("60s"))
    assert.is_true(short ~= long)
    assert.is_true(short < long and short <= long and long <= duration("60s"))
    assert.is_false(long < short or long <= short or long < duration("60s"))
    assert.is_true(duration("-1h") < duration(0))
  end)
end)

describe("time.sleep", function()
  it("T-10 blocks the calling coroutine at least that long and returns nothing", function()
    local others = 0
    spawn(function()
      for _ = 1, 3 do
        time.sleep("1ms")
        others = others + 1
      end
    end)
    local start = time.now()
    assert.equal(0, select("#", time.sleep("100ms")))
    assert.is_true(elapsed(start) >= 100e6)
    assert.equal(3, others)
  end)

  it("T-10 gives the others a turn if it is zero or negative", function()
    local turns = 0
    spawn(function()
      for _ = 1, 3 do
        turns = turns + 1
        time.sleep(0)
      end
    end)
    for i, span in ipairs({ 0, "-1h", "0" }) do
      time.sleep(span)
      assert.equal(i, turns)
    end
  end)

  it("T-11 raises if the duration is invalid", function()
    for _, span in ipairs({ "soon", 5, 0.5, true, {} }) do
      assert.is_false(pcall(time.sleep, span))
    end
    assert.is_false(pcall(time.sleep))
  end)

  it("T-12 is late by less than 20 ms", function()
    local late = {}
    for i = 1, 9 do
      local start = time.now()
      time.sleep("5ms")
      late[i] = elapsed(start) - 5e6
    end
    table.sort(late)
    assert.is_true(late[5] < 20e6) -- the median: the machine may have been busy once
  end)

  it("T-12 uses no processor time, in the main process and in spawned ones", function()
    local sleeper = support.spawn_monitored("time.sleep('400ms')")
    local before = os.clock() -- of the whole program
    time.sleep("300ms")
    assert.is_true(os.clock() - before < 0.1)
    support.event_of(sleeper)
  end)
end)

describe("time.after", function()
  it("T-20 T-22 yields one value, the Time it fired; then nothing, and it is not closed", function()
    local late = assert(time.after("2ms"))
    local fired, ok = support.receive(late)
    assert.is_true(ok)
    assert.equal("userdata", type(fired))
    assert.is_true(math.abs(fired:unix() - os.time()) <= 5)
    assert.is_true(support.silent(late))
  end)

  it("T-20 works with select, and the value waits if nobody receives", function()
    local late, never = time.after("2ms"), channel.new()
    assert.equal(late, channel.select({ never:case_receive(), late:case_receive() }).channel)
    local kept = time.after("1ms")
    time.sleep("5ms")
    assert.is_false(channel.select({ kept:case_receive(), default = true }).default == true)
  end)

  it("T-21 takes durations greater than zero only", function()
    for _, span in ipairs({ 0, "0s", "-1s", -time.SECOND, duration(0) }) do
      local ch, err = time.after(span)
      assert.is_nil(ch)
      assert.is_not_nil(err)
    end
  end)

  it("T-23 gives a channel for each call", function()
    local one, two = time.after("1ms"), time.after("1ms")
    assert.is_false(one == two)
    support.receive(one)
    support.receive(two)
  end)

  it("T-23 is no burden ten thousand times", function()
    local pending = {}
    for i = 1, 10000 do
      pending[i] = time.after("1h")
    end
    local start = time.now()
    for _ = 1, 10 do
      support.receive(time.after("1ms"))
    end
    assert.is_true(elapsed(start) < 1e9)
    assert.equal(10000, #pending)
  end)

  it("T-23 a dropped channel costs its memory until it has fired, not longer", function()
    local seen = setmetatable({}, { __mode = "v" })
    for i = 1, 100 do
      seen[i] = time.after("1ms")
    end
    support.receive(time.after("3ms"))
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_nil(next(seen))
  end)

  it("T-24 fires earlier timers first when several are due", function()
    local log, start = {}, time.now()
    for _, ms in ipairs({ 20, 5, 15, 10 }) do
      local late = time.after(ms * time.MILLISECOND)
      spawn(function()
        late:receive()
        table.insert(log, ms)
      end)
    end
    time.sleep(0)
    repeat -- all of them become due while the process computes
    until elapsed(start) > 40e6
    support.eventually(function()
      return #log == 4
    end)
    assert.same({ 5, 10, 15, 20 }, log)
  end)

  it("T-24 is never early", function()
    for _, us in ipairs({ 1, 50, 333, 1000, 7777 }) do
      for _ = 1, 20 do
        local start = time.now()
        support.receive(time.after(us * time.MICROSECOND))
        assert.is_true(elapsed(start) >= us * 1000)
      end
    end
  end)
end)
