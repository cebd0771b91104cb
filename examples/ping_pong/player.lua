-- A player: returns every ball to the sender, until it is told to stop.
local process = require "process"

local function main(name)
  local returned = 0
  while true do
    local message = process.inbox():receive()
    if message:topic() == "stop" then
      return returned
    end
    returned = returned + 1
    process.send(message:from(), "pong", "pong " .. message:payload() .. " from " .. name)
  end
end

return { main = main }
