-- Shared by the specs of process.upgrade.
local process = require "process"
local luassert = require "luassert"
local support = require "spec.support"

local upgrade = {}

-- The code of an upgraded process: it tells its parent its PID, its entry and its arguments, and returns its waiting
-- mail: "topic payload" of messages in the order of arrival, then "kind reason-or-PID" of events.
assert(process.define(
  "spec.upgrade:next",
  [[
  local function waiting(ch)
    local got = channel.select({ ch:case_receive(), default = true })
    return got.value
  end
  return { main = function(parent, ...)
    process.send(parent, "upgraded", process.pid(), process.id(), select("#", ...), ...)
    local mail = {}
    for msg in waiting, process.inbox() do
      mail[#mail + 1] = msg:topic() .. " " .. tostring(msg:payload())
    end
    for event in waiting, process.events() do
      mail[#mail + 1] = event.kind .. " " .. (event.reason or event.from)
    end
    return mail
  end }
]]
))

-- Spawns a child with this body, which gets this process's PID as `parent`.
function upgrade.spawn(body)
  return support.spawn_monitored("local parent = ... " .. body, process.pid())
end

-- The report of the upgraded child: { pid, id, number of arguments, arguments… }.
function upgrade.report()
  local msg = support.receive(process.inbox())
  luassert.are.equal("upgraded", msg:topic())
  return msg:payload()
end

-- The result of a child; a child that fails fails the test.
function upgrade.result(pid)
  local ev = support.event_of(pid)
  luassert.is_nil(ev.error)
  return ev.result
end

return upgrade
