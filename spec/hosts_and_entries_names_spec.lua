-- Which values a process finds under which name: globals, modules, and everything that stays as it was.
local support = require "spec.support"
local process = require "process"

describe("globals and module names", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-40 exist in a spawned process before the chunk runs", function()
    assert(process.define("spec.names:globals", [[
      local found = {
        process == require "process", channel == require "channel", time == require "time", errors == require "errors",
        channel == process.channel, time == process.time, errors == process.errors,
        type(coroutine.spawn) == "function", type(process.spawn) == "function",
      }
      return function() return found end
    ]]))
    local event = support.event_of(assert(process.spawn_monitored("spec.names:globals", support.host)))
    for i = 1, 9 do
      assert.is_true(event.result[i], "comparison " .. i)
    end
  end)

  it("H-41 are set in the main process, with raw access", function()
    support.output_of([[
      setmetatable(_G, {
        __index = function(_, name) error("read of " .. name) end,
        __newindex = function(_, name) error("assignment to " .. name) end,
      })
      local module = require "process"
      assert(rawget(_G, "process") == module)
      for _, name in ipairs { "channel", "time", "errors" } do
        assert(type(module[name]) == "table" and rawget(_G, name) == module[name], name)
      end
      assert(type(coroutine.spawn) == "function")
    ]])
  end)

  it("H-41 never replace a value of the main process", function()
    support.output_of([[
      process, channel, time, errors, coroutine.spawn = "mine", false, 0, {}, print
      local mine = errors
      local module = require "process"
      assert(type(module.pid()) == "string")
      assert(process == "mine" and channel == false and time == 0 and errors == mine and coroutine.spawn == print)
    ]])
  end)

  it("H-42 are not set by process.core, which is the same table", function()
    support.output_of([[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local core = require "process.core"
      for name in pairs(_G) do assert(before[name], name) end
      assert(coroutine.spawn == nil)
      assert(core.pid():find("^{main|"))
      assert(require "process" == core)
    ]])
  end)

  it("H-42 H-44 long names work before and after process was required, everywhere", function()
    local names = [[
      for _, name in ipairs { "channel", "errors", "time" } do
        local early = require("process." .. name)
        assert(early == require "process.core"[name])
        assert(early == require "process"[name])
      end
    ]]
    support.output_of(names)
    assert.equal("fine", support.result_of(names .. "return 'fine'"))
  end)

  describe("short names", function()
    -- The code before `require "process"`, and the result of `require "time"` after it.
    local function check(before, expected)
      support.with_folder({ ["library/time.lua"] = "return 'a file'" }, function(folder)
        support.output_of(([[
          local folder = %q
          %s
          local module = require "process"
          assert(require "time" == %s)
          assert(require "process.time" == module.time)
        ]]):format(folder .. "/library", before, expected))
      end)
    end

    it("H-43 give this library's modules where nothing else has the name", function()
      check("", "module.time")
    end)

    it("H-43 stay with a module that is loaded", function()
      check("package.loaded.time = 'loaded'", "'loaded'")
    end)

    it("H-43 stay with a module that is preloaded", function()
      check("package.preload.time = function() return 'preloaded' end", "'preloaded'")
    end)

    it("H-43 stay with a module on package.path", function()
      check("package.path = folder .. '/?.lua;' .. package.path", "'a file'")
    end)

    it("H-43 H-40 follow package.path in a spawned process, the globals do not", function()
      support.with_folder({ ["library/time.lua"] = "return 'a file'" }, function(folder)
        local before = package.path
        package.path = folder .. "/library/?.lua;" .. before
        local pid = support.spawn_monitored([[
          return { require "time", time == process.time, type(time.sleep), require "errors" == errors }
        ]])
        package.path = before
        assert.same({ "a file", true, "function", true }, support.event_of(pid).result)
      end)
    end)
  end)

  it("H-45 lead to the same process when the module is required again", function()
    local again = [[
      local pid, inbox = process.pid(), process.inbox()
      local function fresh()
        package.loaded.process = nil
        return (require "process")
      end
      local tables = { fresh(), coroutine.wrap(fresh)(), fresh() }
      for i, module in ipairs(tables) do
        assert(module.pid() == pid)
        assert(module.inbox() == inbox)
        assert(process.send(pid, "number", i))
        assert(module.inbox():receive():payload() == i)
      end
    ]]
    support.output_of("local process = require 'process'" .. again)
    assert.equal("fine", support.result_of(again .. "return 'fine'"))
  end)

  describe("the libraries of the interpreter", function()
    -- Defines `shape()`: every name of these libraries and of the metatables of types, with its value if asked for.
    local shape = [[
      local function shape(with_values)
        local names = {}
        local function note(place, fields)
          for name, value in pairs(fields or {}) do
            names[#names + 1] = place .. "." .. tostring(name) .. (with_values and tostring(value) or "")
          end
        end
        for _, library in ipairs { "string", "table", "os", "io", "debug" } do note(library, _G[library]) end
        note("nil", debug.getmetatable(nil))
        for _, value in ipairs { "", 0, true, print, coroutine.create(print) } do
          note(type(value), debug.getmetatable(value))
        end
        table.sort(names)
        return table.concat(names, " ")
      end
    ]]

    it("H-46 are the same after require as before", function()
      support.output_of(shape .. [[
        local before = shape(true)
        require "process"
        assert(shape(true) == before)
      ]])
    end)

    it("H-46 have the same names in a spawned process as in the bare interpreter", function()
      local bare = support.output_of(shape .. "io.write(shape())")
      assert.equal(bare, support.result_of(shape .. "return shape()"))
    end)
  end)
end)
