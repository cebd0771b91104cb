-- Answers one question, then waits to be cancelled.
local function main()
  local question = process.inbox():receive()
  local factors = question:payload()
  process.send(question:from(), "product", factors[1] * factors[2])
  process.events():receive()
end

return { main = main }
