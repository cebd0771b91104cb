-- The last stage: words in; at the end one list of { word = ..., count = ... } out, the commonest first.
local process = require "process"
local stage = require "pipeline.stage"

local function main(customer)
  local counts, list = {}, {}
  for word in stage.items() do
    counts[word] = (counts[word] or 0) + 1
  end
  for word, count in pairs(counts) do
    list[#list + 1] = { word = word, count = count }
  end
  table.sort(list, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    end
    return a.word < b.word
  end)
  process.send(customer, "counted", list)
end

return { main = main }
