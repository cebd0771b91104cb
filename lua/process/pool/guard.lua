-- The guard of a pool is linked to the workers and watches the owner: when that ends, it takes them with it.
local process = require "process"
local worker = require "process.pool.worker"
local channel = process.channel
local TOPIC = worker.topic

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

return guard_main
