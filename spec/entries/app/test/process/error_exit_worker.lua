-- Fails at once.
local function main()
  return false, "nothing works today"
end

return { main = main }
