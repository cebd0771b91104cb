-- Shared by the specs of process groups.
local process = require "process"
local pg = require "process.pg"
local support = require "spec.support"
local assert = require "luassert"
local start, within = support.start, support.within

local groups = {}

local scopes = 0

-- A scope that no other spec has used, and its name.
function groups.scope()
  scopes = scopes + 1
  local name = "spec.groups:s" .. scopes
  return pg.open(name), name
end

-- A process that joins these groups, says so, and then does what it is told: a function of the scope.
function groups.member(name, joins)
  local joined = process.listen("joined")
  local pid = start(function(of, names, parent)
    local own = require("process.pg").open(of)
    if names then
      own:join(names)
    end
    process.send(parent, "joined", true)
    for _, msg in process.listen("act", { message = true }):iter() do
      msg:reply(msg:payload()(own))
    end
  end, name, joins, process.pid())
  within(joined)
  process.unlisten(joined)
  return pid
end

-- Has a member do this with its scope.
function groups.act(pid, fn)
  return process.call(pid, "act", support.code(fn))
end

-- What an event says, in short.
function groups.said(event)
  assert.are.equal("pg", event.system)
  assert.are.equal(event.path, event.data.Group)
  assert.are.equal(1, #event.data.PIDs)
  return { event.kind, event.path, event.data.PIDs[1] }
end

function groups.sorted(list)
  table.sort(list)
  return list
end

return groups
