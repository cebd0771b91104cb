-- A stage: lines in, words out.
local stage = require "pipeline.stage"

local function main(next_stage)
  for line in stage.items() do
    for word in line:lower():gmatch("%a+") do
      stage.pass(next_stage, word)
    end
  end
  stage.finish(next_stage)
end

return { main = main }
