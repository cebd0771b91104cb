-- Calls `fn` with one value of the channel after the other (M-7), each in a turn of its own. What it raises is raised
-- in the main script, and the next value comes all the same.
local channel, fn, spawn, take, this, give_up, pcall, error = ...
local running, receiving, task = true, false, nil

local function serve()
  local at_once = true
  task = this()
  while running do
    receiving = true
    local value, ok = take(channel, at_once)
    receiving, at_once = false, nil
    if not running then
      return
    end
    local done, raised = pcall(fn, value, ok)
    running = running and ok
    if not done then
      if running then
        spawn(serve)
      end
      error(raised, 0)
    end
  end
end

spawn(serve)

local handle = {}

function handle.stop()
  local ran = running
  running = false
  if ran and receiving then
    give_up(task)
  end
  return ran
end

return handle
