-- The items of an array are worked on by all processors: how many primes there are below each of them. A bad item fails
-- alone. The progress is told to the process that called `map`.
--
--   lua5.4 examples/parallel_map/main.lua
local pool = require "process.pool"

-- Runs in the workers. It crosses to them with what it has captured.
local function count_primes(limit)
  local count = 0
  for number = 2, limit - 1 do
    local prime = true
    for divisor = 2, math.floor(number ^ 0.5) do
      if number % divisor == 0 then
        prime = false
        break
      end
    end
    count = count + (prime and 1 or 0)
  end
  return count
end

local limits = { 10, 100, "many", 1000, 10000, 50000 }
local results, errors = pool.map(limits, count_primes, {
  timeout = "20s",
  on_progress = function(done, total)
    print(("%3.0f%%"):format(100 * done / total))
  end,
})

for index = 1, results.n do
  if errors and errors[index] then
    -- The text of a run-time error differs between interpreters; that it failed does not.
    print("below " .. limits[index], "failed: " .. errors[index]:kind())
  else
    print("below " .. limits[index], results[index])
  end
end
