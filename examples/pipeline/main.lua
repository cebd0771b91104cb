-- A pipeline: each stage is a process that knows only the next one. Text goes in as lines. One stage splits it into
-- words, the next lets long words pass, and the last counts them.
--
--   lua5.4 examples/pipeline/main.lua
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"
local stage = require "pipeline.stage"

local text = [[
Beautiful is better than ugly.
Explicit is better than implicit.
Simple is better than complex.
Complex is better than complicated.
]]

-- Built from its end, so that every stage can be told the next one. The links make the stages fail together: if one
-- dies, none of the others waits for it for ever, nor does the main process.
local counted = process.listen("counted")
local first = process.pid()
for _, entry in ipairs({ "pipeline:count", "pipeline:long", "pipeline:split" }) do
  first = assert(process.spawn_linked(entry, "app:processes", first))
end

for line in text:gmatch("[^\n]+") do
  stage.pass(first, line)
end
stage.finish(first)

for _, entry in ipairs(counted:receive()) do
  print(entry.count, entry.word)
end
