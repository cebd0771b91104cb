-- Work for several processes: `map` over an array, and pools of workers that are kept.
--
-- Three kinds of process take part. The owner, which made the pool, has a coroutine for each worker that hands it one
-- job after the other by `process.call` (`owner.lua`): so a worker has one job at a time, and what becomes of it is
-- known. The workers run `fn` (`worker.lua`). The guard (`guard.lua`) is linked to them and watches the owner: when
-- that ends, it takes them with it, whatever they do.
local process = require "process" -- not its core: `coroutine.spawn` is needed
local arguments = require "process.pool.arguments"
local failures = require "process.pool.failures"
local guard_main = require "process.pool.guard"
local owner = require "process.pool.owner"
local workers = require "process.pool.worker"
local channel, errors = process.channel, process.errors

local FOREVER = { timeout = false }

local pool = {}
local Pool = {}
Pool.__index = Pool

-- The state of a new pool with so many workers: all of them, or none.
local function create(fn, place, options, count)
  local limit = options.queue or 0
  local new = {
    host = options.host or "app:processes",
    on_progress = options.on_progress,
    stop_on_error = options.stop_on_error or false,
    call_options = FOREVER,
    limited = limit > 0,
    jobs = channel.new(limit > 0 and limit or arguments.UNLIMITED),
    closing = channel.new(),
    left = channel.new(count),
    ended = channel.new(),
    workers = {},
  }
  if options.timeout then
    new.timeout, new.call_options = tostring(options.timeout), { timeout = options.timeout }
  end
  new.worker_main = workers.main_of(fn)
  local err
  new.guard, err = process.spawn(guard_main, "app:processes", process.pid())
  if not new.guard then
    return nil, err
  elseif not pcall(string.dump, fn) then
    owner.end_guard(new)
    return nil, failures.new(errors.INVALID, "entry function must not be a C function")
  end
  for number = 1, count do
    local worker = {}
    local started, refusal = owner.start(new, worker)
    if not started then
      for _, other in ipairs(new.workers) do
        owner.release(new, other)
      end
      owner.end_guard(new)
      refusal = failures.moved(refusal, "%(argument 1, local fn", "(argument 1")
      return nil, failures.moved(refusal, "%(argument 1", "(argument " .. place)
    end
    new.workers[number] = worker
  end
  for _, worker in ipairs(new.workers) do
    coroutine.spawn(owner.feed, new, worker)
  end
  return new
end

-- Calls fn(item, index) for each item, in several processes; returns the results in order and the errors by index.
function pool.map(items, fn, options)
  arguments.check(items, "table", 1, "map")
  arguments.check(fn, "function", 2, "map")
  if options ~= nil then
    arguments.check(options, "table", 3, "map")
  end
  local read, count = arguments.read_options(options, false), arguments.count_items(items, 3)
  local timed, bad = arguments.read_timeout(read, "pool.map")
  if not timed then
    return nil, bad
  elseif count == 0 then
    return { n = 0 }
  end
  local wanted = read.workers or process.cpus()
  local own, err = create(fn, 2, read, wanted < count and wanted or count)
  if not own then
    return nil, err
  end
  local done, results, failed = pcall(owner.map, own, items, count)
  owner.begin_close(own)
  if not done then
    owner.abort(own)
  end
  own.ended:receive()
  if not done then
    error(results, 0)
  end
  return results, failed
end

-- Starts workers that are kept.
function pool.new(fn, options)
  arguments.check(fn, "function", 1, "new")
  if options ~= nil then
    arguments.check(options, "table", 2, "new")
  end
  local read = arguments.read_options(options, true)
  local timed, bad = arguments.read_timeout(read, "pool.new")
  if not timed then
    return nil, bad
  end
  local state, err = create(fn, 1, read, read.workers or process.cpus())
  if not state then
    return nil, err
  end
  return setmetatable({ __state = state }, Pool)
end

local function state_of(self, name)
  if getmetatable(self) ~= Pool then
    error(("calling '%s' on bad self (pool expected, got %s)"):format(name, arguments.name_of_type(self)), 3)
  end
  return self.__state
end

-- fn(...) in one of the workers: its result, or nil and an error.
function Pool:call(...)
  local state = state_of(self, "call")
  local done = channel.new(1)
  local accepted, err = owner.enqueue(state, { done = done, arguments = { n = select("#", ...), ... } })
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
  local accepted, err = owner.enqueue(state, job)
  if not accepted then
    owner.finish(job, { error = err })
  end
  return job.done
end

-- As `pool.map`, by the workers of this pool.
function Pool:map(items)
  local state = state_of(self, "map")
  arguments.check(items, "table", 1, "map")
  return owner.map(state, items, arguments.count_items(items, 3))
end

-- Takes no more jobs, waits for those it has, terminates the workers when the grace is over.
function Pool:close(grace)
  local state = state_of(self, "close")
  local span, err
  if grace == nil then
    grace = "5s"
  end
  if grace then
    span, err = arguments.span_of(grace, "pool:close", 0)
    if not span then
      return nil, err
    end
  end
  owner.begin_close(state)
  if span then
    local _, open = state.ended:receive(span)
    if open == nil then
      owner.abort(state)
    end
  end
  state.ended:receive()
  return true
end

return pool
