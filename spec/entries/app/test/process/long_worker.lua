-- Works until it is told to stop.
local function main()
  process.listen("stop"):receive()
  return "stopped"
end

return { main = main }
