-- W8: one encode and one decode, seen from Lua as a message to oneself. W8n: the same for arrays of 1,000 numbers.
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

local whole, broken = {}, {}
for i = 1, 1000 do
  whole[i], broken[i] = i, i + 0.5
end
support.print("W8n/integers", support.result("bench:loopback", whole) * 1000, "numbers/s")
support.print("W8n/floats", support.result("bench:loopback", broken) * 1000, "numbers/s")
