-- W13: 100,000 records go through three stages, each of which changes them and sends them on.
local support = require "benches.support"

support.define("stage", [[
  return function(after, count)
    local records = process.listen("record")
    for _ = 1, count do
      local record = records:receive()
      record.n = record.n + 1
      process.send(after, "record", record)
    end
  end
]])

support.define("source", [[
  local support = require "benches.support"

  return function(setting, count)
    local records = process.listen("record")
    local first = process.pid()
    for _ = 1, 3 do
      first = assert(process.spawn("bench:stage", setting.host, first, count))
    end
    local seconds = support.seconds(function()
      for i = 1, count do
        process.send(first, "record", { n = i, s = "hello" })
      end
      for _ = 1, count do
        records:receive()
      end
    end)
    return count / seconds
  end
]])

support.print("W13", support.result("bench:source", support.count(100000)), "records/s")
