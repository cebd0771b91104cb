---@meta process.time

---Durations, sleeping, timers, the clock, dates and zones.
---@class timelib
---@field NANOSECOND integer
---@field MICROSECOND integer
---@field MILLISECOND integer
---@field SECOND integer
---@field MINUTE integer
---@field HOUR integer
---@field RFC3339 string
---@field RFC3339NANO string
---@field RFC822 string
---@field RFC822Z string
---@field RFC850 string
---@field RFC1123 string
---@field RFC1123Z string
---@field KITCHEN string
---@field STAMP string
---@field STAMP_MILLI string
---@field STAMP_MICRO string
---@field STAMP_NANO string
---@field DATE_TIME string
---@field DATE_ONLY string
---@field TIME_ONLY string
---@field JANUARY 1
---@field FEBRUARY 2
---@field MARCH 3
---@field APRIL 4
---@field MAY 5
---@field JUNE 6
---@field JULY 7
---@field AUGUST 8
---@field SEPTEMBER 9
---@field OCTOBER 10
---@field NOVEMBER 11
---@field DECEMBER 12
---@field SUNDAY 0
---@field MONDAY 1
---@field TUESDAY 2
---@field WEDNESDAY 3
---@field THURSDAY 4
---@field FRIDAY 5
---@field SATURDAY 6
---@field utc time.Location
---@field localtz time.Location
local time = {}

---@class time.Duration
local Duration = {}

---@return integer
function Duration:nanoseconds() end

---@return integer
function Duration:microseconds() end

---@return integer
function Duration:milliseconds() end

---@return number
function Duration:seconds() end

---@return number
function Duration:minutes() end

---@return number
function Duration:hours() end

---A zone.
---@class time.Location
local Location = {}

---@return string
function Location:string() end

---A point in time, in a zone. Immutable; `==`, `<`, `<=` compare instants.
---@class time.Time
local Time = {}

---@param duration process.duration
---@return time.Time
function Time:add(duration) end

---@param years integer
---@param months integer
---@param days integer
---@return time.Time
function Time:add_date(years, months, days) end

---@param other time.Time
---@return time.Duration
function Time:sub(other) end

---@param other time.Time
---@return boolean
function Time:before(other) end

---@param other time.Time
---@return boolean
function Time:after(other) end

---@param other time.Time
---@return boolean
function Time:equal(other) end

---@return boolean
function Time:is_zero() end

---@return integer
function Time:year() end

---@return integer
function Time:month() end

---@return integer
function Time:day() end

---@return integer
function Time:hour() end

---@return integer
function Time:minute() end

---@return integer
function Time:second() end

---@return integer
function Time:nanosecond() end

---0 is Sunday.
---@return integer
function Time:weekday() end

---@return integer
function Time:year_day() end

---@return integer year
---@return integer month
---@return integer day
function Time:date() end

---@return integer hour
---@return integer minute
---@return integer second
function Time:clock() end

---@param layout string
---@return string
function Time:format(layout) end

---@return string
function Time:format_rfc3339() end

---@return time.Time
function Time:utc() end

---@return time.Time
function Time:in_local() end

---@param location time.Location
---@return time.Time
function Time:in_location(location) end

---@return time.Location
function Time:location() end

---@return integer
function Time:unix() end

---@return integer
function Time:unix_nano() end

---@param duration time.Duration
---@return time.Time
function Time:round(duration) end

---@param duration time.Duration
---@return time.Time
function Time:truncate(duration) end

---@class time.Timer
local Timer = {}

---@return channel.Channel
function Timer:channel() end

---@return channel.Channel
function Timer:response() end

---@return boolean prevented
function Timer:stop() end

---@param duration process.duration
---@return boolean? prevented
---@return errors.Error? err
function Timer:reset(duration) end

---@class time.Ticker
local Ticker = {}

---@return channel.Channel
function Ticker:channel() end

---@return channel.Channel
function Ticker:response() end

---@return boolean stopped
function Ticker:stop() end

---@param value process.duration
---@return time.Duration nil on failure
---@return errors.Error? err
function time.parse_duration(value) end

---Blocks the calling coroutine.
---@param duration process.duration
function time.sleep(duration) end

---A channel that yields one Time when the duration is over.
---@param duration process.duration
---@return channel.Channel nil on failure
---@return errors.Error? err
function time.after(duration) end

---@param duration process.duration
---@return time.Timer nil on failure
---@return errors.Error? err
function time.timer(duration) end

---@param duration process.duration
---@return time.Ticker nil on failure
---@return errors.Error? err
function time.ticker(duration) end

---@return time.Time
function time.now() end

---@param year integer
---@param month integer
---@param day integer
---@param hour integer
---@param minute integer
---@param second integer
---@param nanosecond integer
---@param location time.Location?
---@return time.Time
function time.date(year, month, day, hour, minute, second, nanosecond, location) end

---@param sec integer
---@param nsec integer?
---@return time.Time
function time.unix(sec, nsec) end

---@param layout string
---@param value string
---@param location time.Location?
---@return time.Time?
---@return errors.Error? err
function time.parse(layout, value, location) end

---@param name string
---@return time.Location?
---@return errors.Error? err
function time.load_location(name) end

---@param name string
---@param offset_seconds integer
---@return time.Location
function time.fixed_zone(name, offset_seconds) end

return time
