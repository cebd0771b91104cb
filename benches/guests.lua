-- How long a message takes into the loop of a program, and what an idle loop costs:
--
--   LUA_CPATH='build/lua54/?.so;;' LUA_PATH='lua/?.lua;;' lua5.4 benches/guests.lua
--
-- A child sends the time, the main process says how old it is when it has it. Beside a blocking receive, each loop that
-- is installed, and a loop that polls with a timer of 1 ms.
local process = require "process"
local time = require "process.time"

local MESSAGES = 2000

local function now()
  return time.now():unix_nano() / 1e3
end

-- Sends one stamp after the other, each when the last was seen.
local function sender(parent, count)
  local go = process.listen "go"
  for _ = 1, count do
    go:receive()
    -- Long enough that the receiver has gone to sleep.
    time.sleep("2ms")
    process.send(parent, "stamp", time.now():unix_nano() / 1e3)
  end
end

local stamps = process.listen "stamp"

-- Calls serve(on_stamp), which must call on_stamp(stamp) for each message and return when that is false.
local function measure(name, serve)
  local pid = assert(process.spawn(sender, "app:processes", process.pid(), MESSAGES))
  local ages = {}
  process.send(pid, "go")
  local clock = os.clock()
  serve(function(stamp)
    ages[#ages + 1] = now() - stamp
    if #ages == MESSAGES then
      return false
    end
    process.send(pid, "go")
    return true
  end)
  local used = os.clock() - clock
  table.sort(ages)
  local form = "%-24s p50 %7.1f us   p99 %7.1f us   processor %5.1f us a message"
  print(form:format(name, ages[MESSAGES / 2], ages[math.floor(MESSAGES * 0.99)], used / MESSAGES * 1e6))
end

measure("blocking receive", function(on_stamp)
  while on_stamp((stamps:receive())) do end
end)

-- Has the handler of the library take the stamps; `stop` is called when there are enough.
local function take(on_stamp, stop)
  local handler
  handler = process.on(stamps, function(stamp)
    if not on_stamp(stamp) then
      handler:stop()
      stop()
    end
  end)
end

if pcall(require, "luv") then
  local uv = require "luv"
  measure("luv", function(on_stamp)
    local attached = require("process.luv").attach()
    take(on_stamp, attached.detach)
    uv.run()
  end)
  measure("luv, timer of 1 ms", function(on_stamp)
    local timer = uv.new_timer()
    take(on_stamp, function()
      timer:close()
    end)
    timer:start(0, 1, function()
      process.step()
    end)
    uv.run()
  end)
end

if pcall(require, "cqueues") then
  measure("cqueues", function(on_stamp)
    local controller = require("cqueues").new()
    local attached = require("process.cqueues").attach { controller = controller }
    take(on_stamp, attached.detach)
    assert(controller:loop())
  end)
end

if pcall(require, "copas") then
  measure("copas", function(on_stamp)
    local copas, done, handle = require "copas", false, nil
    local attached = require("process.copas").attach()
    handle = process.on(stamps, function(stamp)
      if not on_stamp(stamp) then
        done = true
        handle:stop()
        attached:detach()
      end
    end)
    while not done do
      copas.step()
    end
  end)
end

if pcall(require, "socket") then
  measure("select of LuaSocket", function(on_stamp)
    local socket, done, handle = require "socket", false, nil
    local object = {
      getfd = function()
        return process.pollfd()
      end,
      dirty = function()
        return false
      end,
    }
    handle = process.on(stamps, function(stamp)
      done = not on_stamp(stamp)
      if done then
        handle:stop()
      end
    end)
    while not done do
      socket.select({ object }, nil)
      process.step()
    end
  end)
end
