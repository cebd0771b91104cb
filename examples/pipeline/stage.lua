-- The shared code of the stages of a pipeline. Items and the end arrive in one stream, in the order in which they were
-- sent, so a stage reads them from its inbox: two listeners would be two streams.
local process = require "process"

local stage = {}

function stage.pass(pid, item)
  assert(process.send(pid, "item", item))
end

function stage.finish(pid)
  assert(process.send(pid, "end"))
end

-- Iterates over the items that come in, up to the end.
function stage.items()
  return function()
    local message = process.inbox():receive()
    if message:topic() == "item" then
      return message:payload()
    end
  end
end

return stage
