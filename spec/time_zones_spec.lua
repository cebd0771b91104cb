-- Zones: the local one, those of the system's files, fixed ones; and Times in them.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

local noon = time.date(2024, 7, 1, 12, 0, 0, 0, time.utc)

local function shown(t)
  return t:format("2006-01-02 15:04 -0700 MST")
end

describe("a Location", function()
  it("T-47 has a name", function()
    for name, location in pairs({
      UTC = time.utc,
      Local = time.localtz,
      ["Europe/Paris"] = assert(time.load_location("Europe/Paris")),
      ["my zone"] = time.fixed_zone("my zone", 60),
      [""] = time.fixed_zone("", 60),
    }) do
      assert.equal("userdata", type(location))
      assert.equal(name, location:string())
      assert.equal(name, tostring(location))
    end
  end)

  it("T-47 equals those that mean the same", function()
    assert.is_true(time.utc == noon:location())
    assert.is_true(time.utc == time.load_location("UTC"))
    assert.is_true(time.localtz == time.now():location())
    assert.is_true(time.load_location("Asia/Tokyo") == time.load_location("Asia/Tokyo"))
    assert.is_true(time.fixed_zone("a", 1) == time.fixed_zone("a", 1))
    assert.is_false(time.utc == time.localtz or time.utc == time.fixed_zone("UTC", 0))
    assert.is_false(time.fixed_zone("a", 1) == time.fixed_zone("a", 2))
    assert.is_false(time.utc == noon)
  end)
end)

describe("time.load_location", function()
  local zones = {
    ["Europe/Paris"] = "2024-07-01 14:00 +0200 CEST",
    ["America/New_York"] = "2024-07-01 08:00 -0400 EDT",
    ["America/Argentina/Buenos_Aires"] = "2024-07-01 09:00 -0300 -03",
    ["Asia/Kolkata"] = "2024-07-01 17:30 +0530 IST",
    ["Australia/Lord_Howe"] = "2024-07-01 22:30 +1030 +1030",
    ["Pacific/Kiritimati"] = "2024-07-02 02:00 +1400 +14",
    ["Etc/GMT+5"] = "2024-07-01 07:00 -0500 -05",
    ["UTC"] = "2024-07-01 12:00 +0000 UTC",
  }
  for name, expected in pairs(zones) do
    it("T-48 T-42 knows " .. name, function()
      assert.equal(expected, shown(noon:in_location(assert(time.load_location(name)))))
    end)
  end

  it("T-48 gives the local zone by its name too", function()
    assert.is_true(time.localtz == assert(time.load_location("Local")))
  end)
end)

describe("time.fixed_zone", function()
  it("T-49 is so many seconds east of UTC", function()
    local kst = time.fixed_zone("KST", 9 * 3600)
    assert.equal("09:00 KST", time.unix(0, 0):in_location(kst):format("15:04 MST"))
    local west = time.fixed_zone("far west", -(11 * 3600 + 1800))
    assert.equal("2024-07-01 00:30 -1130 far west", shown(noon:in_location(west)))
    assert.equal("12:00:01", noon:in_location(time.fixed_zone("x", 1)):format("15:04:05"))
  end)

  it("T-49 takes offsets of less than 100 hours, and names of up to 255 bytes", function()
    assert.equal("+99:59", noon:in_location(time.fixed_zone("", 359999)):format("-07:00"))
    assert.equal("-99:59", noon:in_location(time.fixed_zone("", -359999)):format("-07:00"))
    local name = ("\0"):rep(255)
    assert.equal(name, time.fixed_zone(name, 0):string())
  end)
end)

describe("a Time in a zone", function()
  it("T-42 is the same instant in every zone", function()
    local kst = time.fixed_zone("KST", 9 * 3600)
    local there = noon:in_location(kst)
    assert.equal("2024-07-01 21:00 +0900 KST", shown(there))
    assert.is_true(there == noon and there:utc() == noon and there:in_local() == noon)
    assert.is_true(there:location() == kst)
    assert.is_true(there:utc():location() == time.utc)
    assert.is_true(there:in_local():location() == time.localtz)
    assert.equal(os.date("%Y-%m-%d %H:%M", noon:unix()), noon:in_local():format("2006-01-02 15:04"))
  end)

  it("T-42 keeps its zone when it is moved", function()
    local there = noon:in_location(time.fixed_zone("KST", 9 * 3600))
    for _, moved in ipairs({
      there:add("1h"), there:add_date(0, 1, 0), there:round(time.parse_duration("1h")),
      there:truncate(time.parse_duration("1h")),
    }) do
      assert.equal("KST", moved:location():string())
    end
  end)

  it("T-31 T-42 leaves the monotonic clock out when it is seen in another zone", function()
    local start = time.now()
    assert.equal(start:unix_nano(), start:utc():unix_nano())
    assert.equal(0, start:sub(start:utc()):nanoseconds())
  end)

  for zone, expected in pairs({
    ["Europe/Paris"] = "2024-07-01 14:00 +0200 CEST",
    [":America/New_York"] = "2024-07-01 08:00 -0400 EDT",
    ["KST-9"] = "2024-07-01 21:00 +0900 KST",
    ["Nowhere/Land"] = "2024-07-01 12:00 +0000 UTC",
    [""] = "2024-07-01 12:00 +0000 UTC",
  }) do
    it(("T-42 T-47 the local zone is that of the system, here TZ=%q"):format(zone), function()
      local lua = support.lua
      support.lua = ("env TZ='%s' %s"):format(zone, lua)
      local got = support.run([[
        local time = require("process.time")
        local t = time.date(2024, 7, 1, 12, 0, 0, 0, time.utc):in_local()
        print(t:format("2006-01-02 15:04 -0700 MST"), t:location():string())
      ]])
      support.lua = lua
      assert.equal(expected .. "\tLocal\n", got.out)
    end)
  end
end)

describe("Times and Locations in messages", function()
  local paris = assert(time.load_location("Europe/Paris"))
  local kst = time.fixed_zone("K\0\255", 9 * 3600)

  it("V-1 T-42 arrive as they were, zone included", function()
    local answer = process.listen("answer")
    local pid = support.spawn([[
      local request = process.inbox():receive():payload()
      local texts = {}
      for i, t in ipairs(request.times) do
        texts[i] = t:format("2006-01-02 15:04 -0700 MST") .. " " .. t:location():string()
      end
      process.send(request.from, "answer", { texts = texts, times = request.times, zones = request.zones })
    ]])
    local zones = { time.utc, time.localtz, paris, kst }
    local times = {}
    for i, zone in ipairs(zones) do
      times[i] = noon:in_location(zone)
    end
    assert(process.send(pid, "request", { from = process.pid(), times = times, zones = zones }))
    local got = support.receive(answer)
    process.unlisten(answer)
    for i, zone in ipairs(zones) do
      assert.equal(shown(times[i]) .. " " .. zone:string(), got.texts[i])
      assert.is_true(got.times[i] == noon and got.times[i]:location() == zone)
      assert.is_true(got.zones[i] == zone)
    end
    support.finish()
  end)

  it("V-1 T-31 T-47 cross as arguments and results too, both clocks with them", function()
    local start = time.now()
    local body = "local t, zone = ... return { time.now():sub(t), zone, t:in_location(zone) }"
    local got = support.result_of(body, start, paris)
    assert.is_true(got[1]:nanoseconds() > 0 and got[1]:seconds() < 60)
    assert.is_true(got[2] == paris)
    assert.equal(shown(start:in_location(paris)), shown(got[3]))
  end)

  it("T-45 T-48 live as long as anything uses them", function()
    local t = noon:in_location(time.fixed_zone("gone", 60))
    for _ = 1, 1000 do
      time.fixed_zone(("x"):rep(200), 1)
    end
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.equal("2024-07-01 12:01 +0001 gone", shown(t))
  end)
end)
