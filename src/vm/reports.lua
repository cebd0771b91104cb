-- Calls `fn` with one report after the other (I-6). What it raises is raised in the main script, and the next report
-- comes all the same.
local channel, fn, spawn, pcall, error = ...

local function serve()
  local report, open = channel:receive()
  while open do
    local done, raised = pcall(fn, report)
    if not done then
      spawn(serve)
      error(raised, 0)
    end
    report, open = channel:receive()
  end
end

spawn(serve)
