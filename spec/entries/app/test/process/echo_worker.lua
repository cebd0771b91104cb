-- Sends every message back to its sender, with the word that it was started with.
local function main(word)
  local inbox = process.inbox()
  while true do
    local msg = inbox:receive()
    process.send(msg:from(), "reply", word, msg:topic(), msg:payload())
  end
end

return { main = main }
