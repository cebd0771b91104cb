-- Supervisors: processes that start children, watch them, and start them again.
--
-- A program finds here how to become one, how to spawn one, and how to ask one for something. What a spec says is read
-- in `supervisor/spec.lua`; the work is done in `supervisor/loop.lua`.
local process = require "process.core"
local native = require "process.supervision"
local entry = require "process.supervisor.entry"
local loop = require "process.supervisor.loop"
local specs = require "process.supervisor.spec"

local supervisor = {}

-- How long a supervisor may take to do what it is asked for.
local patience = { timeout = "60s" }

-- The entry of a supervisor that is spawned. It captures nothing but the globals, which are those of its process.
local function main(spec, caller)
  return require("process.supervisor.entry").serve(spec, caller)
end

-- Raises what is wrong with an argument in the name of the function that the program has called.
local function check_string(value, position, name)
  if type(value) ~= "string" then
    local given = value == nil and "no value" or type(value)
    error(("bad argument #%d to '%s' (string expected, got %s)"):format(position, name, given), 3)
  end
end

-- Makes the calling process a supervisor; returns when that has ended: `true`, or nil and why it failed.
function supervisor.run(spec)
  local checked, err = specs.read(spec)
  if not checked then
    return nil, err
  end
  return entry.run(checked)
end

-- Spawns a supervisor, linked to the caller, and returns its PID when its children have been started.
function supervisor.spawn(spec, host)
  local checked, err = specs.read(spec)
  if not checked then
    return nil, err
  end
  if host == nil then
    host = specs.host
  end
  check_string(host, 2, "spawn")
  local pid, started
  pid, err = process.spawn_linked(main, host, spec, process.pid())
  if not pid then
    return nil, err
  end
  started, err = process.call(pid, loop.topic, { "await", n = 1 }, { timeout = false })
  if started then
    return pid
  end
  process.unlink(pid)
  return nil, err
end

-- Tells the supervisor that has started the calling process that the next child may start.
function supervisor.ready()
  local parent = native.supervisor()
  if parent then
    process.send(parent, loop.topic, "ready")
  end
end

local function ask(destination, command, ...)
  check_string(destination, 1, command)
  return process.call(destination, loop.topic, { command, n = select("#", ...) + 1, ... }, patience)
end

-- Starts one more child: of this spec, or like the template with these arguments. Returns its PID.
function supervisor.start_child(destination, ...)
  return ask(destination, "start_child", ...)
end

-- Starts a stopped child; returns its PID.
function supervisor.restart_child(destination, id)
  return ask(destination, "restart_child", id)
end

-- Stops a child and keeps its spec.
function supervisor.stop_child(destination, id)
  return ask(destination, "stop_child", id)
end

-- Forgets a stopped child.
function supervisor.delete_child(destination, id)
  return ask(destination, "delete_child", id)
end

-- The children, in the order of their start.
function supervisor.children(destination)
  return ask(destination, "children")
end

-- How many children there are, how many of them run, and how often something was restarted.
function supervisor.count(destination)
  return ask(destination, "count")
end

return supervisor
