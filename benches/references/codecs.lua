-- W8 of another codec, named like a host on the command line: a module with the functions encode and decode.
local support = require "benches.support"

local found, codec = pcall(require, arg[2])
if not found then
  return
end

local encode, decode = codec.encode, codec.decode
for id, value in pairs { ["W8/small"] = { n = 1, s = "hello" }, ["W8/t1k"] = require "benches.t1k" } do
  support.print(id, support.rate(0.4 * support.scale, function(n)
    for _ = 1, n do
      decode(encode(value))
    end
  end), "encode+decode/s")
end
