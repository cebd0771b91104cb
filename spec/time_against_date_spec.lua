-- Dates and zones against the system's own `date`. The expected values are not written here: GNU date computes them, in
-- one shell script for all cases.
require "process"
local time = require "process.time"

local zones = {
  "UTC", "Europe/Paris", "Europe/London", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Asia/Kolkata",
  "Asia/Tokyo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati",
}

-- Instants, in seconds since 1970: leap days, ends of months and years, and clock changes to the second.
local instants = {
  -62135596800, -- 0001-01-01
  -62167046400, -- 0000-01-03
  -11670998401, -- the day after 1600-02-28
  -2208988800, -- 1900-01-01
  -2203891200, -- 1900-03-01, no leap year
  -1, 0, 86399,
  951782399, 951782400, 951868800, -- around 2000-02-29
  1325239199, 1325239200, -- Apia skips 2011-12-30
  1709164799, 1709164800, 1709251200, -- around 2024-02-29
  1710053999, 1710054000, -- New York springs forward
  1711846799, 1711846800, -- Europe springs forward
  1712415599, 1712415600, 1712415601, -- Lord Howe falls back by half an hour
  1730077199, 1730077200, -- Europe falls back
  1730613599, 1730613600, -- New York falls back
  1735689599, 1735689600, -- New Year 2025
  2147483647, 2147483648, -- 2^31
  4107542399, 4107542400, -- 2100-03-01, no leap year
  13569465600, -- 2400-01-01
  253402214400, -- 9999-12-31
}

-- One line for each instant. GNU date has everything in our layouts, but writes it differently.
local everything = {
  date = "%Y-%m-%d %H:%M:%S %z %Z|%w %j|%a, %d %b %y %I:%M %p|%A %B %e %-d %-m %-I|%s",
  layout = "2006-01-02 15:04:05 -0700 MST|W 002|Mon, 02 Jan 06 03:04 PM|Monday January _2 2 1 3|",
}

-- Times of day on local clocks; none of them is skipped or doubled.
local locals = {
  "1950-06-15 08:00:00", "1970-01-01 00:00:00", "1999-12-31 23:59:59", "2000-02-29 12:00:00", "2024-03-10 03:00:00",
  "2024-03-31 03:30:00", "2024-07-01 00:00:00", "2024-10-27 04:00:00", "2024-11-03 03:00:00", "2038-01-19 03:14:08",
  "2099-12-31 23:59:59", "9998-07-15 12:00:00",
}

-- Steps of the calendar: years, months, days; GNU date carries over in the same way.
local steps = {
  { "2024-01-31 12:00:00", 0, 1, 0 }, { "2023-01-31 12:00:00", 0, 1, 0 }, { "2024-02-29 12:00:00", 1, 0, 0 },
  { "2024-02-29 12:00:00", 4, 0, 0 }, { "2024-02-29 12:00:00", -1, 0, 0 }, { "2024-03-31 12:00:00", 0, -1, 0 },
  { "2024-05-31 12:00:00", 0, -3, 0 }, { "2024-12-31 12:00:00", 0, 2, 0 }, { "2024-12-31 12:00:00", 0, 0, 1 },
  { "2024-01-01 12:00:00", 0, 0, -1 }, { "2024-03-01 12:00:00", 0, 0, -1 }, { "2023-03-01 12:00:00", 0, 0, -1 },
  { "2024-03-30 12:00:00", 0, 0, 1 }, { "2024-10-26 12:00:00", 0, 0, 1 }, { "2024-03-09 12:00:00", 0, 0, 1 },
  { "2024-11-02 12:00:00", 0, 0, 1 }, { "1900-02-28 12:00:00", 0, 0, 1 }, { "2000-02-28 12:00:00", 0, 0, 1 },
  { "2024-05-15 12:00:00", 1, 13, 40 }, { "2024-05-15 12:00:00", -100, -25, -400 },
}

-- Steps of the clock: hours, minutes and seconds that really pass.
local spans = {
  { "2024-03-30 12:00:00", 24, 0, 0 }, { "2024-10-26 12:00:00", 24, 0, 0 }, { "2024-02-28 23:00:00", 2, 0, 0 },
  { "2023-12-31 23:59:59", 0, 0, 1 }, { "2024-03-10 01:59:59", 0, 0, 1 }, { "2024-01-01 00:00:00", -1000, -1, -1 },
  { "2000-01-01 00:00:00", 100000, 59, 59 },
}

-- "3 days" or "3 days ago", as GNU date reads it without taking the sign for a zone.
local function relative(number, unit)
  return number < 0 and ("%d %s ago"):format(-number, unit) or ("%d %s"):format(number, unit)
end

local function moved(step, units)
  local words = { step[1] }
  for i, unit in ipairs(units) do
    words[#words + 1] = relative(step[i + 1], unit)
  end
  return table.concat(words, " ")
end

-- Every question to `date`: the zone, the output wanted, and the line that asks.
local questions = {}

local function ask(zone, format, line)
  questions[#questions + 1] = { zone = zone, format = format, line = line }
  return questions[#questions]
end

local asked = { instants = {}, locals = {}, steps = {}, spans = {} }
local step_zones = { "UTC", "Europe/Paris", "America/New_York" }

for _, zone in ipairs(zones) do
  for _, seconds in ipairs(instants) do
    table.insert(asked.instants, { zone, seconds, ask(zone, everything.date, ("@%.0f"):format(seconds)) })
  end
  for _, clock in ipairs(locals) do
    table.insert(asked.locals, { zone, clock, ask(zone, "%s", clock) })
  end
end
for _, zone in ipairs(step_zones) do
  for _, step in ipairs(steps) do
    table.insert(asked.steps, { zone, step, ask(zone, "%s", moved(step, { "years", "months", "days" })) })
  end
  for _, step in ipairs(spans) do
    table.insert(asked.spans, { zone, step, ask(zone, "%s", moved(step, { "hours", "minutes", "seconds" })) })
  end
end

-- Answers all questions by one shell script: one call of `date` for each zone and output. False without GNU date.
local function answer_all()
  local groups, order = {}, {}
  for _, question in ipairs(questions) do
    local key = question.zone .. " " .. question.format
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = key
    end
    table.insert(groups[key], question)
  end
  local script = { "export LC_ALL=C", "date --version >/dev/null 2>&1 || exit 1" }
  for _, key in ipairs(order) do
    local group = groups[key]
    script[#script + 1] = ("TZ='%s' date -f - '+%s' <<'END'"):format(group[1].zone, group[1].format)
    for _, question in ipairs(group) do
      script[#script + 1] = question.line
    end
    script[#script + 1] = "END"
  end
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(table.concat(script, "\n"), "\n")
  file:close()
  local pipe = assert(io.popen("sh " .. name))
  for _, key in ipairs(order) do
    for _, question in ipairs(groups[key]) do
      question.answer = pipe:read("*l")
    end
  end
  pipe:close()
  os.remove(name)
  return questions[#questions].answer ~= nil
end

local known = answer_all()

-- A test for each case, if there is a GNU date to ask.
local function case(name, test)
  if known then
    it(name, test)
  else
    pending(name)
  end
end

local function shown(t)
  local text = t:format(everything.layout):gsub("W", tostring(t:weekday()), 1)
  return text .. ("%.0f"):format(t:unix())
end

local fields = "^(%d+)-(%d+)-(%d+) (%d+):(%d+):(%d+)$"

-- The Time at which the clocks of the zone show this.
local function at(clock, zone)
  local year, month, day, hour, minute, second = clock:match(fields)
  local location = assert(time.load_location(zone))
  return time.date(tonumber(year), tonumber(month), tonumber(day), tonumber(hour), tonumber(minute), tonumber(second),
    0, location)
end

local function seconds_of(t)
  return ("%.0f"):format(t:unix())
end

describe("a Time beside GNU date", function()
  for _, one in ipairs(asked.instants) do
    local zone, seconds, question = one[1], one[2], one[3]
    case(("T-33 T-38 T-39 T-41 T-42 T-46 shows @%.0f alike in %s"):format(seconds, zone), function()
      assert.equal(question.answer, shown(time.unix(seconds):in_location(assert(time.load_location(zone)))))
    end)
  end

  for _, one in ipairs(asked.locals) do
    local zone, clock, question = one[1], one[2], one[3]
    case(("T-32 T-34 T-48 is the same instant at %s in %s"):format(clock, zone), function()
      assert.equal(question.answer, seconds_of(at(clock, zone)))
      local read = assert(time.parse(time.DATE_TIME, clock, assert(time.load_location(zone))))
      assert.equal(question.answer, seconds_of(read))
    end)
  end

  for _, one in ipairs(asked.steps) do
    local zone, step, question = one[1], one[2], one[3]
    case(("T-35 moves alike: %s in %s"):format(question.line, zone), function()
      assert.equal(question.answer, seconds_of(at(step[1], zone):add_date(step[2], step[3], step[4])))
    end)
  end

  for _, one in ipairs(asked.spans) do
    local zone, step, question = one[1], one[2], one[3]
    case(("T-35 T-36 moves alike: %s in %s"):format(question.line, zone), function()
      local length = step[2] * time.HOUR + step[3] * time.MINUTE + step[4] * time.SECOND
      local start = at(step[1], zone)
      local there = start:add(length)
      assert.equal(question.answer, seconds_of(there))
      assert.equal(length, there:sub(start):nanoseconds())
    end)
  end
end)
