-- Has a worker of nginx serve its process: `require "process.nginx".attach()` in init_worker_by_lua. No descriptor
-- can be watched there, so it looks again and again: after 1 ms while there is something to do, after 10 ms at most.
local process = require "process.core"
local guest = require "process.guest"

local adapter = {}

-- Seconds.
local SHORTEST, LONGEST = 0.001, 0.01

function adapter.attach(options)
  options = guest.options("nginx", options, {})
  local ngx = _G.ngx
  if type(ngx) ~= "table" or not ngx.timer then
    error("nginx.attach: not inside nginx", 2)
  end
  guest.enter "nginx"
  local there, pause, resumed = true, SHORTEST, 0
  local handle

  local function serve(premature)
    if premature then
      handle.detach()
      process.shutdown()
    elseif there then
      local ok, more, timeout = pcall(guest.step, options.on_error)
      local now = ok and process.info(process.pid()).resumed or resumed + 1
      local idle = ok and not more and now == resumed
      resumed = now
      pause = idle and math.min(2 * pause, LONGEST) or SHORTEST
      ngx.timer.at(math.min(pause, ok and timeout and math.max(timeout, SHORTEST) or pause), serve)
      if not ok then
        error(more, 0)
      end
    end
  end

  handle = guest.handle(function()
    there = false
  end)
  assert(ngx.timer.at(0, serve))
  return handle
end

return adapter
