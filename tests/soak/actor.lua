-- A process of the soak: obeys the main process, counts the messages of others, keeps its events, and reports.
local own = {
  items = 0, -- received since it began
  last = {}, -- number of the last item by sender
  events = {}, -- "KIND PID" of those not yet reported
  disorder = false, -- an item was lost, came twice, or came too early
}

local function take_item(item)
  own.items = own.items + 1
  own.disorder = own.disorder or item.number ~= (own.last[item.from] or 0) + 1
  own.last[item.from] = item.number
end

local function take_event(event)
  own.events[#own.events + 1] = event.kind .. " " .. event.from
end

local sent = {} -- number of the last item by destination

-- Each takes the fields of its command; its result goes into the answer as `result`.
local commands = {}

function commands.send(command)
  for _, to in ipairs(command.to) do
    for _ = 1, command.count do
      sent[to] = (sent[to] or 0) + 1
      assert(process.send(to, "item", { from = process.pid(), number = sent[to], text = ("x"):rep(command.size) }))
    end
  end
end

function commands.relate(command)
  return assert(process[command.relation](command.to))
end

function commands.trap(command)
  return assert(process.set_options({ trap_links = command.on }))
end

function commands.register(command)
  return assert(process.registry.register(command.name))
end

function commands.unregister(command)
  return assert(process.registry.unregister(command.name))
end

-- The double of a number, computed through this many children.
function commands.children(command)
  local sum = 0
  for _ = 1, command.count do
    sum = sum + assert(process.exec("soak:double", command.host, 1))
  end
  return sum
end

-- How many of this many timers fire when every other one is stopped.
function commands.timers(command)
  local fired, running = 0, {}
  for i = 1, command.count do
    local timer = time.timer(i .. "ms")
    if i % 2 == 0 then
      timer:stop()
    else
      running[#running + 1] = timer
    end
  end
  for _, timer in ipairs(running) do
    timer:response():receive()
    fired = fired + 1
  end
  return fired
end

-- Computes until somebody ends it.
function commands.compute(command)
  process.send(command.main, "answer", { from = process.pid() })
  local x = 0
  while true do
    pcall(function() x = x + 1 end)
  end
end

function commands.fail()
  error("told to fail")
end

local function main(main_pid)
  local orders, items, events = process.listen("order"), process.listen("item"), process.events()
  local report -- the order to report, until as much has come as it expects

  local function answer(fields)
    fields.from = process.pid()
    assert(process.send(main_pid, "answer", fields))
  end

  local cases = { orders:case_receive(), items:case_receive(), events:case_receive() }
  while true do
    local got = channel.select(cases)
    if got.channel == items then
      take_item(got.value)
    elseif got.channel == events then
      take_event(got.value)
    elseif got.value.what == "report" then
      report = got.value
    elseif got.value.what == "return" then
      return "as told"
    else
      answer({ result = commands[got.value.what](got.value) })
    end
    if report and own.items >= report.items and #own.events >= report.events then
      answer({ items = own.items, events = own.events, disorder = own.disorder })
      report, own.events = nil, {}
    end
  end
end

return { main = main }
