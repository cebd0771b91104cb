-- The expected state, told in the plainest way: the living, the links, the watchers, the names, and the mail that each
-- has yet to receive. tests/soak/run.lua does everything twice, here and in the library, and compares.
local Model = {}
Model.__index = Model

function Model.new()
  return setmetatable({ actors = {} }, Model)
end

-- A process has been spawned.
function Model:born(pid)
  self.actors[pid] = { items = 0, events = {}, links = {}, watchers = {}, names = {}, traps = false }
end

-- The PIDs of the living, in a fixed order.
function Model:living()
  local pids = {}
  for pid in pairs(self.actors) do
    pids[#pids + 1] = pid
  end
  table.sort(pids)
  return pids
end

function Model:sent(to, count)
  self.actors[to].items = self.actors[to].items + count
end

-- relation: "link", "unlink", "monitor" or "unmonitor", as `from` has called it on `to`.
function Model:relate(relation, from, to)
  if relation == "link" or relation == "unlink" then
    local linked = relation == "link" or nil
    self.actors[from].links[to] = linked
    self.actors[to].links[from] = linked
  else
    self.actors[to].watchers[from] = relation == "monitor" or nil
  end
end

-- Takes a process away and tells those that should know. Returns its names.
local function bury(self, pid, abnormal, doomed)
  local dead = self.actors[pid]
  self.actors[pid] = nil
  for watcher in pairs(dead.watchers) do
    if self.actors[watcher] then
      table.insert(self.actors[watcher].events, "pid.exit " .. pid)
    end
  end
  for other in pairs(dead.links) do
    local linked = self.actors[other]
    if linked then
      linked.links[pid] = nil
      if abnormal and linked.traps then
        table.insert(linked.events, "pid.link.down " .. pid)
      elseif abnormal then
        doomed[#doomed + 1] = other
      end
    end
  end
  for _, other in pairs(self.actors) do
    other.watchers[pid] = nil
  end
  return dead.names
end

-- A process ends, together with those that it takes along. Returns them as a set, and the names that become free.
function Model:ended(pid, abnormal)
  local dead, names, doomed = {}, {}, { pid }
  while #doomed > 0 do
    local next_one = table.remove(doomed)
    if self.actors[next_one] then
      dead[next_one] = true
      for name in pairs(bury(self, next_one, abnormal, doomed)) do
        names[#names + 1] = name
      end
    end
  end
  return dead, names
end

-- The events that a process should have received since the last call, sorted.
function Model:take_events(pid)
  local events = self.actors[pid].events
  self.actors[pid].events = {}
  table.sort(events)
  return events
end

return Model
