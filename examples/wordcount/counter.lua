-- A worker: asks the supervisor for a file, counts its words, and hands the tally in when it asks for the next.
local process = require "process"
local words = require "wordcount.words"

local function main(supervisor)
  local tasks = process.listen("task")
  process.send(supervisor, "next")
  while true do
    local task = tasks:receive()
    if not task then
      return "nothing left to do"
    end
    if task.stumble then
      error("stumbled over " .. task.path .. ", on purpose", 0)
    end
    local tally = {}
    words.add_file(tally, task.path, task.times)
    process.send(supervisor, "next", { path = task.path, tally = tally })
  end
end

return { main = main }
