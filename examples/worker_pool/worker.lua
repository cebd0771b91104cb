-- A worker: asks for a job, counts the primes below its limit, and asks for the next. It ends when the program ends.
local process = require "process"

local function count_primes(limit)
  if type(limit) ~= "number" then
    error("'" .. limit .. "' is no number", 0)
  end
  local count, composite = 0, {}
  for n = 2, limit - 1 do
    if not composite[n] then
      count = count + 1
      for multiple = n * n, limit - 1, n do
        composite[multiple] = true
      end
    end
  end
  return count
end

local function main(boss)
  local jobs = process.listen("job")
  while true do
    process.send(boss, "next")
    local job = jobs:receive()
    process.send(boss, "result", { id = job.id, primes = count_primes(job.limit) })
  end
end

return { main = main }
