-- The workers of a pool: each has one job at a time, which comes as a request, and answers it with what became of it.
-- What is captured here crosses to the workers.
local process = require "process"
local failures = require "process.pool.failures"
local errors = process.errors
local failure, is_error, moved = failures.new, failures.is_error, failures.moved

local worker = { topic = "process.pool" }
local TOPIC, FOREVER = worker.topic, { timeout = false }

-- The error that an error value of Lua counts as, as for `main`.
local function raised(value)
  if is_error(value) then
    return value
  elseif type(value) == "string" then
    return failure(errors.INTERNAL, value)
  end
  local text = require("process.supervision").described(value)
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
    return { error = raised(first) }
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

worker.main_of, worker.raised = worker_of, raised

return worker
