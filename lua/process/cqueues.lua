-- Has a controller of cqueues serve the calling process: `require "process.cqueues".attach { controller = cq }`.
local process = require "process.core"
local guest = require "process.guest"

local adapter = {}

-- What any controller can poll: it is ready when a step has something to do.
function adapter.object()
  local fd, err = process.pollfd()
  if not fd then
    error(err, 2)
  end
  return { pollfd = fd, events = "r", timeout = nil }
end

function adapter.attach(options)
  options = guest.options("cqueues", options, { controller = "any" })
  local controller = options.controller
  if controller == nil then
    error("cqueues.attach: controller is missing", 2)
  end
  local cqueues, condition = require "cqueues", require("cqueues.condition").new()
  guest.enter "cqueues"
  local object, there = { pollfd = guest.descriptor(), events = "r" }, true
  local function serve()
    while there do
      cqueues.poll(object, condition)
      if not there then
        return
      end
      local ok, raised = pcall(guest.step, options.on_error)
      if not ok then
        controller:wrap(serve)
        error(raised, 0)
      end
    end
  end
  controller:wrap(serve)
  return guest.handle(function()
    there = false
    condition:signal()
  end)
end

return adapter
