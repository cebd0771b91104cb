-- values.md, functions: functions of the standard library and of this one cross by name.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local ctx = require "process.ctx"
local support = require "spec.support"
local code = support.code
local host = support.host

-- Sends the values to this process, and returns the arrived ones as one payload.
local function across(...)
  assert(process.send(process.pid(), "across", ...))
  return support.receive(process.inbox()):payload()
end

describe("functions and tables of the standard library and of this one", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Whether this is a function of the interpreter or of the library under its own name; other modules add some to them.
  local function is_native(value)
    return type(value) == "function"
      and value ~= rawget(_G, "unpack")
      and debug.getinfo(value, "S").short_src:find("^%[") ~= nil
  end

  -- Everything that crosses by its name, as "string.rep" = function: functions, and the tables that hold them.
  local function everything()
    local list = {}
    local libraries = "string table math utf8 coroutine io os debug package bit jit"
    for library in libraries:gmatch("%S+") do
      local fields = rawget(_G, library)
      list[library] = fields
      for name, value in pairs(fields or {}) do
        list[library .. "." .. name] = is_native(value) and value or nil
      end
    end
    for name in ("assert error getmetatable ipairs load next pairs pcall print rawequal rawget rawset require select "
      .. "setmetatable tonumber tostring type xpcall collectgarbage dofile loadfile"):gmatch("%S+") do
      list[name] = rawget(_G, name)
    end
    local ours = { process = process, registry = process.registry, channel = channel, errors = errors, ctx = ctx }
    for module, fields in pairs(ours) do
      list[module] = fields
      for name, value in pairs(fields) do
        list[module .. "." .. name] = is_native(value) and value or nil
      end
    end
    list.time, list["time.sleep"], list["time.now"], list.event = time, time.sleep, time.now, process.event
    return list
  end

  it("V-21 cross as their names: each comes back as what it was", function()
    for name, value in pairs(everything()) do
      assert.are.equal(value, across(value), name)
    end
    assert.are.same(everything(), across(everything()))
  end)

  it("V-21 arrive as the receiver's own", function()
    local list, names = everything(), {}
    for name in pairs(list) do
      names[#names + 1] = name
    end
    assert.is_true(#names > 130)
    local builder = process.with_context({}):with_message("list", list)
    assert.are.equal("", (builder:exec(code(function(all)
      local roots = { registry = process.registry, ctx = require "process.ctx", pg = process.pg, event = process.event }
      local own, wrong = {}, {}
      for _, name in ipairs(all) do
        own[name] = _G
        for part in name:gmatch("[^.]+") do
          own[name] = own[name] == _G and roots[part] or own[name][part]
        end
      end
      for name, value in pairs(process.inbox():receive():payload()) do
        if own[name] ~= value then
          wrong[#wrong + 1] = name
        end
      end
      return table.concat(wrong, " ")
    end), host, names)))
  end)

  it("V-21 work where they arrive, those too that belong to one state", function()
    local random, seed, wrap, exit = math.random, math.randomseed, coroutine.wrap, os.exit
    local x, y = process.exec(code(function()
      seed(1)
      local n = random(10)
      return n >= 1 and n <= 10 and wrap(function()
        return exit ~= nil
      end)()
    end), host)
    assert.is_true(x)
    assert.is_nil(y)
  end)

  it("V-21 arrive as they were when the receiver's state was made, whatever it has done since", function()
    local worker = support.keep(process.spawn_monitored(code(function(parent)
      -- luacheck: push ignore
      local random, upper, send, receive = math.random, string.upper, process.send, process.inbox().receive
      local inbox = process.inbox()
      send(parent, "ready")
      string.upper, math.random, print, time.sleep, channel.select = nil, nil, nil, nil, nil
      coroutine.wrap, process.send, package.loaded.math, math, table, require = nil, nil, nil, nil, nil, nil
      -- luacheck: pop
      local got = receive(inbox):payload()
      got.sleep("1ms")
      got.print()
      return got.upper("a") == "A"
        and got.upper == upper
        and got.math.random == nil
        and got.random(5) <= 5
        and got.random == random
        and type(got.wrap) == "function"
        and got.table.concat({ "x" }) == "x"
        and got.select({ inbox:case_receive(), default = true }).default
        and type(got.require("process")) == "table"
    end), host, process.pid()))
    support.receive(process.inbox())
    assert(process.send(worker, "names", {
      upper = string.upper,
      print = function() end,
      math = math,
      random = math.random,
      sleep = time.sleep,
      wrap = coroutine.wrap,
      table = table,
      select = channel.select,
      require = require,
    }))
    local ev = support.event_of(worker)
    assert.is_nil(ev.error)
    assert.is_true(ev.result)
  end)

  it("V-21 are known to a sender that has removed or replaced them", function()
    local upper, random = string.upper, math.random
    string.upper = function() -- luacheck: ignore
      return "mine"
    end
    math.random = nil -- luacheck: ignore
    local same = process.exec(code(function()
      return upper == string.upper and random == math.random
    end), host)
    local mine = process.exec(code(function(f)
      return f("a")
    end), host, string.upper)
    string.upper, math.random = upper, random -- luacheck: ignore
    assert.is_true(same)
    assert.are.equal("mine", mine)
  end)

  it("V-21 are told from what a script has put in their place before it required the library", function()
    local out = support.output_of([[
      local stock = { random = math.random, wrap = coroutine.wrap }
      math.random = function() return "loaded dice" end
      coroutine.wrap = function() return "own wrap" end
      print = (function(print) return function(...) return print(...) end end)(io.write)
      local process = require "process"
      local random, wrap = math.random, coroutine.wrap
      io.write(process.exec(function()
        return random() .. ", " .. wrap() .. ", " .. type(math.random())
      end, "app:processes"))
    ]], nil, nil, true)
    assert.are.equal("loaded dice, own wrap, number", out)
  end)

  it("V-21 C-33 wait in plain coroutines of the receiver too", function()
    local sleep, select_one, exec, new, wrap = time.sleep, channel.select, process.exec, channel.new, coroutine.wrap
    local spawn = coroutine.spawn
    assert.are.equal("slept selected executed", (process.exec(code(function()
      local ch = new()
      spawn(function()
        sleep("2ms")
        ch:send("selected")
      end)
      local step = wrap(function()
        sleep("1ms")
        coroutine.yield("slept")
        coroutine.yield(select_one({ ch:case_receive() }).value)
        return exec(function()
          return "executed"
        end, host)
      end)
      return step() .. " " .. step() .. " " .. step()
    end), host)))
  end)

  it("B-20 V-21 no other C function has a name: what an iterator or a coroutine is made of stays", function()
    local refused = {
      gmatch = ("a"):gmatch("a"),
      wrapped = coroutine.wrap(function() end),
      lines = io.lines("spec/values_functions_spec.lua"),
    }
    for name, f in pairs(refused) do
      local err = select(2, process.send(process.pid(), "x", { f }))
      assert.are.equal("cannot send a function (argument 3, [1])", tostring(err), name)
      assert.are.equal(errors.INVALID, err:kind())
    end
    support.fails("cannot send a function (argument 3)", "INVALID", process.exec(code(function()
      return nil, select(2, process.send(process.pid(), "x", coroutine.wrap(print)))
    end), host))
  end)
end)
