-- Back pressure: a source that is faster than the workers. The queue of the pool has room for a few jobs only, so
-- `submit` waits, and the source goes on at the pace of the workers: memory does not grow with the number of jobs.
--
--   lua5.4 examples/back_pressure/main.lua
local process = require "process"
local channel = require "process.channel"
local pool = require "process.pool"

local WORKERS, QUEUE, JOBS = 2, 3, 40

-- Runs in the workers.
local function work(number)
  process.time.sleep("2ms")
  return number * number
end

local p = assert(pool.new(work, { workers = WORKERS, queue = QUEUE }))

-- The answers in the order of the jobs. The collector takes them in a coroutine of its own.
local answers = channel.new(JOBS)
local under_way, most, sum = 0, 0, 0
local finished = channel.new()
coroutine.spawn(function()
  for _, answer in answers:iter() do
    local got = answer:receive()
    sum = sum + assert(got.value, got.error)
    under_way = under_way - 1
  end
  finished:close()
end)

for number = 1, JOBS do
  answers:send(p:submit(number))
  under_way = under_way + 1
  most = math.max(most, under_way)
end
answers:close()
finished:receive()
p:close()

print(("%d jobs, sum %d"):format(JOBS, sum))
-- Those that run, those that wait, and those whose answers are on their way.
print("never many at a time: " .. tostring(most <= 2 * WORKERS + QUEUE + 1))
