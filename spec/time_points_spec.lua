-- Points in time, as a program needs them to measure how long it waited.
require "process"
local time = require "process.time"
local support = require "spec.support"

-- Runs a script with the local zone set as TZ says.
local function run_in_zone(zone, source)
  local lua = support.lua
  support.lua = ("env TZ=%s %s"):format(zone, lua)
  local got = support.run(source)
  support.lua = lua
  return got
end

describe("time.now", function()
  it("T-30 is the present wall-clock time", function()
    local before, now, after = os.time(), time.now(), os.time()
    assert.is_true(before <= now:unix() and now:unix() <= after)
  end)

  it("T-30 has a resolution finer than a second", function()
    local start = time.now()
    support.eventually(function()
      return time.now():unix_nano() > start:unix_nano()
    end)
    assert.is_true(time.now():sub(start):nanoseconds() < 1e9)
  end)

  it("T-31 measures on the monotonic clock: never negative, never ahead of a sleep", function()
    local previous = time.now()
    for _ = 1, 10000 do
      local now = time.now()
      assert(now:sub(previous):nanoseconds() >= 0)
      previous = now
    end
    time.sleep("10ms")
    local measured = time.now():sub(previous)
    assert.is_true(measured >= time.parse_duration("10ms"))
    assert.is_true(previous:sub(time.now()) < time.parse_duration(0))
  end)
end)

describe("a Time", function()
  local early, late

  setup(function()
    early = time.now()
    time.sleep("2ms")
    late = time.now()
  end)

  it("T-36 gives a Duration by sub", function()
    local d = late:sub(early)
    assert.is_true(d >= time.parse_duration("2ms"))
    assert.is_true(d == time.parse_duration(d))
    assert.equal(0, early:sub(early):nanoseconds())
    assert.equal(-d:nanoseconds(), early:sub(late):nanoseconds())
  end)

  it("T-37 T-45 compares by its instant", function()
    assert.same({ true, false }, { early:before(late), late:before(early) })
    assert.same({ false, true }, { early:after(late), late:after(early) })
    assert.same({ true, false }, { early:equal(early), early:equal(late) })
    assert.same({ false, false }, { early:before(early), early:after(early) })
    assert.is_true(early < late and early <= late and late >= early and early ~= late)
    assert.is_true(early <= early and early == early) -- luacheck: ignore 571
    assert.is_false(late < early or late <= early or early < early)
  end)

  it("T-43 tells seconds and nanoseconds since 1970", function()
    local seconds, nanoseconds = early:unix(), early:unix_nano()
    assert.equal(seconds, math.floor(seconds))
    if math.type then
      assert.same({ "integer", "integer" }, { math.type(seconds), math.type(nanoseconds) })
      assert.is_true(nanoseconds - seconds * 1000000000 < 1000000000)
    else
      assert.is_true(nanoseconds - seconds * 1e9 <= 1e9 + 256) -- rounded to a double
    end
    assert.is_true(nanoseconds - seconds * 1e9 >= -256)
    assert.is_true(late:unix_nano() - early:unix_nano() > 0)
  end)

  it("T-45 is userdata and immutable", function()
    assert.equal("userdata", type(early))
    local before = early:unix_nano()
    assert.is_false(pcall(function()
      early.seconds = 0
    end))
    assert.equal(before, early:unix_nano())
  end)

  it("T-45 prints as date, time, offset and zone", function()
    local day, clock, offset, zone = tostring(early):match("^(%S+) (%S+) (%S+) (%S+)$")
    assert.equal(os.date("%Y-%m-%d", early:unix()), day)
    assert.equal(os.date("%H:%M:%S", early:unix()), clock:sub(1, 8))
    assert.matches("^%d%d:%d%d:%d%d%.?%d*$", clock)
    assert.is_nil(clock:match("%.%d*0$"), "trailing zeros: " .. clock)
    assert.equal(os.date("%z", early:unix()), offset)
    assert.equal(os.date("%Z", early:unix()), zone)
  end)

  for zone, expected in pairs({ ["KST-9"] = "+0900 KST", ["XST-5:45"] = "+0545 XST", ["NST3:30"] = "-0330 NST" }) do
    it("T-30 T-45 is in the local zone, here " .. expected, function()
      local got = run_in_zone(zone, [[
        local now = require("process.time").now()
        print(now)
        print(os.date("%Y-%m-%d %H:%M:%S", now:unix()))
      ]])
      local printed, system = got.out:match("^(.-)\n(.-)\n$")
      assert.equal(system, printed:sub(1, 19))
      assert.matches(" " .. expected, printed, 1, true)
    end)
  end

  it("T-46 raises when it is given an argument of a wrong type", function()
    local methods = {
      sub = function(other) early:sub(other) end,
      before = function(other) early:before(other) end,
      after = function(other) early:after(other) end,
      equal = function(other) early:equal(other) end,
    }
    for name, method in pairs(methods) do
      for _, wrong in ipairs({ 1, "2024-01-01", {}, io.stdout, time.parse_duration("1s") }) do
        assert.matches("^#1 %(.+ expected, got [%w.*]+%)$", support.bad_argument(method, wrong), name)
      end
    end
  end)
end)
