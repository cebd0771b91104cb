-- A guest: takes a name, joins a room, answers every line it knows an answer to, and leaves after a good night.
local process = require "process"

local function main(name, room, answers)
  assert(process.registry.register(name))
  local heard = process.listen("heard")
  assert(process.send(room, "join", name))
  while true do
    local answer = answers[heard:receive()]
    if answer then
      process.send(room, "say", answer)
      if answer:find("good night") then
        return
      end
    end
  end
end

return { main = main }
