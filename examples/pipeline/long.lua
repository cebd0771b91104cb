-- A stage: words in, long words out.
local stage = require "pipeline.stage"

local function main(next_stage)
  for word in stage.items() do
    if #word > 4 then
      stage.pass(next_stage, word)
    end
  end
  stage.finish(next_stage)
end

return { main = main }
