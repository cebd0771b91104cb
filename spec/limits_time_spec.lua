-- Input that `time` refuses: which function, with which text, and that a refused call does nothing.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

local noon = time.date(2024, 7, 1, 12, 0, 0, 0, time.utc)

-- B-46: these raise, and are made to return nil, err here.
local function raising(fn)
  return function(value)
    local ok, message = pcall(fn, value)
    assert.is_false(ok)
    assert.equal("string", type(message))
    return nil, message
  end
end

-- The functions that take a duration.
local calls = {
  ["time.sleep"] = raising(time.sleep),
  ["time.after"] = time.after,
  ["time.timer"] = time.timer,
  ["time.ticker"] = time.ticker,
  ["timer:reset"] = function(value)
    local timer = time.timer("1h")
    local first, second = timer:reset(value)
    assert.is_true(timer:stop()) -- B-3: it is armed as before
    return first, second
  end,
  ["time:add"] = raising(function(value)
    return noon:add(value)
  end),
  ["time.parse_duration"] = time.parse_duration,
}

local raises = { ["time.sleep"] = true, ["time:add"] = true }

local function refusal(name, value)
  local result, err = calls[name](value)
  assert.is_nil(result)
  assert.is_not_nil(err)
  if not raises[name] then
    support.fails(tostring(err), "INVALID", result, err)
    assert.is_false(err:retryable())
  end
  return (tostring(err):gsub("^.-:%d+: ", ""))
end

describe("an invalid duration", function()
  local invalid = {
    { "soon", "soon" },
    { "10", "10" },
    { "", "" },
    { "5 s", "5 s" },
    { 0.5, "0.5" },
    { true, "true" },
    { nil, "nil" },
    { "5s\0", "5s\\000" },
    { "\n5s", "\\0105s" },
  }
  for name in pairs(calls) do
    it("B-40 B-46 is named by " .. name, function()
      for i = 1, 9 do
        local value, shown = invalid[i][1], invalid[i][2]
        assert.equal(name .. ": invalid duration: " .. shown, refusal(name, value))
      end
      for _, value in ipairs({ {}, print, io.stdout, 1 / 0, 0 / 0 }) do
        assert.matches("^" .. name .. ": invalid duration: .", refusal(name, value))
      end
    end)

    it("B-5 B-40 is cut by " .. name .. " if it is long", function()
      local shown = refusal(name, ("x"):rep(10000)):sub(#name + #": invalid duration: " + 1)
      assert.matches("^x+%.%.%.$", shown)
      assert.is_true(#shown <= 103)
    end)
  end
end)

describe("a bare number from 1 to 999", function()
  for _, name in ipairs({ "time.sleep", "time.after", "time.timer", "time.ticker", "timer:reset" }) do
    it("B-41 B-46 is refused by " .. name .. " with what was meant", function()
      for _, n in ipairs({ 1, 5, 999 }) do
        local expected = 'FUNCTION: N is N nanoseconds; write "Ns", "Nms" or N * time.SECOND'
        assert.equal(expected:gsub("FUNCTION", name):gsub("%f[%u]N", n), refusal(name, n))
      end
    end)
  end
end)

describe("a duration that is not greater than zero", function()
  for _, name in ipairs({ "time.after", "time.timer", "time.ticker", "timer:reset" }) do
    it("B-42 B-46 is refused by " .. name, function()
      for _, value in ipairs({ 0, -1, -1000, "0", "0s", "-1s", time.parse_duration("-1h") }) do
        assert.equal(name .. ": duration must be greater than zero", refusal(name, value))
      end
    end)
  end

  it("B-42 T-1 is no matter to time:add and time.parse_duration", function()
    assert.is_true(noon:add("-1s") < noon and noon:add(0) == noon and noon:add(5) > noon)
    assert.equal(-5, time.parse_duration(-5):nanoseconds())
  end)
end)

describe("time.parse", function()
  local refused = {
    { "2006-01-02", "2024-13-01", "month out of range" },
    { "2006-01-02", "2023-02-29", "day out of range" },
    { "2006-01-02", "2024-04-31", "day out of range" },
    { "2006-01-02", "2024-04-00", "day out of range" },
    { "15:04", "24:00", "hour out of range" },
    { "3:04PM", "13:00PM", "hour out of range" },
    { "15:04", "12:60", "minute out of range" },
    { "15:04:05", "12:00:60", "second out of range" },
    { "2006-002", "2023-366", "day of the year out of range" },
    { "2006-002 Jan", "2023-032 Jan", "day of the year does not match the month" },
    { "2006-002 2", "2023-032 2", "day of the year does not match the day" },
    { "15:04 -07:00", "12:00 +25:00", "hour of the offset out of range" },
    { "15:04 -07:00", "12:00 +23:61", "minute of the offset out of range" },
    { "2006-01-02", "2024-01-02x", 'extra text "x"' },
    { "2006-01-02", "24-01-02", '"24-01-02" does not match "2006"' },
    { "2006-01-02", "2024/01/02", '"/01/02" does not match "-"' },
    { "2006-01-02", "", '"" does not match "2006"' },
    { "2006-01-02", "2024-1-2", '"1-2" does not match "01"' },
    { "Jan", "Foo", '"Foo" does not match "Jan"' },
    { "Monday", "Mon", '"Mon" does not match "Monday"' },
    { "3PM", "3pm", '"pm" does not match "PM"' },
    { "Z07:00", "z", '"z" does not match "Z07:00"' },
    { "-0700", "+07:00", '"+07:00" does not match "-0700"' },
    { "MST", "utc", '"utc" does not match "MST"' },
    { "05.000", "05.12", '".12" does not match ".000"' },
    { "04", "05.5", 'extra text ".5"' },
  }
  for _, case in ipairs(refused) do
    it(("B-43 says why it cannot read %q by %q"):format(case[2], case[1]), function()
      local text = ("time.parse: cannot parse %s as %s: %s"):format(case[2], case[1], case[3])
      local err = support.fails(text, "INVALID", time.parse(case[1], case[2], time.utc))
      assert.is_false(err:retryable())
    end)
  end

  it("B-43 B-5 shows control bytes as numbers and cuts what is long", function()
    local _, err = time.parse("2006\1", "x\0\n\255")
    assert.equal([[time.parse: cannot parse x\000\010\255 as 2006\001: "x\000\010\255" does not match "2006"]],
      tostring(err))
    local long = ("x"):rep(1000)
    local cut = ("x"):rep(100) .. "..."
    _, err = time.parse(long, "y" .. long)
    assert.matches("^time%.parse: cannot parse y" .. ("x"):rep(99) .. "%.%.%. as " .. cut:gsub("%.", "%%.") .. ": ",
      tostring(err))
    assert.is_true(#tostring(err) < 600)
  end)

  it("B-1 raises when it is given anything but strings and a Location", function()
    local parse = time.parse
    assert.equal("#1 (string expected, got number)", support.bad_argument(parse, 2006, "2006"))
    assert.equal("#2 (string expected, got no value)", support.bad_argument(parse, "2006"))
    assert.equal("#2 (string expected, got nil)", support.bad_argument(parse, "2006", nil))
    assert.equal("#3 (location expected, got string)", support.bad_argument(parse, "2006", "2006", "UTC"))
    assert.equal("#3 (location expected, got time.Time)", support.bad_argument(parse, "2006", "2006", noon))
  end)

  it("B-7 reads and writes huge texts", function()
    local layout = ("Mon "):rep(100000)
    assert.equal(layout, noon:format(layout))
    assert(time.parse(layout, layout))
    local _, err = time.parse(("05"):rep(100000), ("5"):rep(200001))
    assert.is_not_nil(err)
  end)
end)

describe("zones", function()
  it("B-44 an empty name is refused", function()
    support.fails("time.load_location: empty zone name", "INVALID", time.load_location(""))
  end)

  it("B-45 T-48 an unknown one as well: no path leads out of the zone files", function()
    for _, name in ipairs({
      "Nowhere/Land", "..", "../zoneinfo/UTC", "Europe/../UTC", "/etc/localtime", "/usr/share/zoneinfo/UTC", "Europe",
      "Europe/", "Europe//Paris", "./UTC", "tzdata.zi", "utc ", " ", "Europe/Paris/x",
    }) do
      support.fails("time.load_location: no such zone: " .. name, "NOT_FOUND", time.load_location(name))
    end
    support.fails([[time.load_location: no such zone: UTC\000x]], "NOT_FOUND", time.load_location("UTC\0x"))
    support.fails([[time.load_location: no such zone: \255]], "NOT_FOUND", time.load_location("\255"))
    local long = ("x"):rep(100000)
    support.fails("time.load_location: no such zone: " .. long:sub(1, 100) .. "...", "NOT_FOUND",
      time.load_location(long))
  end)

  it("B-1 T-49 raise when they are given anything else", function()
    assert.equal("#1 (string expected, got nil)", support.bad_argument(time.load_location, nil))
    assert.equal("#1 (string expected, got number)", support.bad_argument(time.load_location, 5))
    assert.equal("#1 (string expected, got no value)", support.bad_argument(time.fixed_zone))
    assert.equal("#2 (number expected, got no value)", support.bad_argument(time.fixed_zone, "x"))
    assert.equal("#2 (number expected, got string)", support.bad_argument(time.fixed_zone, "x", "3600"))
    assert.equal("#2 (number has no integer representation)", support.bad_argument(time.fixed_zone, "x", 0.5))
    for _, offset in ipairs({ 360000, -360000, 2 ^ 40, -2 ^ 60 }) do
      assert.equal("#2 (offset of less than 100 hours expected)", support.bad_argument(time.fixed_zone, "x", offset))
    end
    assert.equal("#1 (name too long (256 bytes, limit 255))",
      support.bad_argument(time.fixed_zone, ("x"):rep(256), 0))
  end)
end)

describe("time.date and time.unix", function()
  it("B-1 T-46 raise for every argument", function()
    local good = { 2024, 1, 1, 0, 0, 0, 0, time.utc }
    for i = 1, 7 do
      local bad = { support.unpack(good) }
      bad[i] = "5"
      assert.equal(("#%d (number expected, got string)"):format(i),
        support.bad_argument(time.date, support.unpack(bad)))
      bad[i] = 0.5
      assert.equal(("#%d (number has no integer representation)"):format(i),
        support.bad_argument(time.date, support.unpack(bad)))
      assert.equal(("#%d (number expected, got no value)"):format(i),
        support.bad_argument(time.date, support.unpack(good, 1, i - 1)))
    end
    good[8] = "UTC"
    assert.equal("#8 (location expected, got string)", support.bad_argument(time.date, support.unpack(good)))
    assert.equal("#1 (number expected, got no value)", support.bad_argument(time.unix))
    assert.equal("#2 (number expected, got boolean)", support.bad_argument(time.unix, 0, false))
    assert.equal("#1 (number has no integer representation)", support.bad_argument(time.unix, 0 / 0))
  end)

  it("B-7 take no harm from numbers of any size", function()
    local sizes = { 2 ^ 31, -2 ^ 31, 2 ^ 53, -2 ^ 53, 2 ^ 62, -2 ^ 63, math.maxinteger or 0, math.mininteger or 0 }
    for _, n in ipairs(sizes) do
      for i = 1, 7 do
        local parts = { 2024, 1, 1, 0, 0, 0, 0 }
        parts[i] = n
        pcall(time.date, support.unpack(parts))
      end
      pcall(time.unix, n, n)
      pcall(time.unix, 0, n)
      pcall(noon.add_date, noon, n, n, n)
      pcall(noon.add, noon, n)
    end
    assert.equal("2024-07-01 12:00:00 +0000 UTC", tostring(noon))
  end)
end)

describe("the methods of Time", function()
  it("B-1 T-46 raise for every argument", function()
    for name, wanted in pairs({
      sub = "time", before = "time", after = "time", equal = "time", round = "duration", truncate = "duration",
      in_location = "location", format = "string",
    }) do
      for shown, wrong in pairs({ number = 1, boolean = true, table = {}, channel = time.after("1h") }) do
        assert.equal(("#1 (%s expected, got %s)"):format(wanted, shown),
          support.bad_argument(function() noon[name](noon, wrong) end))
      end
      assert.equal(("#1 (%s expected, got no value)"):format(wanted),
        support.bad_argument(function() noon[name](noon) end))
    end
    local function add_date(...)
      noon:add_date(...)
    end
    assert.equal("#1 (number expected, got no value)", support.bad_argument(add_date))
    assert.equal("#2 (number expected, got string)", support.bad_argument(add_date, 1, "1", 1))
    assert.equal("#3 (number has no integer representation)", support.bad_argument(add_date, 1, 1, 0.5))
  end)

  it("B-40 T-35 add raises when it is given no duration", function()
    local ok, message = pcall(function()
      local _ = noon:add("1d")
    end)
    assert.is_false(ok)
    assert.matches("limits_time_spec%.lua:%d+: time:add: invalid duration: 1d$", message)
  end)
end)

describe("timers and tickers", function()
  for name, make in pairs({ timer = time.timer, ticker = time.ticker }) do
    it(("B-20 B-25 a %s cannot be sent"):format(name), function()
      local object = make("1h")
      support.fails(("cannot send a %s (argument 3)"):format(name), "INVALID",
        process.send(process.pid(), "topic", object))
      support.fails(("cannot send a %s (argument 3, [1].t)"):format(name), "INVALID",
        process.send(process.pid(), "topic", { { t = object } }))
      assert.is_true(object:stop())
    end)
  end
end)

describe("the methods of the objects of time", function()
  it("B-1 raise on a wrong object", function()
    local methods = {
      [noon] = {
        "add", "add_date", "sub", "before", "after", "equal", "is_zero", "year", "month", "day", "hour", "minute",
        "second", "nanosecond", "weekday", "year_day", "date", "clock", "format", "format_rfc3339", "utc", "in_local",
        "in_location", "location", "unix", "unix_nano", "round", "truncate",
      },
      [time.parse_duration("1s")] = {
        "nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours",
      },
      [time.utc] = { "string" },
      [time.timer("1h")] = { "channel", "response", "stop", "reset" },
      [time.ticker("1h")] = { "channel", "response", "stop" },
    }
    for object, names in pairs(methods) do
      for _, name in ipairs(names) do
        for _, wrong in ipairs({ 1, "x", {}, io.stdout, time.after("1h") }) do
          local message = support.raised(object[name], wrong, object)
          assert.is_truthy(message:find("bad argument #1", 1, true) or message:find("bad self", 1, true), message)
        end
        assert.is_false(pcall(object[name]))
      end
      assert.is_nil(object.no_such_method)
    end
  end)

  it("B-7 compare with nothing else", function()
    local objects = { noon, time.parse_duration("1s"), time.utc, time.timer("1h") }
    for _, one in ipairs(objects) do
      for _, other in ipairs({ 1, "x", {}, io.stdout, time.ticker("1h") }) do
        assert.is_false(one == other)
        assert.is_false(pcall(function() return one < other end))
        assert.is_false(pcall(function() return other <= one end))
      end
    end
    assert.is_false(pcall(function() return noon < time.parse_duration("1s") end))
  end)
end)
