-- Ends at once, with a result.
local function main()
  return "done"
end

return { main = main }
