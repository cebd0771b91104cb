-- A supervisor with its pool of monitored workers. It hands a task to every worker that asks for one, replaces a worker
-- that dies, and hands out the task of the dead one again.
--
-- A worker is an entry whose `main` gets the PID of the supervisor. It sends "next" to ask for a task, and with it the
-- result of the task before: a table with the `path` of that task. The answer comes on the topic "task"; no value in it
-- means that the work is over.
local process = require "process"
local channel = require "process.channel"

local pool = {}

-- A pool that replaces workers for ever hides a bug.
local failures_allowed = 10

-- Has all tasks done by `size` workers. Each task has a `path` of its own. Calls on_result(result) for each result and
-- on_failure(event, task) when a worker has died; `task` is nil if it had none.
function pool.run(entry, size, tasks, on_result, on_failure)
  local requests = process.listen("next", { message = true })
  local events = process.events()

  local workers = {}  -- PIDs of the living: true
  local idle = {}     -- PIDs that wait for a task
  local at_work = {}  -- PID = the task it is busy with
  local queue = {}    -- tasks to be handed out
  local missing = {}  -- path = true while there is no result
  local failures = 0

  for i, task in ipairs(tasks) do
    queue[i] = task
    missing[task.path] = true
  end

  local function start_worker()
    local pid = assert(process.spawn_monitored(entry, "app:processes", process.pid()))
    workers[pid] = true
  end

  local function hand_out()
    while #idle > 0 and #queue > 0 do
      local pid = table.remove(idle)
      if process.send(pid, "task", queue[1]) then
        at_work[pid] = table.remove(queue, 1)
      end
      -- Otherwise it has died since it asked; its EXIT is on the way.
    end
  end

  local function answer(request)
    local pid, result = request:from(), request:payload()
    at_work[pid] = nil
    idle[#idle + 1] = pid
    -- If a worker dies right after it has handed in its result, its task is done twice; the result counts once.
    if result and missing[result.path] then
      missing[result.path] = nil
      on_result(result)
    end
  end

  local function replace(event)
    local task = at_work[event.from]
    workers[event.from], at_work[event.from] = nil, nil
    on_failure(event, task)
    failures = failures + 1
    if failures > failures_allowed then
      error("too many failures, the last one: " .. (event.error or "a worker left"))
    end
    if task then
      table.insert(queue, 1, task)
    end
    start_worker()
  end

  for _ = 1, size do
    start_worker()
  end
  while next(missing) do
    local got = channel.select({ requests:case_receive(), events:case_receive() })
    if got.channel == requests then
      answer(got.value)
    elseif got.value.kind == process.event.EXIT then
      replace(got.value)
    end
    hand_out()
  end

  for pid in pairs(workers) do
    process.send(pid, "task")
  end
  while next(workers) do
    workers[events:receive().from] = nil
  end
  process.unlisten(requests)
end

return pool
