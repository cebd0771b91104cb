-- Work for several processes: `map` over an array, and pools of workers that are kept.
--
-- Three kinds of process take part. The owner, which made the pool, has a coroutine for each worker that hands it one
-- job after the other by `process.call`: so a worker has one job at a time, and what becomes of it is known. The
-- workers run `fn`. The guard is linked to them and watches the owner: when that ends, it takes them with it, whatever
-- they do.
local process = require "process" -- not its core: `coroutine.spawn` is needed
local channel, errors, time = process.channel, process.errors, process.time

local TOPIC = "process.pool"
local FOREVER = { timeout = false }
-- So many values fit into any queue.
local UNLIMITED = 2 ^ 31 - 1
-- How often a job is given out that found its worker gone.
local ATTEMPTS = 3
-- What ends the coroutine that serves a worker.
local STOP = {}

-- ------------------------------------------------------------------------------------------------------------ errors

local function failure(kind, message, details)
  return errors.new({ kind = kind, message = message, retryable = false, details = details })
end

local function closed()
  return failure(errors.CANCELED, "pool is closed")
end

local function is_error(value)
  return type(value) == "userdata" and errors.call_stack(value) ~= nil
end

-- The same refusal of a value, which the caller knows under another place than the library does.
local function moved(refusal, place, known)
  local text, found = refusal:message():gsub(place, known, 1)
  if found == 0 then
    return refusal
  end
  return failure(refusal:kind(), (text:gsub("^(.-%(%a+ ?%d*)([.[])", "%1, %2", 1)))
end

-- ----------------------------------------------------------------------------------------------------------- workers

-- The error that an error value of Lua counts as, as for `main`.
local function raised(value)
  if is_error(value) then
    return value
  elseif type(value) == "string" then
    return failure(errors.INTERNAL, value)
  end
  local shown, text = pcall(tostring, value)
  if not shown or type(text) ~= "string" then
    text = ("(error object is a %s value)"):format(type(value))
  end
  local crosses, err = pcall(failure, errors.INTERNAL, text, { value = value })
  return crosses and err or failure(errors.INTERNAL, text)
end

-- What the results of `fn`, called in protected mode, count as, as for `main`.
local function outcome(done, first, second)
  if not done then
    if first == "not enough memory" then
      -- What fills the memory may outlive the job: a new worker begins without it.
      error(first, 0)
    end
    return { error = is_error(first) and first or raised(first) }
  elseif not first and type(second) == "string" then
    return { error = failure(errors.INTERNAL, second) }
  elseif not first and is_error(second) then
    return { error = second }
  end
  return { value = first }
end

local function unpack_from(values, position)
  if position < values.n then
    return values[position], unpack_from(values, position + 1)
  end
  return values[position]
end

local function perform(fn, job)
  if job.n == 0 then
    return outcome(xpcall(fn, raised))
  end
  return outcome(xpcall(fn, raised, unpack_from(job, 1)))
end

-- The `main` of the workers. The first request only asks whether the worker is there.
local function worker_of(fn)
  return function(guard)
    if not process.call(guard, TOPIC, { "guard", process.pid() }, FOREVER) then
      return
    end
    for _, msg in process.listen(TOPIC, { message = true }):iter() do
      local job = msg:payload()
      if type(job) == "userdata" then -- with the option `wrapped`, which is `fn`'s to set
        job = job:data()
      end
      local answer = job and perform(fn, job) or true
      local done, refusal = msg:reply(answer)
      if not done then
        msg:reply({ error = moved(refusal, "%(argument 1, %.value", "(result") })
      end
    end
  end
end

-- The `main` of the guard. Requests: { "guard", pid } links to a worker, { "stop", pid } ends it and is answered when
-- it is gone, anything else ends the guard. A worker that traps links is terminated by its PID.
local function guard_main(owner)
  process.set_options({ trap_links = true })
  local requests, events = process.listen(TOPIC, { message = true }), process.events()
  local cases = { requests:case_receive(), events:case_receive() }
  local workers, stopping = {}, {}

  local function serve(msg, what, pid)
    if what == "guard" then
      workers[pid] = process.link(pid)
      msg:reply(true)
    elseif process.monitor(pid) then
      stopping[pid] = msg
      process.terminate(pid)
    else
      msg:reply(true)
    end
  end

  local function see(event)
    if event.from == owner or event.kind == process.event.CANCEL then
      for pid in pairs(workers) do
        process.terminate(pid)
      end
      process.terminate(process.pid())
    end
    workers[event.from] = nil
    if event.kind == process.event.EXIT and stopping[event.from] then
      stopping[event.from]:reply(true)
      stopping[event.from] = nil
    end
  end

  if not process.monitor(owner) then
    return
  end
  while true do
    local got = channel.select(cases)
    if got.channel == events then
      see(got.value)
    else
      local asked = got.value:payload()
      if type(asked) ~= "table" then
        return
      end
      serve(got.value, asked[1], asked[2])
    end
  end
end

-- -------------------------------------------------------------------------------------------------------- the owner

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
  if job.batch then
    job.answer = answer
    job.batch.done:send(job)
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
  local batch = { done = channel.new(window), stopped = false }
  local results, failures, given, taken, done = { n = count }, nil, 0, 0, 0

  local function note(index, answer)
    if answer.error then
      failures = failures or {}
      failures[index] = answer.error
      batch.stopped = batch.stopped or pool.stop_on_error
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
  return results, failures
end

-- -------------------------------------------------------------------------------------------------------- arguments

local function name_of_type(value)
  return value == nil and "no value" or type(value)
end

local function check(value, wanted, position, name)
  if type(value) ~= wanted then
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(position, name, wanted, name_of_type(value)), 3)
  end
end

local function is_count(value, least)
  return type(value) == "number" and value >= least and value % 1 == 0 and value < UNLIMITED
end

-- The number of items: `n`, as in the results of `map`, or the length.
local function count_items(items, level)
  if is_count(items.n, 0) then
    return items.n
  end
  local count = #items
  for key in pairs(items) do
    if not is_count(key, 1) or key > count then
      local text = "bad argument #1 to 'map' (array expected, got a table with the key %s)"
      error(text:format(tostring(key)), level)
    end
  end
  return count
end

-- The duration in nanoseconds, or nil and why it is none.
local function span_of(value, name, least)
  if type(value) == "number" and value >= 1 and value <= 999 and value % 1 == 0 then
    local text = '%s: %d is %d nanoseconds; write "%ds", "%dms" or %d * time.SECOND'
    return nil, failure(errors.INVALID, text:format(name, value, value, value, value, value))
  end
  local duration, err = time.parse_duration(value)
  if not duration then
    return nil, failure(errors.INVALID, (err:message():gsub("^[%w_.]+", name, 1)))
  elseif duration:nanoseconds() < least then
    local text = least == 0 and ": duration must not be negative" or ": duration must be greater than zero"
    return nil, failure(errors.INVALID, name .. text)
  end
  return duration
end

local known = { host = "string", on_progress = "function", stop_on_error = "boolean" }

-- A copy of the options. What is wrong with them is raised, but for a bad time-out, which is checked later.
local function read_options(given, queue)
  local options = {}
  for name, value in pairs(given or {}) do
    if name == "workers" or name == "queue" and queue then
      if not is_count(value, name == "workers" and 1 or 0) then
        local least = name == "workers" and "1" or "0"
        error(("pool: %s: whole number from %s expected, got %s"):format(name, least, tostring(value)), 3)
      end
    elseif known[name] then
      if type(value) ~= known[name] then
        error(("pool: %s: %s expected, got %s"):format(name, known[name], type(value)), 3)
      end
    elseif name ~= "timeout" then
      error("pool: unknown option " .. tostring(name), 3)
    end
    options[name] = value
  end
  return options
end

-- ------------------------------------------------------------------------------------------------------- the module

local pool = {}
local Pool = {}
Pool.__index = Pool

-- The state of a new pool with so many workers: all of them, or none.
local function create(fn, place, options, name, count)
  local limit = options.queue or 0
  local new = {
    host = options.host or "app:processes",
    on_progress = options.on_progress,
    stop_on_error = options.stop_on_error or false,
    call_options = FOREVER,
    limited = limit > 0,
    jobs = channel.new(limit > 0 and limit or UNLIMITED),
    closing = channel.new(),
    left = channel.new(count),
    ended = channel.new(),
    workers = {},
  }
  if options.timeout then
    local span, bad = span_of(options.timeout, name, 1)
    if not span then
      return nil, bad
    end
    new.timeout, new.call_options = tostring(span), { timeout = span }
  end
  new.worker_main = worker_of(fn)
  local err
  new.guard, err = process.spawn(guard_main, "app:processes", process.pid())
  if not new.guard then
    return nil, err
  elseif not pcall(string.dump, fn) then
    end_guard(new)
    return nil, failure(errors.INVALID, "entry function must not be a C function")
  end
  for number = 1, count do
    local worker = {}
    local started, refusal = start(new, worker)
    if not started then
      for _, other in ipairs(new.workers) do
        release(new, other)
      end
      end_guard(new)
      refusal = moved(refusal, "%(argument 1, local fn", "(argument 1")
      return nil, moved(refusal, "%(argument 1", "(argument " .. place)
    end
    new.workers[number] = worker
  end
  for _, worker in ipairs(new.workers) do
    coroutine.spawn(feed, new, worker)
  end
  return new
end

-- Calls fn(item, index) for each item, in several processes; returns the results in order and the errors by index.
function pool.map(items, fn, options)
  check(items, "table", 1, "map")
  check(fn, "function", 2, "map")
  if options ~= nil then
    check(options, "table", 3, "map")
  end
  local read, count = read_options(options, false), count_items(items, 3)
  if count == 0 then
    return { n = 0 }
  end
  local workers = read.workers or process.cpus()
  local own, err = create(fn, 2, read, "pool.map", workers < count and workers or count)
  if not own then
    return nil, err
  end
  local done, results, failures = pcall(map, own, items, count)
  begin_close(own)
  if not done then
    abort(own)
  end
  own.ended:receive()
  if not done then
    error(results, 0)
  end
  return results, failures
end

-- Starts workers that are kept.
function pool.new(fn, options)
  check(fn, "function", 1, "new")
  if options ~= nil then
    check(options, "table", 2, "new")
  end
  local read = read_options(options, true)
  local state, err = create(fn, 1, read, "pool.new", read.workers or process.cpus())
  if not state then
    return nil, err
  end
  return setmetatable({ __state = state }, Pool)
end

local function state_of(self, name)
  if getmetatable(self) ~= Pool then
    error(("calling '%s' on bad self (pool expected, got %s)"):format(name, name_of_type(self)), 3)
  end
  return self.__state
end

-- fn(...) in one of the workers: its result, or nil and an error.
function Pool:call(...)
  local state = state_of(self, "call")
  local done = channel.new(1)
  local accepted, err = enqueue(state, { done = done, arguments = { n = select("#", ...), ... } })
  if not accepted then
    return nil, err
  end
  local answer = done:receive()
  if answer.error then
    return nil, answer.error
  end
  return answer.value
end

-- The same without waiting for the result: a channel that yields { value = v } or { error = e }, and is closed.
function Pool:submit(...)
  local state = state_of(self, "submit")
  local job = { done = channel.new(1), arguments = { n = select("#", ...), ... } }
  local accepted, err = enqueue(state, job)
  if not accepted then
    finish(job, { error = err })
  end
  return job.done
end

-- As `pool.map`, by the workers of this pool.
function Pool:map(items)
  local state = state_of(self, "map")
  check(items, "table", 1, "map")
  return map(state, items, count_items(items, 3))
end

-- Takes no more jobs, waits for those it has, terminates the workers when the grace is over.
function Pool:close(grace)
  local state = state_of(self, "close")
  local span, err
  if grace == nil then
    grace = "5s"
  end
  if grace then
    span, err = span_of(grace, "pool:close", 0)
    if not span then
      return nil, err
    end
  end
  begin_close(state)
  if span then
    local _, open = state.ended:receive(span)
    if open == nil then
      abort(state)
    end
  end
  state.ended:receive()
  return true
end

return pool
