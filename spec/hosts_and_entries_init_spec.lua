-- luacheck: no max line length
-- Hosts with a module that every process requires first: for loaders of other languages, paths, or a shared set-up.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local hosts = 0

-- Calls fn(host, folder) with a host whose init module has this source.
local function with_init(source, fn, options)
  hosts = hosts + 1
  local module = "spec_init_" .. hosts
  support.with_folder({ [module .. ".lua"] = source, ["spec_init_entry.lua"] = "return {}" }, function(folder)
    local path = package.path
    package.path = folder .. "/?.lua;" .. path
    local all = { init = module }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    local ok, err = pcall(fn, border.host(all), folder, module)
    package.path = path
    if not ok then
      error(err, 0)
    end
  end)
end

local function result_of(pid)
  local ev = support.event_of(assert(pid))
  if ev.error then
    error("the process failed: " .. ev.error, 2)
  end
  return ev.result
end

describe("the init module of a host", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-32 is required before the chunk of the entry runs", function()
    with_init("order = { ... } order[#order + 1] = 'init'", function(host, _, module)
      assert(process.define("spec.init:order", [[
        order[#order + 1] = "chunk"
        return { main = function() order[#order + 1] = "main" return order end }
      ]]))
      local order = result_of(process.spawn_monitored("spec.init:order", host))
      assert.equal(module, order[1])
      assert.equal("main", table.remove(order))
      assert.equal("chunk", table.remove(order))
      assert.equal("init", table.remove(order))
    end)
  end)

  it("H-32 is a module like others: required once, and loaded", function()
    with_init("count = (count or 0) + 1 return { count = count }", function(host, _, module)
      assert(process.define("spec.init:again", [[
        return { main = function(name) return { require(name).count, count } end }
      ]]))
      assert.same({ 1, 1 }, result_of(process.spawn_monitored("spec.init:again", host, module)))
    end)
  end)

  it("H-32 is required before a function that is the entry", function()
    with_init("ready = 'ready'", function(host)
      local main = assert((loadstring or load)("return ready"))
      assert.equal("ready", result_of(process.spawn_monitored(main, host)))
      assert(process.define("spec.init:function", main))
      assert.equal("ready", result_of(process.spawn_monitored("spec.init:function", host)))
    end)
  end)

  it("H-32 is required again when the process is upgraded", function()
    with_init("ready = 'ready'", function(host)
      local entry = support.entry [[
        local turn = ...
        if turn == 2 then return ready end
        ready = nil
        process.upgrade(nil, 2)
      ]]
      assert.equal("ready", result_of(process.spawn_monitored(entry, host, 1)))
    end)
  end)

  it("H-32 can load entries' modules in its own way", function()
    local source = [[
      local searchers = package.searchers or package.loaders
      table.insert(searchers, 2, function(name)
        if name:find("^made%.") then
          return function() return { name = name:upper() } end
        end
      end)
    ]]
    with_init(source, function(host)
      local entry = support.entry "return require('made.up').name"
      assert.equal("MADE.UP", result_of(process.spawn_monitored(entry, host)))
    end)
  end)

  it("H-32 may use the library, wait and spawn", function()
    with_init(
      [[
        require("process.time").sleep("1ms")
        started = process.pid()
        process.send(started, "from init")
      ]],
      function(host)
        local entry = support.entry "return { started == process.pid(), process.inbox():receive():topic() }"
        assert.same({ true, "from init" }, result_of(process.spawn_monitored(entry, host)))
      end
    )
  end)

  it("H-32 L-11 fails the process when it fails, with that error", function()
    with_init("error('no such dialect')", function(host, folder, module)
      local entry = support.entry "return 'ran'"
      local err = support.event_of(assert(process.spawn_monitored(entry, host))).error
      assert.equal(("%s/%s.lua:1: no such dialect"):format(folder, module), tostring(err))
      local _, executed = process.exec(entry, host)
      assert.is_truthy(tostring(executed):find("no such dialect", 1, true))
    end)
    with_init("error(require('process.errors').new({ message = 'typed', kind = 'Conflict' }), 0)", function(host)
      local err = support.event_of(assert(process.spawn_monitored(support.entry "return 1", host))).error
      assert.equal("typed", tostring(err))
      assert.equal("Conflict", err:kind())
    end)
    with_init("this is no Lua", function(host, _, module)
      local err = support.event_of(assert(process.spawn_monitored(support.entry "return 1", host))).error
      assert.is_truthy(tostring(err):find(module .. ".lua:1:", 1, true), tostring(err))
    end)
  end)

  it("H-32 fails the process when it is not found on package.path", function()
    local host = border.host({ init = "spec_init.nowhere" })
    local err = support.event_of(assert(process.spawn_monitored(support.entry "return 1", host))).error
    assert.is_truthy(tostring(err):find("module 'spec_init.nowhere' not found", 1, true))
  end)

  it("H-32 reports a failure that nobody watches, like any other", function()
    local ran = support.run [[
      local process = require "process"
      assert(process.define_host("demo:host", { init = "spec_init.nowhere" }))
      assert(process.define("demo:entry", "return { main = function() end }"))
      assert(process.spawn("demo:entry", "demo:host"))
      process.wait("20s")
    ]]
    assert.equal(0, ran.code)
    assert.is_truthy(ran.err:find("(demo:entry) failed: ", 1, true))
    assert.is_truthy(ran.err:find("module 'spec_init.nowhere' not found", 1, true))
  end)

  it("H-32 H-25 can be set for app:processes", function()
    support.with_folder({ ["spec_init_app.lua"] = "ready = 'ready'" }, function(folder)
      local out = support.output_of(([[
        package.path = %q .. "/?.lua;" .. package.path
        local process = require "process"
        assert(process.define_host("app:processes", { init = "spec_init_app" }))
        assert(process.define("demo:entry", "return { main = function() return ready end }"))
        print(process.exec("demo:entry", "app:processes"), process.host_info("app:processes").init, ready)
      ]]):format(folder))
      assert.equal("ready\tspec_init_app\tnil\n", out)
    end)
  end)

  it("H-32 H-31 is for a restricted host with the library package", function()
    with_init("ready = 'ready'", function(host)
      local entry = support.entry "return { ready, tostring(io) }"
      assert.same({ "ready", "nil" }, result_of(process.spawn_monitored(entry, host)))
    end, { libs = { "base", "string", "package" }, max_processes = 5, mailbox_limit = 10, memory_limit = 10000000 })
  end)

  it("H-32 B-39 is a module name", function()
    for got, init in pairs({ table = {}, boolean = true, number = 1 }) do
      local text = "init: string expected, got " .. got
      support.fails(text, "INVALID", process.define_host("spec.init:bad", { init = init }))
    end
    support.fails("host not found: spec.init:bad", "NOT_FOUND", process.host_info("spec.init:bad"))
  end)
end)
