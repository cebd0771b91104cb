-- Doubles the value of its task.
local function main(task)
  time.sleep("10ms")
  return task.value * 2
end

return { main = main }
