-- A supervisor: keeps one linked child running. A child that ends well has done its work. A child that fails is started
-- again, a limited number of times, because restarting for ever would hide a bug.
local process = require "process"

-- `child` has the fields entry, argument (for its main), restarts (how many are allowed).
local function main(child)
  -- Without this the first failure of the child would end its supervisor too.
  assert(process.set_options({ trap_links = true }))
  local events = process.events()

  local function start()
    return assert(process.spawn_linked_monitored(child.entry, "app:processes", child.argument))
  end

  local pid, failures = start(), 0
  while true do
    local event = events:receive()
    if event.kind == process.event.LINK_DOWN and event.from == pid then
      failures = failures + 1
      if failures > child.restarts then
        error(("%d failures, the last one: %s"):format(failures, tostring(event.error)), 0)
      end
      print(("supervisor: %s (restart %d of %d)"):format(tostring(event.error), failures, child.restarts))
      pid = start()
    elseif event.kind == process.event.EXIT and not event.error then
      return event.result
    elseif event.kind == process.event.CANCEL then
      return "canceled"
    end
  end
end

return { main = main }
