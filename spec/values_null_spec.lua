-- values.md: the null light userdata, as lua-cjson has it.
local process = require "process"
local cjson = require "cjson"
local support = require "spec.support"
local null, host = cjson.null, support.host

describe("the null light userdata", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-28 crosses as itself in messages, arguments, results and captured locals", function()
    assert.are.equal("userdata", type(null))
    process.send(process.pid(), "t", { null, x = null, [null] = "key" })
    local got = process.inbox():receive():payload()
    assert.are.equal(null, got[1])
    assert.are.equal(null, got.x)
    assert.are.equal("key", got[null])
    local back, kind = process.exec(support.code(function(given)
      return { given == null, given, null }
    end), host, null)
    assert.is_nil(kind)
    assert.are.same({ true, null, null }, back)
    assert.are.equal(null, (process.exec(support.code(function(...) return (...) end), host, null)))
  end)

  it("V-28 is what the receiver's own module means by it", function()
    local text = process.exec(support.code(function(given)
      return require("cjson").encode({ a = given })
    end), host, cjson.decode('{"a":null}').a)
    assert.are.equal('{"a":null}', text)
  end)

  it("B-20 B-25 other light userdata does not cross", function()
    if debug.upvalueid then
      local other = debug.upvalueid(function() return null end, 1)
      if type(other) == "userdata" then
        support.fails("cannot send a lightuserdata (argument 3)", "INVALID", process.send(process.pid(), "t", other))
      end
    end
    assert.are.equal(null, process.exec(support.code(function() return null end), host))
  end)
end)
