-- The room: passes on each guest's words, and announces guests that come and leave. Once empty for a while, it closes.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"

local function main(log)
  local inbox, events = process.inbox(), process.events()
  local guests = {} -- PID = name
  local visited = false

  local function tell(line)
    process.send(log, "line", line)
    for pid in pairs(guests) do
      process.send(pid, "heard", line)
    end
  end

  local function hear(message)
    local pid, topic = message:from(), message:topic()
    if topic == "join" and process.monitor(pid) then
      guests[pid], visited = message:payload(), true
      tell(guests[pid] .. " comes in")
    elseif topic == "say" and guests[pid] then
      tell(guests[pid] .. ": " .. message:payload())
    end
  end

  -- A guest needs no goodbye: its EXIT is one, with or without an error. When the EXIT can be received, all the guest's
  -- messages are in the inbox already, and are heard first.
  local function see_off(event)
    repeat
      local got = channel.select({ inbox:case_receive(), default = true })
      if not got.default then
        hear(got.value)
      end
    until got.default
    local name = guests[event.from]
    guests[event.from] = nil
    tell(name .. (event.error and " has vanished" or " leaves"))
  end

  while true do
    ---@type channel.Case[]
    local cases = { inbox:case_receive(), events:case_receive() }
    if visited and not next(guests) then
      cases[3] = time.after("100ms"):case_receive() -- a timeout is one more channel to select from
    end
    local got = channel.select(cases)
    if got.channel == inbox then
      hear(got.value)
    elseif got.channel == events then
      see_off(got.value)
    else
      tell("the room closes")
      return
    end
  end
end

return { main = main }
