-- A service for the specs of calls, and what it tells.
local process = require "process"
local support = require "spec.support"

local calls = {}

-- A service: what it does depends on the topic.
function calls.service()
  return support.start(function()
    local kept = {}
    while true do
      local msg = process.inbox():receive()
      local topic, payload = msg:topic(), msg:payload()
      if topic == "echo" then
        msg:reply(payload)
      elseif topic == "keep" then
        kept[#kept + 1] = msg
      elseif topic == "last first" then
        for place = #kept, 1, -1 do
          kept[place]:reply(kept[place]:payload() * 10)
        end
        kept = {}
        msg:reply()
      elseif topic == "results" then
        process.send(msg:from(), "results", msg:waiting(), msg:reply(payload))
      elseif topic == "twice" then
        local first = msg:reply(1)
        local second, err = msg:reply(2)
        process.send(msg:from(), "results", first, second, err, msg:waiting())
      elseif topic == "waits" then
        process.send(msg:from(), "results", kept[1]:waiting(), kept[1]:reply("late"))
        kept = {}
      elseif topic == "drop" then
        -- What a turn of the loop has is collected in the next one.
        process.send(process.pid(), "collect")
      elseif topic == "collect" then
        collectgarbage()
        collectgarbage()
      elseif topic == "fail" then
        error(payload, 0)
      elseif topic == "end" then
        return "result"
      end
    end
  end)
end

-- What the service sent on the topic "results", as a list.
function calls.results()
  return support.within(process.listen("results"))
end

return calls
