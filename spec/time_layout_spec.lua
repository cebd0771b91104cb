-- Times as text: layouts for writing and for reading.
require "process"
local time = require "process.time"
local support = require "spec.support"

local pst = time.fixed_zone("PST", -8 * 3600)
local sample = time.date(2009, 2, 4, 21, 0, 57, 12345600, pst)

local function utc(layout, value)
  return tostring(assert(time.parse(layout, value, time.utc)))
end

describe("a layout", function()
  local parts = {
    { "2006 06", "2009 09" },
    { "01 1 Jan January", "02 2 Feb February" },
    { "02 2 _2 002", "04 4  4 035" },
    { "Mon Monday", "Wed Wednesday" },
    { "15 03 3 PM pm", "21 09 9 PM pm" },
    { "04 4 05 5", "00 0 57 57" },
    { "MST", "PST" },
    { "-0700 -07:00 -07", "-0800 -08:00 -08" },
    { "Z0700 Z07:00 Z07", "-0800 -08:00 -08" },
    { "05.0 05.000 05.000000 05.000000000", "57.0 57.012 57.012345 57.012345600" },
    { "05,0 5,000", "57,0 57,012" },
    { "05.9 05.99 05.999 05.999999999", "57 57.01 57.012 57.0123456" },
    { "05,99", "57,01" },
  }
  for _, case in ipairs(parts) do
    it(("T-41 T-50 %q writes %q"):format(case[1], case[2]), function()
      assert.equal(case[2], sample:format(case[1]))
    end)
  end

  local literal = {
    { "Hi Janet, the Month is January", "Hi Janet, the Month is February" },
    { "Jan. Mon.", "Feb. Wed." },
    { "_2006", "_2009" },
    { "__2", "_ 4" },
    { "20060102150405", "20090204210057" },
    { "2006.01.02", "2009.02.04" },
    { "15.000", "21.000" },
    { "6 00 PZ - Z_", "6 00 PZ - Z_" },
    { "\0\255ä", "\0\255ä" },
    { "", "" },
  }
  for _, case in ipairs(literal) do
    it(("T-50 %q writes %q: all else is literal"):format(case[1], case[2]), function()
      assert.equal(case[2], sample:format(case[1]))
    end)
  end

  it("T-50 writes Z for UTC, and an offset for a zone without a name", function()
    local t = sample:utc()
    assert.equal("Z Z Z +0000 +00:00 +00 UTC", t:format("Z0700 Z07:00 Z07 -0700 -07:00 -07 MST"))
    assert.equal("+0530 +05:30 +05", t:in_location(time.fixed_zone("", 19800)):format("MST -07:00 -07"))
  end)

  it("T-50 writes noon and midnight as 12", function()
    local midnight = time.date(2024, 1, 1, 0, 0, 0, 0, time.utc)
    assert.equal("12AM 12am", midnight:format("3PM 03pm"))
    assert.equal("12PM 12pm", midnight:add("12h"):format("3PM 03pm"))
    assert.equal("1PM 01pm", midnight:add("13h"):format("3PM 03pm"))
  end)

  local constants = {
    RFC3339 = { "2006-01-02T15:04:05Z07:00", "2009-02-04T21:00:57-08:00" },
    RFC3339NANO = { "2006-01-02T15:04:05.999999999Z07:00", "2009-02-04T21:00:57.0123456-08:00" },
    RFC822 = { "02 Jan 06 15:04 MST", "04 Feb 09 21:00 PST" },
    RFC822Z = { "02 Jan 06 15:04 -0700", "04 Feb 09 21:00 -0800" },
    RFC850 = { "Monday, 02-Jan-06 15:04:05 MST", "Wednesday, 04-Feb-09 21:00:57 PST" },
    RFC1123 = { "Mon, 02 Jan 2006 15:04:05 MST", "Wed, 04 Feb 2009 21:00:57 PST" },
    RFC1123Z = { "Mon, 02 Jan 2006 15:04:05 -0700", "Wed, 04 Feb 2009 21:00:57 -0800" },
    KITCHEN = { "3:04PM", "9:00PM" },
    STAMP = { "Jan _2 15:04:05", "Feb  4 21:00:57" },
    STAMP_MILLI = { "Jan _2 15:04:05.000", "Feb  4 21:00:57.012" },
    STAMP_MICRO = { "Jan _2 15:04:05.000000", "Feb  4 21:00:57.012345" },
    STAMP_NANO = { "Jan _2 15:04:05.000000000", "Feb  4 21:00:57.012345600" },
    DATE_TIME = { "2006-01-02 15:04:05", "2009-02-04 21:00:57" },
    DATE_ONLY = { "2006-01-02", "2009-02-04" },
    TIME_ONLY = { "15:04:05", "21:00:57" },
  }
  for name, case in pairs(constants) do
    it("T-52 has the name " .. name, function()
      assert.equal(case[1], time[name])
      assert.equal(case[2], sample:format(time[name]))
    end)
  end

  it("T-52 is not all that has a name: months and days of the week", function()
    local months = "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER"
    local number = 0
    for name in months:gmatch("%u+") do
      number = number + 1
      assert.equal(number, time[name])
      assert.equal(name, time.date(2024, number, 1, 0, 0, 0, 0):format("January"):upper())
    end
    number = 0
    for name in ("SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY"):gmatch("%u+") do
      assert.equal(number, time[name])
      number = number + 1
    end
    assert.is_nil(time.JAN)
  end)

  it("T-41 format_rfc3339 is short for the layout of that name", function()
    assert.equal(sample:format(time.RFC3339), sample:format_rfc3339())
    assert.equal("2009-02-05T05:00:57Z", sample:utc():format_rfc3339())
  end)

  it("P-9 is there although the table of the module fills itself only when it is used", function()
    assert.equal("nil", support.result_of("return tostring(rawget(time, 'KITCHEN'))"))
    assert.equal("3:04PM", support.result_of("return time.KITCHEN and rawget(time, 'KITCHEN')"))
    assert.is_true(support.result_of("return time.now == time.now and require('time') == time"))
  end)
end)

describe("time.parse", function()
  local values = {
    { "Mon Jan _2 15:04:05 2006", "Thu Feb  4 21:00:57 2010" },
    { "Mon Jan _2 15:04:05 2006", "thu FEB 4 21:00:57 2010" },
    { "Monday, 02-Jan-06 15:04:05 MST", "Thursday, 04-Feb-10 21:00:57 UTC" },
    { time.DATE_TIME, "2010-02-04 21:00:57" },
    { time.DATE_TIME, "2010-02-04    21:00:57" },
    { "20060102150405", "20100204210057" },
    { "2006-002 3:4:5PM", "2010-035 9:0:57PM" },
    { "January 2 2006 at 03:04:05 pm", "february 4 2010 at 09:00:57 pm" },
    { time.RFC3339, "2010-02-04T21:00:57Z" },
    { time.RFC3339, "2010-02-04T21:00:57+00:00" },
    { "2006-01-02T15:04:05 Z07", "2010-02-04T21:00:57 +00" },
  }
  for _, case in ipairs(values) do
    it(("T-34 T-50 reads %q by %q"):format(case[2], case[1]), function()
      assert.equal("2010-02-04 21:00:57 +0000 UTC", utc(case[1], case[2]))
    end)
  end

  it("T-34 takes the local zone by default", function()
    local t = assert(time.parse(time.DATE_TIME, "2024-07-01 12:00:00"))
    assert.equal(os.time({ year = 2024, month = 7, day = 1, hour = 12 }), t:unix())
    assert.equal("Local", t:location():string())
    assert.is_true(t == time.parse(time.DATE_TIME, "2024-07-01 12:00:00", time.localtz))
  end)

  it("T-34 takes missing parts for year 0, month 1, day 1, time 0", function()
    assert.equal("0000-01-01 00:00:00 +0000 UTC", utc("", ""))
    assert.equal("2024-01-01 00:00:00 +0000 UTC", utc("2006", "2024"))
    assert.equal("0000-01-01 15:04:00 +0000 UTC", utc("3:04PM", "3:04PM"))
    assert.equal("0000-02-29 00:00:00 +0000 UTC", utc("2 Jan", "29 Feb"))
  end)

  it("T-34 reads years of two digits as 1969 to 2068", function()
    for text, year in pairs({ ["69"] = 1969, ["99"] = 1999, ["00"] = 2000, ["68"] = 2068 }) do
      assert.equal(year, time.parse("06", text):year())
    end
  end)

  it("T-34 lets a zone in the value decide", function()
    local paris = assert(time.load_location("Europe/Paris"))
    local function read(layout, value)
      return tostring(assert(time.parse(layout, value, paris)))
    end
    assert.equal("2024-07-01 00:00:00 +0200 CEST", read(time.DATE_ONLY, "2024-07-01"))
    assert.equal("2024-12-29 15:04:05 +0900 +0900", read(time.RFC3339, "2024-12-29T15:04:05+09:00"))
    assert.equal("2024-12-29 15:04:05 +0100 CET", read(time.RFC3339, "2024-12-29T15:04:05+01:00"))
    assert.equal("2024-12-29 15:04:05 +0000 UTC", read(time.RFC3339, "2024-12-29T15:04:05Z"))
    assert.equal("2024-07-01 00:00:00 +0200 CEST", read("2006-01-02 MST", "2024-07-01 CEST"))
    assert.equal("2024-07-01 01:00:00 +0200 CEST", read("2006-01-02 MST", "2024-07-01 CET"))
    assert.equal("2024-07-01 00:00:00 -0800 GMT-8", read("2006-01-02 MST", "2024-07-01 GMT-8"))
    assert.equal("2024-07-01 00:00:00 +0900 JST", read("2006-01-02 -0700 MST", "2024-07-01 +0900 JST"))
  end)

  it("T-34 takes an abbreviation that nobody knows for UTC under that name", function()
    assert.equal("2024-07-01 00:00:00 +0000 XYZT", utc("2006-01-02 MST", "2024-07-01 XYZT"))
  end)

  local fractions = {
    { "15:04:05", "01:02:03.5", 500000000 },
    { "15:04:05", "01:02:03,25", 250000000 },
    { "15:04:05 MST", "01:02:03.123456789987 UTC", 123456789 },
    { "15:04:05.000", "01:02:03.120", 120000000 },
    { "15:04:05.999", "01:02:03", 0 },
    { "15:04:05.999", "01:02:03.123456", 123456000 },
  }
  for _, case in ipairs(fractions) do
    it(("T-51 reads %q by %q"):format(case[2], case[1]), function()
      assert.equal(case[3], time.parse(case[1], case[2]):nanosecond())
    end)
  end

  it("T-34 T-41 reads whatever was written", function()
    local zones = { time.utc, time.localtz, time.fixed_zone("KST", 32400), assert(time.load_location("Asia/Kolkata")) }
    for _, zone in ipairs(zones) do
      for seconds = -1e9, 4e9, 123456789 do
        local t = time.unix(seconds, 987654321):in_location(zone)
        for _, layout in ipairs({ time.RFC3339NANO, "Mon Jan _2 3:4:5.000000000 PM 2006 -0700" }) do
          assert.is_true(t == assert(time.parse(layout, t:format(layout), zone)))
        end
      end
    end
  end)
end)
