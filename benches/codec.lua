-- W8: one encode and one decode, seen from Lua as a message to oneself.
local support = require "benches.support"

support.define("loopback", [[
  local support = require "benches.support"

  return function(setting, value)
    local self = process.pid()
    local values = process.listen("value")
    return support.rate(setting.span, function(n)
      for _ = 1, n do
        process.send(self, "value", value)
        values:receive()
      end
    end)
  end
]])

support.print("W8/small", support.result("bench:loopback", { n = 1, s = "hello" }), "encode+decode/s")
support.print("W8/t1k", support.result("bench:loopback", require "benches.t1k"), "encode+decode/s")
