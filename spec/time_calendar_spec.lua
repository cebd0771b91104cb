-- Dates: made from parts, taken apart, moved, rounded.
require "process"
local time = require "process.time"
local support = require "spec.support"

local second = 1000000000

local function utc(year, month, day, hour, minute, sec, nsec)
  return time.date(year, month or 1, day or 1, hour or 0, minute or 0, sec or 0, nsec or 0, time.utc)
end

local function shown(t)
  return t:format("2006-01-02 15:04:05.999999999")
end

describe("time.date", function()
  it("T-32 makes a Time of its parts", function()
    local t = utc(2024, 12, 29, 15, 4, 5, 500000000)
    assert.equal("2024-12-29 15:04:05.5 +0000 UTC", tostring(t))
    assert.equal(1735484645, t:unix())
  end)

  it("T-32 takes the local zone by default", function()
    local t = time.date(2024, 7, 1, 12, 0, 0, 0)
    assert.equal(os.time({ year = 2024, month = 7, day = 1, hour = 12 }), t:unix())
    assert.equal("Local", t:location():string())
    assert.is_true(t == time.date(2024, 7, 1, 12, 0, 0, 0, nil))
    assert.is_true(t == time.date(2024, 7, 1, 12, 0, 0, 0, time.localtz))
  end)

  local carried = {
    { { 2023, 13, 1 }, "2024-01-01 00:00:00" },
    { { 2024, 0, 1 }, "2023-12-01 00:00:00" },
    { { 2024, -11, 1 }, "2023-01-01 00:00:00" },
    { { 2024, 3, 0 }, "2024-02-29 00:00:00" },
    { { 2023, 3, 0 }, "2023-02-28 00:00:00" },
    { { 2023, 2, 29 }, "2023-03-01 00:00:00" },
    { { 2024, 1, 1, 0, -5 }, "2023-12-31 23:55:00" },
    { { 2024, 1, 1, 25 }, "2024-01-02 01:00:00" },
    { { 2024, 1, 1, 0, 0, 86400 }, "2024-01-02 00:00:00" },
    { { 2024, 1, 1, 0, 0, 0, -1 }, "2023-12-31 23:59:59.999999999" },
    { { 2024, 1, 1, 0, 0, 0, 3 * second }, "2024-01-01 00:00:03" },
    { { 2024, 25, -40, 30, 70, 80, 1 }, "2025-11-22 07:11:20.000000001" },
  }
  for _, case in ipairs(carried) do
    it("T-32 carries over to " .. case[2], function()
      assert.equal(case[2], shown(utc(support.unpack(case[1], 1, 7))))
    end)
  end

  it("T-32 gives one of the two possible answers for a local time that was skipped or doubled", function()
    local new_york = assert(time.load_location("America/New_York"))
    local skipped = time.date(2024, 3, 10, 2, 30, 0, 0, new_york):format("15:04 MST")
    assert.is_true(skipped == "03:30 EDT" or skipped == "01:30 EST", skipped)
    local doubled = time.date(2024, 11, 3, 1, 30, 0, 0, new_york):format("15:04 MST")
    assert.is_true(doubled == "01:30 EDT" or doubled == "01:30 EST", doubled)
  end)
end)

describe("time.unix", function()
  it("T-33 counts seconds and nanoseconds since 1970 in UTC", function()
    assert.equal("1970-01-01T00:00:01.5Z", time.unix(1, 500000000):utc():format(time.RFC3339NANO))
    assert.equal("2024-02-29T12:00:00Z", time.unix(1709208000, 0):utc():format(time.RFC3339NANO))
  end)

  it("T-33 takes nanoseconds of any sign, none by default", function()
    assert.is_true(time.unix(5) == time.unix(5, 0))
    assert.is_true(time.unix(5, -second) == time.unix(4))
    assert.is_true(time.unix(5, 2 * second + 7) == time.unix(7, 7))
    local early = time.unix(0, -1):utc()
    assert.equal("1969-12-31 23:59:59.999999999", shown(early))
    assert.equal(-1, early:unix())
  end)

  it("T-33 gives a Time in the local zone", function()
    assert.equal("Local", time.unix(0, 0):location():string())
    assert.equal(os.date("%Y-%m-%d %H:%M:%S", 86400 * 365), shown(time.unix(86400 * 365)))
  end)

  it("T-43 is undone by unix and unix_nano", function()
    for _, seconds in ipairs({ 0, 1, -1, 1709208000, -62135596800, 253402300799 }) do
      assert.equal(seconds, time.unix(seconds):unix())
    end
    assert.equal(1500000000, time.unix(1, 500000000):unix_nano())
    assert.equal(-500000000, time.unix(-1, 500000000):unix_nano())
  end)
end)

describe("the parts of a Time", function()
  local t = utc(2024, 12, 29, 15, 4, 5, 123456789)

  it("T-38 are whole numbers", function()
    assert.same({ 2024, 12, 29, 15, 4, 5, 123456789 },
      { t:year(), t:month(), t:day(), t:hour(), t:minute(), t:second(), t:nanosecond() })
    if math.type then
      assert.equal("integer", math.type(t:year()))
      assert.equal("integer", math.type(t:nanosecond()))
    end
  end)

  it("T-38 are those of its own zone", function()
    local seoul = t:in_location(time.fixed_zone("KST", 9 * 3600))
    assert.same({ 30, 0, 4 }, { seoul:day(), seoul:hour(), seoul:minute() })
  end)

  it("T-39 include the day of the week from Sunday 0, and of the year from 1", function()
    assert.same({ 0, 364 }, { t:weekday(), t:year_day() })
    assert.same({ 3, 366 }, { utc(2024, 12, 31):add_date(0, 0, 1):weekday(), utc(2024, 12, 31):year_day() })
    assert.equal(1, utc(2024, 1, 1):year_day())
    assert.equal(60, utc(2023, 3, 1):year_day())
    assert.equal(61, utc(2024, 3, 1):year_day())
    for day = 1, 7 do
      assert.equal(day - 1, utc(2023, 1, day):weekday())
    end
    assert.equal(time.THURSDAY, utc(2024, 2, 29):weekday())
  end)

  it("T-40 come in threes as well", function()
    assert.same({ 3, 2024, 12, 29 }, { select("#", t:date()), t:date() })
    assert.same({ 3, 15, 4, 5 }, { select("#", t:clock()), t:clock() })
  end)
end)

describe("arithmetic of Times", function()
  it("T-35 adds durations in every form", function()
    local t = utc(2024, 2, 28, 23)
    for _, span in ipairs({ "2h", 2 * time.HOUR, time.parse_duration("2h") }) do
      assert.equal("2024-02-29 01:00:00", shown(t:add(span)))
    end
    assert.equal("2024-02-28 22:59:59.999999999", shown(t:add(-1)))
    assert.equal("2024-02-28 23:00:00", shown(t)) -- T-45: it is immutable
  end)

  it("T-35 T-31 keeps measuring on the monotonic clock", function()
    local start = time.now()
    local later = start:add("1h")
    assert.equal(time.HOUR, later:sub(start):nanoseconds())
    assert.is_true(time.now():sub(later):nanoseconds() < 0)
  end)

  local moved = {
    { { 2024, 1, 31 }, { 0, 1, 0 }, "2024-03-02" },
    { { 2023, 1, 31 }, { 0, 1, 0 }, "2023-03-03" },
    { { 2024, 2, 29 }, { 1, 0, 0 }, "2025-03-01" },
    { { 2024, 2, 29 }, { 4, 0, 0 }, "2028-02-29" },
    { { 2024, 3, 31 }, { 0, -1, 0 }, "2024-03-02" },
    { { 2024, 1, 1 }, { 0, 0, -1 }, "2023-12-31" },
    { { 2024, 12, 31 }, { 0, 0, 1 }, "2025-01-01" },
    { { 2024, 5, 15 }, { -1, 14, 30 }, "2024-08-14" },
    { { 2024, 5, 15 }, { 0, 0, 0 }, "2024-05-15" },
    { { 2000, 1, 1 }, { 0, -24001, 0 }, "-0001-12-01" },
  }
  for _, case in ipairs(moved) do
    local years, months, days = support.unpack(case[2])
    it(("T-35 add_date(%d, %d, %d) carries over to %s"):format(years, months, days, case[3]), function()
      local t = utc(case[1][1], case[1][2], case[1][3], 12, 30)
      assert.equal(case[3] .. " 12:30:00", shown(t:add_date(years, months, days)))
    end)
  end

  it("T-35 add_date keeps the time of day over a clock change, add the length", function()
    local paris = assert(time.load_location("Europe/Paris"))
    local t = time.date(2024, 3, 30, 12, 0, 0, 0, paris)
    assert.equal("2024-03-31 12:00 CEST", t:add_date(0, 0, 1):format("2006-01-02 15:04 MST"))
    assert.equal("2024-03-31 13:00 CEST", t:add("24h"):format("2006-01-02 15:04 MST"))
  end)

  it("T-36 T-37 subtracts and compares the instant, whatever the zone", function()
    local t = utc(2024, 7, 1, 12)
    local there = t:in_location(time.fixed_zone("KST", 9 * 3600))
    assert.equal(0, t:sub(there):nanoseconds())
    assert.is_true(t:equal(there) and t == there and t <= there)
    assert.is_false(t:before(there) or t:after(there) or t < there)
    assert.equal("-24h0m0s", tostring(t:sub(t:add_date(0, 0, 1))))
  end)

  it("T-36 gives the longest Duration there is if the distance is longer", function()
    local far = utc(9999):sub(utc(0))
    assert.equal("2562047h47m16.854775807s", tostring(far))
    assert.equal("-2562047h47m16.854775808s", tostring(utc(0):sub(utc(9999))))
  end)

  it("T-37 is_zero is true for the first instant of year 1 alone", function()
    assert.is_true(utc(1):is_zero())
    assert.is_true(utc(1):in_location(time.fixed_zone("x", 3600)):is_zero())
    assert.is_false(utc(1):add(1):is_zero() or utc(0):is_zero() or time.unix(0):is_zero())
    assert.is_true(time.unix(-62135596800):is_zero())
  end)
end)

describe("rounding of Times", function()
  local t = utc(2024, 5, 5, 12, 15, 30, 918273645)
  local span = time.parse_duration

  local cases = {
    { "1ns", "12:15:30.918273645", "12:15:30.918273645" },
    { "1us", "12:15:30.918274", "12:15:30.918273" },
    { "1ms", "12:15:30.918", "12:15:30.918" },
    { "1s", "12:15:31", "12:15:30" },
    { "2s", "12:15:30", "12:15:30" },
    { "1m", "12:16:00", "12:15:00" },
    { "10m", "12:20:00", "12:10:00" },
    { "1h", "12:00:00", "12:00:00" },
  }
  for _, case in ipairs(cases) do
    it("T-44 to multiples of " .. case[1], function()
      assert.equal(case[2], t:round(span(case[1])):format("15:04:05.999999999"))
      assert.equal(case[3], t:truncate(span(case[1])):format("15:04:05.999999999"))
    end)
  end

  it("T-44 counts from the zero time, in UTC, and rounds half up", function()
    local noon = utc(2024, 5, 5, 12)
    assert.equal("2024-05-06 00:00:00", shown(noon:round(span("24h"))))
    assert.equal("2024-05-05 00:00:00", shown(noon:add(-1):round(span("24h"))))
    assert.equal("2024-05-05 00:00:00", shown(noon:truncate(span("24h"))))
    assert.equal(time.MONDAY, noon:truncate(span("168h")):weekday())
    local kst = utc(2024, 5, 5):in_location(time.fixed_zone("KST", 9 * 3600))
    assert.equal("2024-05-05 09:00:00", shown(kst:truncate(span("24h"))))
    assert.equal("0000-12-31 00:00:00", shown(utc(0, 12, 31, 7):truncate(span("24h"))))
  end)

  it("T-44 changes nothing for lengths that are not positive", function()
    for _, none in ipairs({ "0", "-1s" }) do
      assert.is_true(t == t:round(span(none)) and t == t:truncate(span(none)))
    end
  end)
end)

describe("a Time", function()
  it("T-45 prints with its own zone", function()
    local t = time.date(2024, 12, 29, 15, 4, 5, 500000000, time.fixed_zone("KST", 9 * 3600))
    assert.equal("2024-12-29 15:04:05.5 +0900 KST", tostring(t))
    assert.equal("2024-12-29 15:04:05 +0900 KST", tostring(t:truncate(time.parse_duration("1s"))))
  end)

  it("T-46 is exact in the years 0 to 9999", function()
    local first, last = utc(0), utc(9999, 12, 31, 23, 59, 59, 999999999)
    assert.equal("0000-01-01 00:00:00 +0000 UTC", tostring(first))
    assert.equal("9999-12-31 23:59:59.999999999 +0000 UTC", tostring(last))
    assert.equal(-62167219200, first:unix())
    assert.equal(253402300799, last:unix())
    assert.same({ 6, 1 }, { first:weekday(), first:year_day() })
    assert.same({ 5, 365 }, { last:weekday(), last:year_day() })
    local paris = assert(time.load_location("Europe/Paris"))
    assert.equal("10000-01-01 00:59:59 CET", last:in_location(paris):format("2006-01-02 15:04:05 MST"))
    assert.equal("9999-07-01 CEST", time.date(9999, 7, 1, 0, 0, 0, 0, paris):format("2006-01-02 MST"))
  end)

  it("T-46 goes on beyond them, 285 million years either way, and raises after that", function()
    assert.equal("12345-06-07", utc(12345, 6, 7):format("2006-01-02"))
    assert.equal("-0044-03-15", utc(-44, 3, 15):format("2006-01-02"))
    assert.equal(285000000, utc(285000000):year())
    for _, make in ipairs({
      function() utc(286000000) end,
      function() utc(-286000000) end,
      function() time.unix(2 ^ 53) end,
      function() time.unix(-2 ^ 53) end,
      function() utc(2024):add_date(286000000, 0, 0) end,
      function() utc(2024):add_date(0, 0, -2 ^ 50) end,
    }) do
      assert.equal("#1 (time out of range)", support.bad_argument(make))
    end
  end)
end)
