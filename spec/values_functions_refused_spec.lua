-- values.md, functions: some cannot cross, and the error names the reason.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"
local code = support.code
local host = support.host
local in_environment = support.in_environment

describe("functions that cannot cross", function()
  before_each(support.reset)
  after_each(support.finish)
  local me = process.pid()

  it("V-22 B-20 are refused for a captured local that cannot, which is named", function()
    local db = io.stderr
    local function query()
      return db
    end
    support.fails("cannot send a userdata (argument 3, local db)", "INVALID", process.send(me, "t", query))
    support.fails(
      "cannot send a userdata (argument 4, .on_sale, local db)",
      "INVALID",
      process.send(me, "t", 1, { on_sale = query })
    )
    support.fails("cannot send a userdata (argument 1, local db)", "INVALID", process.spawn(query, host))
    assert.is_true(support.silent(process.inbox()))
  end)

  it("V-22 name the place inside a captured local, through tables and functions", function()
    local opts = { list = { 1, { log = io.stderr } } }
    local function inner()
      return opts
    end
    local function outer()
      return inner
    end
    support.fails(
      "cannot send a userdata (argument 3, [1], local inner, local opts, .list[2].log)",
      "INVALID",
      process.send(me, "t", { outer })
    )
  end)

  it("V-22 name captured coroutines, channels and builders by their types", function()
    local values = {
      thread = coroutine.create(print),
      channel = channel.new(),
      spawner = process.with_context({}),
      ["function"] = ("a"):gmatch("a"),
    }
    for type_name, value in pairs(values) do
      local text = ("cannot send a %s (argument 3, local value)"):format(type_name)
      support.fails(text, "INVALID", process.send(me, "t", function()
        return value
      end))
    end
  end)

  it("V-22 name an environment that cannot cross", function()
    local place = setfenv and "environment" or "local _ENV"
    support.fails(
      ("cannot send a userdata (argument 3, %s, .out)"):format(place),
      "INVALID",
      process.send(me, "t", in_environment("return out", { out = io.stderr }))
    )
  end)

  it("V-11 V-22 make a result that carries them an abnormal exit", function()
    support.fails("cannot send a userdata (result, .get, local file)", "INVALID", process.exec(code(function()
      local file = io.stdout
      return {
        get = function()
          return file
        end,
      }
    end), host))
  end)

  it("E-12 V-22 B-90 are refused in the details of an error", function()
    local file = io.stderr
    support.raises("cannot send a userdata (details, .f, local file)", errors.new, {
      message = "m",
      details = {
        f = function()
          return file
        end,
      },
    })
  end)

  it("B-38 H-6 B-3 a function that is not written in Lua is no entry", function()
    for _, native in ipairs({ print, time.sleep, process.send, require, coroutine.wrap(print), math.random }) do
      support.fails("entry function must not be a C function", "INVALID", process.spawn(native, host))
      support.fails("entry function must not be a C function", "INVALID", process.exec(native, host))
      support.fails("entry function must not be a C function", "INVALID", process.define("spec.functions:c", native))
    end
    local text = "entry not found: spec.functions:c (no spec/functions/c.lua on package.path)"
    support.fails(text, "NOT_FOUND", process.spawn("spec.functions:c", host))
  end)

  it("B-20 V-22 B-3 define nothing", function()
    local file = io.stderr
    support.fails(
      "cannot send a userdata (argument 2, local file)",
      "INVALID",
      process.define("spec.functions:file", function()
        return file
      end)
    )
    local text = "entry not found: spec.functions:file (no spec/functions/file.lua on package.path)"
    support.fails(text, "NOT_FOUND", process.spawn("spec.functions:file", host))
  end)
end)

describe("bytes that come from outside", function()
  before_each(support.reset)

  it("V-24 stay what they are: a dumped function crosses as a string", function()
    local bytes = string.dump(function() end)
    assert(process.send(process.pid(), "t", bytes))
    assert.are.equal(bytes, support.receive(process.inbox()):payload())
    assert.are.equal(bytes, (process.exec(support.entry("return ..."), host, bytes)))
  end)
end)
