-- A pool of monitored workers: three of them count primes, and each asks for the next job when it is free. One job is
-- broken. The worker that gets it dies, its EXIT event reports that, and another worker takes its place.
--
--   lua5.4 examples/worker_pool/main.lua
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"
local channel = require "process.channel"
local time = require "process.time"

local jobs = { 10, 100, 1000, "many", 10000, 100000 }
local workers = 3

local requests = process.listen("next", { message = true })
local results = process.listen("result")
local events = process.events()

local answers = {} -- number of the job = what came of it
local busy_with = {} -- PID = number of the job
local given, finished = 0, 0

local function start_worker()
  assert(process.spawn_monitored("worker_pool:worker", "app:processes", process.pid()))
end

local function finish(id, answer)
  answers[id] = answer
  finished = finished + 1
end

for _ = 1, workers do
  start_worker()
end

while finished < #jobs do
  local late = time.after("30s")
  local got = channel.select({
    requests:case_receive(), results:case_receive(), events:case_receive(), late:case_receive(),
  })
  if got.channel == requests then
    local pid = got.value:from()
    if given < #jobs then
      given = given + 1
      busy_with[pid] = given
      process.send(pid, "job", { id = given, limit = jobs[given] })
    end
  elseif got.channel == results then
    finish(got.value.id, got.value.primes .. " primes")
  elseif got.channel == events then
    finish(busy_with[got.value.from], "failed: " .. got.value.error)
    start_worker()
  else
    error("no worker has answered for 30 seconds")
  end
end

-- The threads decide the order of the answers; we decide the order of the jobs.
for id, answer in ipairs(answers) do
  print("below " .. jobs[id], answer)
end
