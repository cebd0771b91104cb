-- Values that cannot cross: how the refusal names type and place; misuse of the errors module.
local process = require "process"
local channel = require "process.channel"
local errors = require "process.errors"
local support = require "spec.support"

-- A message object of this process.
local function message()
  process.send(process.pid(), "limits")
  return support.receive(process.inbox())
end

-- Values that refuse to cross, by the name in their refusal: functions that make one.
local refused = {
  ["function"] = {
    ["a C function that is not of the standard library"] = function() return ("x"):gmatch("x") end,
  },
  thread = {
    ["a coroutine"] = function() return coroutine.create(print) end,
    ["the handle of a managed coroutine"] = function() return coroutine.spawn(function() end) end,
  },
  userdata = {
    ["a file"] = function() return io.stdout end,
  },
  lightuserdata = {
    ["a light userdata"] = function()
      local captured = true
      return debug.upvalueid(function() return captured end, 1)
    end,
  },
  channel = {
    ["a plain channel"] = function() return channel.new() end,
    ["a mailbox channel"] = function() return process.inbox() end,
  },
  ["select case"] = {
    ["a receive case"] = function() return channel.new():case_receive() end,
    ["a send case"] = function() return channel.new():case_send(1) end,
  },
  message = {
    ["a message object"] = message,
  },
}

if support.jit then
  local ffi = require "ffi"
  refused.userdata["a proxy"] = function() return rawget(_G, "newproxy")() end
  refused.cdata = {
    ["a boxed integer"] = function() return ffi.cast("int64_t", 1) end,
    ["a struct"] = function() return ffi.new("struct { int x; }") end,
    ["a pointer"] = function() return ffi.cast("void *", 0) end,
  }
end

-- Places where a value may stand: the place that the error names, and function(value) that returns nil, err. It gets
-- the "source" of a value where a child returns it; the details of an error are "raised" as a string.
local places = {
  { "argument 3", function(v) return process.send(process.pid(), "limits", v) end },
  { "argument 5", function(v) return process.send(process.pid(), "limits", nil, "x", v) end },
  { "argument 3, .log", function(v) return process.send(process.pid(), "limits", { log = v }) end },
  { "argument 4, [1].on_sale", function(v) return process.send(process.pid(), "limits", 1, { { on_sale = v } }) end },
  { "argument 3, .a.b[2][1]", function(v)
    return process.send(process.pid(), "limits", { a = { b = { "x", { v } } } })
  end },
  { "argument 3, key of [2]", function(v) return process.send(process.pid(), "limits", { "x", { [v] = true } }) end },
  { "result", function(v) return nil, support.exit_of("return " .. v).error end, "source" },
  { "result, [1].log", function(v)
    return nil, support.exit_of("return { { log = " .. v .. " } }").error
  end, "source" },
  { "details, .log", function(v)
    return nil, support.raised(errors.new, { message = "x", details = { log = v } })
  end, "raised" },
}
for argument, name in pairs({ [3] = "spawn", [4] = "spawn_monitored", [5] = "spawn_linked_monitored" }) do
  table.insert(places, { "argument " .. argument, function(v)
    local arguments = { support.entry(""), support.host }
    arguments[argument] = v
    return process[name](support.unpack(arguments, 1, argument))
  end })
end

describe("a value that cannot cross", function()
  before_each(support.reset)
  after_each(support.finish)

  for type_name, makers in pairs(refused) do
    for what, make in pairs(makers) do
      it("B-20 B-25 is named `" .. type_name .. "` if it is " .. what, function()
        support.fails(("cannot send a %s (argument 3)"):format(type_name), "INVALID",
          process.send(process.pid(), "limits", make()))
        assert.is_nil(support.waiting(process.inbox()))
      end)
    end
  end

  for _, case in ipairs(places) do
    local place, try, kind = support.unpack(case)
    it("B-20 B-25 is placed in `" .. place .. "`", function()
      local result, err = try(kind == "source" and "io.stdout" or io.stdout)
      local text = ("cannot send a userdata (%s)"):format(place)
      if kind == "raised" then
        assert.equal(text, err) -- B-90
      else
        support.fails(text, "INVALID", result, err)
        assert.is_false(err:retryable())
      end
    end)
  end

  it("B-25 is named once, if there are several", function()
    local _, err = process.send(process.pid(), "limits", { coroutine.create(print), io.stdout }, channel.new())
    assert.matches("^cannot send a [%a ]+ %(argument [34][^()]*%)$", tostring(err))
  end)

  for _, field in ipairs({ "topic", "payload", "from" }) do
    it("B-23 is explained if it is an uncalled msg." .. field, function()
      local view = message()[field]
      local text = "cannot send a message field (%s): call it, as in msg:topic()"
      support.fails(text:format("argument 3"), "INVALID", process.send(process.pid(), "limits", view))
      support.fails(text:format("argument 4, .field"), "INVALID",
        process.spawn(support.entry(""), support.host, 1, { field = view }))
    end)
  end
end)

describe("errors.new", function()
  for type_name, makers in pairs(refused) do
    for what, make in pairs(makers) do
      it("B-90 raises if " .. what .. " is among the details", function()
        assert.equal(("cannot send a %s (details, .it)"):format(type_name),
          support.raised(errors.new, { message = "x", details = { it = make() } }))
      end)
    end
  end

  it("B-91 raises unless it gets one message, or one table with a message", function()
    local usage = "errors.new takes a message or a table with a message"
    for _, wrong in ipairs({ 1, true, print, channel.new(), errors.new("x") }) do
      assert.equal(usage, support.raised(errors.new, wrong))
    end
    assert.equal(usage, support.raised(errors.new))
    assert.equal(usage, support.raised(errors.new, errors.NOT_FOUND, "no such sku"))
    assert.equal(usage, support.raised(errors.new, {}))
  end)

  it("B-91 raises if a field has a wrong type", function()
    local fields = { message = "string", kind = "string", retryable = "boolean", details = "table" }
    for field, type_name in pairs(fields) do
      for _, wrong in ipairs({ 1, print, channel.new() }) do
        local call = { message = "x" }
        call[field] = wrong
        assert.equal(("errors.new: %s must be a %s"):format(field, type_name), support.raised(errors.new, call))
      end
    end
  end)
end)
