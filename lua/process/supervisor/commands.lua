-- What a supervisor does when it is asked (S-6). Each command gets the supervisor, the request, and what stands in it:
-- the name of the command, then its arguments. A command that takes time replies when it is done.
local native = require "process.supervision"
local failures = require "process.supervisor.failures"
local specs = require "process.supervisor.spec"

local commands = {}
local served = {}

-- Those that start something. A supervisor that ends serves them no more: its end is the answer.
local starting = { start_child = true, restart_child = true }

-- The child of this id; without one the request is answered.
local function find(self, msg, id)
  local child = type(id) == "string" and self.children.by_id[id]
  if not child then
    msg:reply(nil, failures.unknown(id))
  end
  return child
end

-- As `find`, for a child that has to be stopped.
local function find_stopped(self, msg, id)
  local child = find(self, msg, id)
  if child and (child.pid or child.wanted) then
    msg:reply(nil, failures.is_running(id))
    return nil
  end
  return child
end

-- Of the one that has spawned the supervisor: answered when the children have been started.
function served.await(self, msg)
  self.caller = msg
  if self.started then
    self:tell_caller(true)
  end
end

-- One more child like the template: what it shares with it is found there.
local function like_template(self, request)
  local args, err = specs.read_arguments(self.template.args, request)
  if not args then
    return nil, err
  end
  self.last_id = self.last_id + 1
  return setmetatable({ id = tostring(self.last_id), args = args, restarts = 0, tries = 0 }, self.kind)
end

function served.start_child(self, msg, request)
  local child, err
  if self.template then
    child, err = like_template(self, request)
  else
    child, err = specs.read_child(request[2])
    if child and self.children.by_id[child.id] then
      child, err = nil, failures.exists(child.id)
    end
  end
  if not child then
    msg:reply(nil, err)
    return
  end
  self.children:add(child)
  child.is_new, child.starter = true, msg
  self:try_start(child)
end

function served.restart_child(self, msg, request)
  local child = find_stopped(self, msg, request[2])
  if child then
    child.starter = msg
    self:try_start(child)
  end
end

function served.stop_child(self, msg, request)
  local child = find(self, msg, request[2])
  if not child then
    return
  end
  child.wanted = false
  if child.delayed then
    child.delayed.off = true
    child.delayed = nil
  end
  if child.pid then
    child.stoppers = child.stoppers or {}
    child.stoppers[#child.stoppers + 1] = msg
    self:stop(child)
  else
    msg:reply(true)
  end
end

function served.delete_child(self, msg, request)
  local child = find_stopped(self, msg, request[2])
  if child then
    self:forget(child)
    msg:reply(true)
  end
end

function served.children(self, msg)
  local list, count, child = {}, 0, self.children.head
  while child do
    count = count + 1
    list[count] = {
      id = child.id,
      pid = child.pid,
      restart = child.restart,
      state = child.pid and "running" or child.wanted and "restarting" or "stopped",
      restarts = child.restarts,
      since = child.since,
    }
    child = child.next
  end
  msg:reply(list)
end

function served.count(self, msg)
  msg:reply { specs = self.children.size, running = self.children.running, restarts = self.restarts }
end

-- Serves a request; `false` if there is no such command.
function commands.serve(self, msg, request)
  local name = type(request) == "table" and request[1]
  local serve = served[name]
  if not serve then
    return false
  end
  local host = native.foreign_host(msg:from())
  if host then
    msg:reply(nil, failures.not_allowed(host, name))
  elseif self.ending and starting[name] then
    self.held[#self.held + 1] = msg
  else
    serve(self, msg, request)
  end
  return true
end

return commands
