-- Error objects: the error of a failed call, and errors that a program makes itself.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"

-- A call that fails, with its error as the library returns it.
local function library_error()
  return select(2, process.send("nobody.at.home", "topic"))
end

-- An error with everything an error can have.
local function full_error()
  return errors.wrap(errors.wrap(errors.new({
    message = "no such sku",
    kind = errors.NOT_FOUND,
    retryable = true,
    details = { sku = 17, tried = { "a", "b" } },
  }), "loading the shop"), "starting")
end

describe("a failure", function()
  it("E-1 that is returned comes as nil and an error object; without one the second value is nil", function()
    local calls = {
      function() return process.send("nobody.at.home", "topic") end,
      function() return process.spawn("no.such:entry", support.host) end,
      function() return process.monitor("{nobody|0}") end,
      function() return process.listen("") end,
      function() return time.after("soon") end,
      function() return time.parse_duration("soon") end,
    }
    for _, call in ipairs(calls) do
      local result, err = call()
      assert.is_nil(result)
      assert.equal("userdata", type(err))
      assert.equal("string", type(err:kind()))
    end
    assert.same({ false, "userdata" }, { (process.set_options()), type(select(2, process.set_options())) })
    local sent, err = process.send(process.pid(), "topic")
    assert.same({ true, nil }, { sent, err })
    support.reset()
  end)

  it("E-1 of a process arrives as an error object in its EXIT", function()
    local exit = support.exit_of("return nil, 'no stock'")
    assert.equal("userdata", type(exit.error))
    assert.equal("no stock", exit.error:message())
  end)

  it("E-2 that is raised is a plain string with position", function()
    local closed = channel.new()
    closed:close()
    local mistakes = {
      function() local _ = channel.new("ten") end,
      function() local _ = closed:send(1) end,
      function() local _ = process.inbox():send(1) end,
      function() local _ = channel.select({}) end,
      function() local _ = time.sleep("soon") end,
      function() local _ = errors.new(1) end,
      function() local _ = process.listen("topic", 1) end,
    }
    for _, mistake in ipairs(mistakes) do
      local line = debug.getinfo(mistake, "S").linedefined
      local ok, message = pcall(mistake)
      assert.is_false(ok)
      assert.equal("string", type(message))
      assert.matches("errors_spec.lua:" .. line .. ": ", message, 1, true)
    end
  end)
end)

describe("an error object", function()
  it("E-3 concatenates with strings and with other errors", function()
    local err, other = errors.new("no ink"), errors.wrap("no paper", "printing")
    assert.equal("failed: no ink", "failed: " .. err)
    assert.equal("no ink!", err .. "!")
    assert.equal("no inkprinting: no paper", err .. other)
    assert.equal("2 x no ink", 2 .. " x " .. err)
  end)

  it("E-3 shows its contexts, outermost first, then its message", function()
    local err = full_error()
    assert.equal("starting: loading the shop: no such sku", tostring(err))
    assert.equal("starting: loading the shop: no such sku", string.format("%s", err))
  end)

  it("E-4 tells kind, message, retryable, details and stack", function()
    local err = full_error()
    assert.equal(errors.NOT_FOUND, err:kind())
    assert.equal("no such sku", err:message())
    assert.is_true(err:retryable())
    assert.same({ sku = 17, tried = { "a", "b" } }, err:details())
    assert.equal("string", type(err:stack()))
  end)

  it("E-4 knows no more than it was told", function()
    local err = errors.new("bare")
    assert.equal("", err:kind())
    assert.is_nil(err:retryable())
    assert.is_nil(err:details())
  end)

  it("E-5 has the methods of the string library, for its text", function()
    local err, text = errors.wrap("Not found: {42}", "looking"), "looking: Not found: {42}"
    assert.equal(#text, #err)
    local calls = {
      { "find", "not found" }, { "find", "Not found" }, { "find", "{", 1, true }, { "match", "{.-}" }, { "lower" },
      { "upper" }, { "len" }, { "sub", 3, -2 }, { "byte", 1, 4 }, { "rep", 2 }, { "reverse" }, { "gsub", "o", "0" },
      { "format" },
    }
    for _, call in ipairs(calls) do
      local method = call[1]
      local arguments = { support.unpack(call, 2) }
      assert.same({ string[method](text, support.unpack(arguments)) }, { err[method](err, support.unpack(arguments)) })
    end
    local words = {}
    for word in err:gmatch("%a+") do
      words[#words + 1] = word
    end
    assert.same({ "looking", "Not", "found" }, words)
  end)

  it("E-6 is no string where stock Lua asks for a real one", function()
    local err = errors.new("text")
    assert.is_false(pcall(string.find, err, "text"))
    assert.is_false(pcall(table.concat, { err }))
    assert.is_false(pcall(io.write, err))
    assert.is_false(err == "text")
  end)

  it("E-7 is userdata, cannot be changed, and is equal only to itself", function()
    local err = errors.new("text")
    assert.equal("userdata", type(err))
    assert.is_false(pcall(function()
      err.code = 1
    end))
    assert.is_true(err == err) -- luacheck: ignore 571
    assert.is_false(err == errors.new("text"))
  end)

  it("E-7 has no other keys, unless the string library gets them", function()
    local err = errors.new("text")
    assert.is_nil(err.code)
    assert.is_nil(err[1])
    string.code = function(text, more) -- luacheck: ignore 142
      return text .. more
    end
    local code = err:code("!")
    string.code = nil -- luacheck: ignore 142
    assert.equal("text!", code)
    assert.is_nil(err.code)
  end)

  it("E-9 of the library has a kind and knows whether to retry", function()
    assert(process.define_host("spec.errors:one", { max_processes = 1 }))
    local parked = assert(process.spawn(support.entry(support.parked), "spec.errors:one"))
    local cases = {
      { errors.NOT_FOUND, false, library_error() },
      { errors.NOT_FOUND, false, select(2, process.spawn("app:processes", "no.such:host")) },
      { errors.INVALID, false, select(2, process.listen("")) },
      { errors.INVALID, false, select(2, time.after(0)) },
      { errors.UNAVAILABLE, true, select(2, process.spawn(support.entry(""), "spec.errors:one")) },
    }
    for _, case in ipairs(cases) do
      local kind, retryable, err = support.unpack(case)
      assert.same({ kind, retryable }, { err:kind(), err:retryable() }, tostring(err))
    end
    support.kill(parked)
  end)
end)

describe("an error object on its way", function()
  before_each(support.reset)
  after_each(support.finish)

  local function assert_arrived(expected, err)
    assert.equal("userdata", type(err))
    assert.is_false(expected == err)
    assert.equal(tostring(expected), tostring(err))
    for _, method in ipairs({ "kind", "message", "retryable", "details", "stack" }) do
      assert.same(expected[method](expected), err[method](err), method)
    end
  end

  local originals = {
    ["with everything"] = full_error,
    ["with nothing"] = function() return errors.new("bare") end,
    ["made by the library"] = library_error,
  }
  for name, make in pairs(originals) do
    it("E-8 " .. name .. " may be sent", function()
      local err = make()
      assert(process.send(process.pid(), "error", { err }))
      assert_arrived(err, support.receive(process.inbox()):payload()[1])
    end)

    it("E-8 " .. name .. " may be passed to spawn and returned", function()
      local err = make()
      assert_arrived(err, support.result_of("return ...", err))
      assert_arrived(err, support.exit_of("return nil, ...", err).error)
    end)

    it("E-8 " .. name .. " may be raised in `main`: it is the exit error", function()
      local err = make()
      local arrived = support.exit_of("error(...)", err).error
      if err:stack() == "" then
        -- An error that never had a stack has the stack of the place where it was raised (spec/errors_stack_spec.lua).
        assert.matches("spec.inline:e", arrived:stack(), 1, true)
        arrived = support.exit_of("return nil, ...", err).error
      end
      assert_arrived(err, arrived)
    end)
  end
end)

describe("the errors module", function()
  it("E-10 names the kinds", function()
    local kinds = {
      NOT_FOUND = "NotFound", ALREADY_EXISTS = "AlreadyExists", INVALID = "Invalid",
      PERMISSION_DENIED = "PermissionDenied", UNAVAILABLE = "Unavailable", INTERNAL = "Internal",
      CANCELED = "Canceled", CONFLICT = "Conflict", TIMEOUT = "Timeout", RATE_LIMITED = "RateLimited", UNKNOWN = "",
    }
    for field, value in pairs(kinds) do
      assert.equal(value, errors[field], field)
    end
  end)

  it("E-11 makes an error from a message", function()
    local err = errors.new("no ink")
    assert.same({ "no ink", "" }, { err:message(), err:kind() })
    assert.is_nil(err:retryable())
    assert.is_nil(err:details())
  end)

  it("E-11 makes an error from fields; empty details count as none, unknown fields are ignored", function()
    local err = errors.new({ message = "no ink", kind = "Dry", retryable = false, details = {}, colour = "blue" })
    assert.same({ "no ink", "Dry", false }, { err:message(), err:kind(), err:retryable() })
    assert.is_nil(err:details())
    assert.is_nil(err.colour)
  end)

  it("E-11 notes the stack of the call", function()
    local function printing_office()
      local err = errors.new("no ink")
      return err
    end
    local line = debug.getinfo(printing_office, "S").linedefined + 1
    local err = printing_office()
    assert.matches("errors_spec.lua:" .. line, err:stack(), 1, true)
    assert.matches("printing_office", err:stack(), 1, true)
  end)

  it("E-12 copies details, at the call and each time they are asked for", function()
    local details = { list = { 1 } }
    details.itself = details
    local err = errors.new({ message = "x", details = details })
    details.list[1] = 2
    local first, second = err:details(), err:details()
    assert.equal(1, first.list[1])
    assert.is_true(first.itself == first)
    assert.is_false(first == second)
    first.list[1] = 3
    assert.equal(1, second.list[1])
    assert.equal(1, err:details().list[1])
  end)

  it("E-13 takes one argument: there is no (kind, message) form", function()
    assert.is_false(pcall(errors.new, errors.NOT_FOUND, "no such sku"))
    assert.is_false(pcall(errors.new, {}))
    assert.is_false(pcall(errors.new, { message = 1 }))
  end)

  it("E-14 wraps an error: a new one with one more context and the same rest", function()
    local inner = errors.new({ message = "no such sku", kind = errors.NOT_FOUND, retryable = false, details = { 17 } })
    local outer = errors.wrap(inner, "loading the shop")
    assert.equal("loading the shop: no such sku", tostring(outer))
    assert.equal("no such sku", tostring(inner))
    for _, method in ipairs({ "kind", "message", "retryable", "details", "stack" }) do
      assert.same(inner[method](inner), outer[method](outer), method)
    end
  end)

  it("E-14 wraps a string as a new error", function()
    local err = errors.wrap("no ink", "printing")
    assert.same({ "printing: no ink", "no ink", "" }, { tostring(err), err:message(), err:kind() })
  end)

  it("E-14 B-1 wraps nothing else", function()
    for _, value in ipairs({ 1, true, {}, print, io.stdout, channel.new() }) do
      assert.matches("^#1 %(", support.bad_argument(errors.wrap, value, "context"))
    end
    assert.matches("^#1 %(", support.bad_argument(errors.wrap))
    assert.matches("^#2 %(string expected, got n", support.bad_argument(errors.wrap, "no ink"))
  end)

  it("E-15 tells whether a value is an error of a kind, whatever the value", function()
    assert.is_true(errors.is(full_error(), errors.NOT_FOUND))
    assert.is_true(errors.is(library_error(), errors.NOT_FOUND))
    assert.is_true(errors.is(errors.new("bare"), errors.UNKNOWN))
    assert.is_false(errors.is(full_error(), errors.INVALID))
    assert.is_false(errors.is(full_error(), nil))
    for _, value in ipairs({ "NotFound", 1, true, {}, print, io.stdout, channel.new() }) do
      assert.is_false(errors.is(value, errors.NOT_FOUND))
      assert.is_false(errors.is(value, value))
    end
    assert.is_false(errors.is(nil, errors.UNKNOWN))
    assert.is_false(errors.is())
  end)
end)
