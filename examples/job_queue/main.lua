-- A queue of jobs that may fail, and are tried again. One of them always fails, one hangs, one has its worker die. At
-- the end the pool is closed: it finishes what it has, and takes nothing more.
--
--   lua5.4 examples/job_queue/main.lua
local process = require "process"
local channel = require "process.channel"
local pool = require "process.pool"

local ATTEMPTS = 3

-- Runs in the workers: delivers a parcel.
local function deliver(parcel, attempt)
  if parcel == "broken" then
    return nil, "the parcel is damaged"
  elseif parcel == "heavy" and attempt == 1 then
    process.terminate(process.pid())
  elseif parcel == "lost" and attempt < 3 then
    process.time.sleep("1h")
  end
  return ("%s delivered at attempt %d"):format(parcel, attempt)
end

local p = assert(pool.new(deliver, { workers = 2, timeout = "200ms" }))

-- Tries one job until it is done, or has failed too often. Jobs that wait for another attempt hold up no other.
local function try(parcel)
  local told, err
  for attempt = 1, ATTEMPTS do
    told, err = p:call(parcel, attempt)
    if told then
      return told
    end
    process.time.sleep("10ms")
  end
  return ("%s given up: %s"):format(parcel, err)
end

local parcels = { "small", "heavy", "lost", "broken", "round" }
local done = channel.new(#parcels)
for index, parcel in ipairs(parcels) do
  coroutine.spawn(function()
    done:send({ index = index, text = try(parcel) })
  end)
end

local texts = {}
for _ = 1, #parcels do
  local report = done:receive()
  texts[report.index] = report.text
end
print(table.concat(texts, "\n"))

local last = p:submit("late", 1)
p:close("2s")
print(last:receive().value)
print(p:call("too late", 1))
