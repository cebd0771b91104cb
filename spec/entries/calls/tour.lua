-- A talk with a worker that uses most functions of `process`; gives the worker's answer to 6 * 7.
-- main(context) goes on that tour inside one of calls.contexts.
local contexts = require "calls.contexts"

local function tour()
  local worker = assert(process.spawn_monitored("calls:multiplier", "app:processes"))
  local answers = assert(process.listen("product"))
  assert(process.registry.register("calls.multiplier", worker))
  assert(process.registry.lookup("calls.multiplier") == worker)
  assert(process.send("calls.multiplier", "factors", 6, 7))
  local answer = answers:receive()
  assert(process.unlisten(answers))
  assert(process.registry.unregister("calls.multiplier"))

  assert(process.unmonitor(worker) and process.monitor(worker))
  assert(process.link(worker) and process.unlink(worker))
  assert(process.set_options(process.get_options()))
  assert(process.cancel(worker, "no more questions"))
  local exit = process.events():receive()
  assert(exit.from == worker and not exit.error, exit.error)
  return answer
end

local function main(context)
  return contexts[context](tour)
end

return { main = main }
