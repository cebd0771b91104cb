-- The owner's side of a pool: its queue of jobs, and a coroutine for each worker that hands it one job after the other.
--
-- The state of a pool: `jobs` is the queue, `workers` those there are or will be again, `guard` the PID of the guard.
-- It is `closed` when it takes no more jobs, `aborted` when the workers are ended, `gone` when nobody is left;
-- `closing` and `ended` are channels that close at the first and the last of these moments.
local process = require "process" -- not its core: `coroutine.spawn` is needed
local failures = require "process.pool.failures"
local worker_module = require "process.pool.worker"
local channel, errors = process.channel, process.errors
local failure, closed, moved = failures.new, failures.closed, failures.moved
local raised = worker_module.raised

local owner = {}
local TOPIC, FOREVER = worker_module.topic, { timeout = false }
-- How often a job is given out that found its worker gone.
local ATTEMPTS = 3
-- What ends the coroutine that serves a worker.
local STOP = {}

-- `process.call` that never raises: an error in a coroutine of the library would end the owner.
local function request(pid, payload, options)
  local done, answer, err = pcall(process.call, pid, TOPIC, payload, options)
  if not done then
    return nil, raised(answer)
  end
  return answer, err
end

-- Ends the worker and waits until it is gone.
local function release(pool, worker)
  local pid = worker.pid
  worker.pid, worker.ready = nil, false
  if pid then
    request(pool.guard, { "stop", pid }, FOREVER)
  end
end

local function start(pool, worker)
  local err
  worker.pid, err = process.spawn(pool.worker_main, pool.host, pool.guard)
  return worker.pid, err
end

-- Sees to it that the worker is there and waits for jobs: time-outs do not count its start.
local function prepare(pool, worker)
  if worker.ready then
    return true
  end
  local started, err = worker.pid, nil
  if not started then
    started, err = start(pool, worker)
  end
  if started then
    worker.ready, err = request(worker.pid, nil, FOREVER)
  end
  if not worker.ready then
    release(pool, worker)
  end
  return worker.ready, err
end

-- Why the job was not sent, with the place of the value as the caller of the pool knows it.
local function refused(job, err)
  if job.batch then
    return moved(err, "%(argument 3, %[1%]", "(item " .. job.index)
  end
  return moved(err, "%(argument 3, %[(%d+)%]", "(argument %1")
end

-- Has the worker do the job: { value = v } or { error = e }.
local function run(pool, worker, job)
  local err
  for _ = 1, ATTEMPTS do
    local ready, answer
    if not pool.aborted then
      ready, err = prepare(pool, worker)
    end
    if ready and not pool.aborted then
      answer, err = request(worker.pid, job.arguments, pool.call_options)
    end
    if answer then
      return answer
    elseif pool.aborted then
      return { error = closed() }
    elseif not ready then
      return { error = err }
    elseif err:kind() == errors.INVALID then
      return { error = refused(job, err) }
    end
    release(pool, worker)
    if err:kind() == errors.TIMEOUT then
      return { error = failure(errors.TIMEOUT, "pool: job not done within " .. pool.timeout) }
    elseif err:kind() ~= errors.NOT_FOUND then
      return { error = err }
    end
    -- It ended before the job came.
  end
  return { error = err }
end

local function finish(job, answer)
  local batch = job.batch
  if batch then
    -- Said here, before this worker takes its next job: nothing more is to be started.
    batch.stopped = batch.stopped or batch.stop_on_error and answer ~= nil and answer.error ~= nil
    job.answer = answer
    batch.done:send(job)
  else
    job.done:send(answer)
    job.done:close()
  end
end

-- Hands jobs to one worker until STOP. Runs in a coroutine of its own.
local function feed(pool, worker)
  local job = pool.jobs:receive()
  while job ~= STOP do
    if job.batch and job.batch.stopped then
      finish(job, nil)
    else
      finish(job, run(pool, worker, job))
    end
    job = pool.jobs:receive()
  end
  release(pool, worker)
  pool.left:send(true)
end

-- Jobs that came in while the pool was closed, when nobody takes them any more.
local function refuse_jobs(pool)
  local got = channel.select({ pool.jobs:case_receive(), default = true })
  while not got.default do
    finish(got.value, { error = closed() })
    got = channel.select({ pool.jobs:case_receive(), default = true })
  end
end

local function enqueue(pool, job)
  if pool.closed then
    return nil, closed()
  elseif not pool.limited then
    return pool.jobs:send(job)
  end
  local got = channel.select({ pool.jobs:case_send(job), pool.closing:case_receive() })
  if got.channel == pool.closing then
    return nil, closed()
  elseif pool.gone then
    refuse_jobs(pool)
  end
  return true
end

local function end_guard(pool)
  request(pool.guard, nil, FOREVER)
end

-- Takes no more jobs; `pool.ended` closes when those it has are done and all its processes are gone.
local function begin_close(pool)
  if pool.closed then
    return
  end
  pool.closed = true
  pool.closing:close()
  coroutine.spawn(function()
    for _ = 1, #pool.workers do
      pool.jobs:send(STOP)
    end
    for _ = 1, #pool.workers do
      pool.left:receive()
    end
    end_guard(pool)
    pool.gone = true
    refuse_jobs(pool)
    pool.ended:close()
  end)
end

-- Ends the workers whatever they do.
local function abort(pool)
  pool.aborted = true
  for _, worker in ipairs(pool.workers) do
    if worker.pid then
      process.terminate(worker.pid)
    end
  end
end

-- Does all items; returns results and errors. Only so many are in the queue at a time that no worker waits for one:
-- jobs of others get their turn.
local function map(pool, items, count)
  local window = 2 * #pool.workers
  local batch = { done = channel.new(window), stop_on_error = pool.stop_on_error, stopped = false }
  local results, failed, given, taken, done = { n = count }, nil, 0, 0, 0

  local function note(index, answer)
    if answer.error then
      failed = failed or {}
      failed[index] = answer.error
    else
      results[index] = answer.value
    end
    done = done + 1
    if pool.on_progress then
      pool.on_progress(done, count)
    end
  end

  while taken < given or given < count and not batch.stopped do
    if given < count and given - taken < window and not batch.stopped then
      given = given + 1
      local job = { batch = batch, index = given, arguments = { items[given], given, n = 2 } }
      local accepted, err = enqueue(pool, job)
      if not accepted then
        taken = taken + 1
        batch.stopped = batch.stopped or batch.stop_on_error
        note(given, { error = err })
      end
    else
      local job = batch.done:receive()
      taken = taken + 1
      if job.answer then
        note(job.index, job.answer)
      end
    end
  end
  return results, failed
end

owner.start, owner.release, owner.feed, owner.enqueue, owner.finish = start, release, feed, enqueue, finish
owner.map, owner.begin_close, owner.abort, owner.end_guard = map, begin_close, abort, end_guard

return owner
