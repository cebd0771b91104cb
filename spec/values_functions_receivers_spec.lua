-- values.md, functions: a function that crosses by name arrives as the receiver's own, on every kind of host.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"
local border = require "spec.support.border"
local fails, code = support.fails, support.code

local libraries = "string table math coroutine io os debug package "
  .. (support.jit and "bit jit ffi" or "utf8")
local with_package = { dofile = true, loadfile = true, module = true }

-- Whether this is a function of the interpreter, or a table.
local function is_named(value)
  return type(value) == "function" and debug.getinfo(value, "S").short_src:find("^%[") ~= nil
end

-- All functions and tables of the standard library: name, value, library.
local function standard()
  local list = {}
  local function add(name, value, library)
    list[#list + 1] = { name = name, value = value, library = library }
  end
  for library in libraries:gmatch("%S+") do
    local ok, fields = pcall(require, library)
    if ok then
      add(library, fields, library)
      for name, value in pairs(fields) do
        -- Other modules put `unpack` into `table`, and LuaJIT puts required functions there.
        local foreign = library == "table" and (value == rawget(_G, "unpack") or name == "new" or name == "clear")
        if is_named(value) and not foreign then
          add(library .. "." .. name, value, library)
        end
      end
    end
  end
  for name, value in pairs(_G) do
    local known = name ~= "unpack" or support.jit
    if known and type(name) == "string" and is_named(value) and not support.busted[name] then
      add(name, value, with_package[name] and "package" or "base")
    end
  end
  return list
end

-- Globals that are functions of the interpreter but were put there by others.
support.busted = {}
for name in pairs(_G) do
  support.busted[name] = true
end
for name in ("assert error getmetatable ipairs load loadstring next pairs pcall print rawequal rawget rawset require "
  .. "select setmetatable tonumber tostring type xpcall collectgarbage dofile loadfile module newproxy getfenv "
  .. "setfenv"):gmatch("%S+") do
  support.busted[name] = nil
end

-- Compares the values that arrive under names with the values under these names here: the names that differ.
local COMPARE = [[
  local list = ...
  local wrong = {}
  for name, value in pairs(list) do
    local own = _G
    for part in name:gmatch("[^.]+") do
      own = own and own[part]
    end
    if own == nil then
      own = require(name:match("^[^.]+"))
      if name:find(".", 1, true) then
        own = own[name:match("[^.]+$")]
      end
    end
    if not rawequal(own, value) then
      wrong[#wrong + 1] = name
    end
  end
  return table.concat(wrong, " ")
]]

describe("a receiver with few libraries", function()
  before_each(support.reset)
  after_each(support.finish)

  local all = standard()
  local others = { "base" }
  for library in libraries:gmatch("%S+") do
    if pcall(require, library) then
      others[#others + 1] = library
    end
  end

  for _, library in ipairs(others) do
    it("V-21 H-31 B-20 gets its own of what it has, and refuses the rest: " .. library, function()
      local host = border.restricted({ libs = { "base", "table", "string", library } })
      local granted = { base = true, table = true, string = true, [library] = true }
      local pid = assert(process.spawn(support.entry(support.parked), host))
      local given, count = {}, 0
      for _, entry in ipairs(all) do
        if granted[entry.library] then
          given[entry.name], count = entry.value, count + 1
        else
          local text = ("cannot send a %s (argument 3)"):format(type(entry.value))
          fails(text, "INVALID", process.send(pid, "t", entry.value))
        end
      end
      assert.is_true(count > 40)
      assert.equal("", border.run(host, COMPARE, given))
      assert(process.terminate(pid))
    end)
  end

  it("V-21 gets its own if it has everything, and on a host without limits", function()
    local given = {}
    for _, entry in ipairs(all) do
      given[entry.name] = entry.value
    end
    local host = border.restricted({ libs = process.host_info("app:processes").libs })
    assert.equal("", border.run(host, COMPARE, given))
    assert.equal("", border.run(support.host, COMPARE, given))
  end)

  local bytes = string.dump(function()
    return "it ran"
  end)
  local loaders = { load = load, loadstring = rawget(_G, "loadstring") }

  -- The ways in which a function comes to a restricted process. Each says whether it is the receiver's own,
  -- as far as that can be seen, and how it treated a binary chunk.
  local ways = {
    argument = function(host, f)
      local body = "local f, bytes = ... return { rawequal(f, load) or rawequal(f, loadstring), (f(bytes)) }"
      return border.run(host, body, f, bytes)
    end,
    ["captured local"] = function(host, f)
      return border.run(host, "local f, bytes = ... return f(bytes)", function(chunk)
        return { true, (f(chunk)) }
      end, bytes)
    end,
    ["captured by what is captured"] = function(host, f)
      local function inner(chunk)
        return (f(chunk))
      end
      return (process.exec(code(function(chunk)
        return { true, inner(chunk) }
      end), host, bytes))
    end,
    ["in tables, as key and value"] = function(host, f)
      local body = "local t, bytes = ... local k, v = next(t[1]) return { k == v, (k(bytes)) or (v(bytes)) }"
      return border.run(host, body, { { [f] = f } }, bytes)
    end,
    message = function(host, f)
      local pid = assert(process.spawn_monitored(support.entry [[
        local msg = process.inbox():receive():payload()
        return { true, (msg.f(msg.bytes)) }
      ]], host))
      assert(process.send(pid, "t", { f = f, bytes = bytes }))
      return support.event_of(pid).result
    end,
    ["wrapped payload"] = function(host, f)
      process.set_options({ wrapped = true })
      assert(process.send(process.pid(), "t", f))
      local wrapped = support.receive(process.inbox()):payload()
      process.set_options({ wrapped = false })
      return border.run(host, "local f, bytes = ... return { true, (f(bytes)) }", wrapped, bytes)
    end,
    ["first message"] = function(host, f)
      local entry = support.entry "local m = process.inbox():receive():payload() return { true, (m[1](m[2])) }"
      return (process.with_context({}):with_message("t", f, bytes):exec(entry, host))
    end,
    ["context value"] = function(host, f)
      local entry = support.entry "local bytes = ... return { true, (process.ctx.get('f')(bytes)) }"
      return (process.with_context({ f = f }):exec(entry, host, bytes))
    end,
    ["details of an error"] = function(host, f)
      local err = errors.new({ message = "m", details = { f = f } })
      return border.run(host, "local e, bytes = ... return { true, (e:details().f(bytes)) }", err, bytes)
    end,
    ["result of a child"] = function(host, f)
      assert(process.define("spec.receivers:get", function()
        return f
      end))
      local body = "local bytes, host = ... return { true, (process.exec('spec.receivers:get', host)(bytes)) }"
      return border.run(host, body, bytes, host)
    end,
    ["definition"] = function(host, f)
      assert(process.define("spec.receivers:fn", function(chunk)
        return { true, (f(chunk)) }
      end))
      return (process.exec("spec.receivers:fn", host, bytes))
    end,
    ["import"] = function(host, f)
      assert(process.define("spec.receivers:module", function(chunk)
        return (f(chunk))
      end))
      assert(process.define("spec.receivers:main", {
        source = "return { main = function(bytes) return { true, (require('m')(bytes)) } end }",
        imports = { m = "spec.receivers:module" },
      }))
      return (process.exec("spec.receivers:main", host, bytes))
    end,
    ["upgrade"] = function(host, f)
      assert(process.define("spec.receivers:next", "return { main = function(f, b) return { true, (f(b)) } end }"))
      return border.run(host, "local f, bytes = ... process.upgrade('spec.receivers:next', f, bytes)", f, bytes)
    end,
    ["upgrade with nil"] = function(host, f)
      return (process.exec(code(function(chunk, again)
        if not again then
          process.upgrade(nil, chunk, true)
        end
        return { true, (f(chunk)) }
      end), host, bytes))
    end,
  }
  for way, go in pairs(ways) do
    it("V-21 H-31 loads text alone, however `load` comes to it: " .. way, function()
      for name, f in pairs(loaders) do
        local got = go(border.restricted({ libs = { "base", "table" } }), f)
        assert.is_table(got, name)
        assert.is_true(got[1], name)
        assert.is_nil(got[2], name)
      end
    end)
  end

  it("V-21 H-31 has its own `require` and `print`, captured by what others send", function()
    local req, out = require, print
    local got = process.exec(code(function()
      return { pcall(req, "io"), rawequal(req, require), rawequal(out, print), req "process" == process }
    end), border.restricted())
    assert.are.same({ false, true, true, true }, got)
  end)

  if support.jit then
    it("H-31 gets no `ffi` by a number of 64 bits", function()
      local body = [[
        assert(load("return 1LL"))
        return { pcall(require, "ffi") }
      ]]
      assert.is_false(border.run(border.restricted(), body)[1])
    end)
  end
end)

describe("a main process that has taken away some of its own", function()
  it("V-21 B-20 refuses what is of a library that it lacks, and has what it has", function()
    local out = support.output_of([[
      local print, pairs = print, pairs
      io = nil
      package.loaded.io = nil
      math.random = nil
      if jit then _G.pairs, _G.getmetatable = function(t) return pairs(t) end, nil end
      local process = require "process"
      local function get(expression)
        process.define("main:get", "return function() return " .. expression .. " end")
        return process.exec("main:get", "app:processes")
      end
      for _, lacking in ipairs { "io", "io.write", "{ io.stdout.write }" } do
        print(select(2, get(lacking)))
      end
      print(pcall((get("math.random"))))
      print(get("math.floor") == math.floor, get("print") == print, get("pairs")({ 1 }) ~= nil)
      print(not jit or not pcall((get("getmetatable")), 1))
    ]], nil, nil, true)
    local refused = "cannot send a function (result) to host main\n"
    local gone = "false\tmath.random is not there any more in this process\n"
    assert.are.equal(refused:rep(3) .. gone .. "true\ttrue\ttrue\ntrue\n", out)
  end)
end)

describe("methods, and functions that others give", function()
  before_each(support.reset)
  after_each(support.finish)
  local host = support.host

  -- Whether a Lua function works where it arrives.
  local function works(fn)
    assert.is_true((process.exec(code(fn), host)))
  end

  it("V-21 cross by their names: those of channels, messages, payloads and builders", function()
    local ch = channel.new()
    local receive, send, close, case = ch.receive, ch.send, ch.close, ch.case_receive
    works(function()
      local own = channel.new(1)
      send(own, 5)
      local got = receive(own) == 5
      send(own, 6)
      got = got and channel.select({ case(own) }).value == 6
      close(own)
      return got and receive(own) == nil and receive == own.receive
    end)
    local builder = process.with_context({})
    local with_name, with_message, exec, spawn = builder.with_name, builder.with_message, builder.exec, builder.spawn
    works(function()
      local own = with_message(with_name(process.with_context({}), "spec.receivers"), "t", 1)
      return exec(own, function()
        return process.inbox():receive():payload() == 1
      end, "app:processes") and type(spawn) == "function"
    end)
    process.set_options({ wrapped = true })
    assert(process.send(process.pid(), "t", 1))
    local data = support.receive(process.inbox()):payload().data
    process.set_options({ wrapped = false })
    works(function()
      process.set_options({ wrapped = true })
      assert(process.send(process.pid(), "t", 7))
      return data(process.inbox():receive():payload()) == 7
    end)
  end)

  it("V-21 cross by their names: those of times, durations, places, timers and tickers", function()
    local unix, add = time.now().unix, time.now().add
    local seconds, name = time.parse_duration("1s").seconds, time.utc.string
    local timer, ticker = assert(time.timer("1h")), assert(time.ticker("1h"))
    local reset, stop, response, stop_ticker = timer.reset, timer.stop, timer.response, ticker.stop
    assert(timer:stop() and ticker:stop() == nil or true)
    works(function()
      local own, ticks = time.timer("1h"), time.ticker("1h")
      local fine = reset(own, "2h") and response(own) and stop(own)
      stop_ticker(ticks)
      return fine and unix(time.unix(5, 0)) == 5 and seconds(time.parse_duration("2s")) == 2
        and name(time.utc) == "UTC" and unix(add(time.unix(5, 0), "1s")) == 6
    end)
  end)

  it("E-5 V-21 cross by their names: those of errors, functions of `string` among them", function()
    local err = errors.new("x")
    local kind, message, upper = err.kind, err.message, err.upper
    works(function()
      local own = errors.new({ message = "loud", kind = errors.TIMEOUT })
      return kind(own) == errors.TIMEOUT and message(own) == "loud" and upper(own) == "LOUD" and upper("a") == "A"
    end)
  end)

  it("V-21 cross by their names: those of files", function()
    local write, read, lines = io.stdout.write, io.stdout.read, io.stdout.lines
    local seek, close = io.stdout.seek, io.stdout.close
    local open = io.open
    works(function()
      local name = os.tmpname()
      local file = open(name, "w+")
      write(file, "one\ntwo\n")
      seek(file, "set")
      local first = read(file)
      local second = lines(file)()
      close(file)
      os.remove(name)
      return first == "one" and second == "two" and io.type(file) == "closed file"
    end)
  end)

  it("V-21 cross by their names: what ipairs, pairs and utf8.codes iterate with, and operators", function()
    local step, following = ipairs({}), pairs({})
    local codes, lax = rawget(_G, "utf8") and utf8.codes(""), rawget(_G, "utf8") and utf8.codes("", true) -- luacheck: ignore
    local plus = debug.getmetatable("").__add
    local shown = debug.getmetatable(time.now()).__tostring
    works(function()
      local index, value = step({ "x" }, 0)
      return index == 1 and value == "x" and step == (ipairs({})) and following({ 5 }) == 1 and following == next
        and (not codes or (codes("a", 0) == 1 and lax("a", 0) == 1 and plus("1", 2) == 3))
        and shown(time.unix(0, 0)) == tostring(time.unix(0, 0))
    end)
  end)

  it("V-21 come back as what they were", function()
    local ch, file = channel.new(), debug.getmetatable(io.stdout)
    local list = {
      ch.receive, ch.send, ch.close, ch.case_send, debug.getmetatable(ch).__tostring,
      time.now().unix, time.parse_duration("1s").seconds, time.utc.string, errors.new("x").kind,
      process.with_context({}).spawn, process.with_context({}).exec, (ipairs({})), (pairs({})),
      io.stdout.write, io.stdout.lines, file.__tostring, package.loaded, package.preload,
    }
    assert(process.send(process.pid(), "t", list))
    local got = support.receive(process.inbox()):payload()
    for place, value in ipairs(list) do
      assert.are.equal(value, got[place], place)
    end
  end)

  it("V-21 arrive whole where the receiver has taken away its own since", function()
    local open, random = io.open, math.random
    works(function()
      io.open, math.random, io.stdout = nil, nil, nil -- luacheck: ignore
      local got = process.inbox()
      assert(process.send(process.pid(), "t", open, random))
      local own = got:receive():payload()
      local name = os.tmpname()
      local file = own[1](name)
      file:close()
      os.remove(name)
      return own[2](3) <= 3
    end)
  end)
end)

if support.jit then
  describe("modules that LuaJIT's require has without a file", function()
    before_each(support.reset)
    after_each(support.finish)
    local host = support.host

    it("V-21 cross by their names, loaded before this library or after", function()
      for _, before in ipairs({ true, false }) do
        local script = [[
          FIRST
          local process = require "process"
          local ffi, new, clear, util = require "ffi", require "table.new", require "table.clear", require "jit.util"
          local cast, load, opt, start = ffi.cast, ffi.load, jit.opt, jit.opt.start
          io.write(tostring(process.exec(function()
            local own = require "ffi"
            local t = { 1 }
            clear(t)
            return ffi == own and load == own.load and tonumber(cast("int", 5.5)) == 5
              and #new(4, 0) == 0 and t[1] == nil
              and new == require "table.new" and util == require "jit.util"
              and opt == jit.opt and start == jit.opt.start
              and tonumber(ffi.new("int[2]", 1, 2)[1]) == 2
          end, "app:processes")))
        ]]
        local out = support.output_of((script:gsub("FIRST", before and 'require "ffi" require "table.new"' or "")))
        assert.are.equal("true", out)
      end
    end)

    it("V-21 arrive in messages, as what they are there", function()
      local ffi = require "ffi"
      local pid = support.keep(process.spawn_monitored(code(function()
        assert(loadstring("return 5LL")) -- luacheck: ignore
        local got = process.inbox():receive():payload()
        return got.ffi == require "ffi" and got.ffi.C ~= nil and got.sizeof("int") == 4
      end), host))
      assert(process.send(pid, "t", { ffi = ffi, sizeof = ffi.sizeof }))
      assert.is_true(support.event_of(pid).result)
      fails("cannot send a userdata (argument 3)", "INVALID", process.send(pid, "t", ffi.C))
    end)

    it("V-21 come to a process that has put away its own", function()
      local ffi = require "ffi"
      local pid = support.keep(process.spawn_monitored(code(function(parent)
        require "ffi"
        package.loaded.ffi = nil
        process.send(parent, "ready")
        local got = process.inbox():receive():payload()
        return { got.sizeof("int"), select(2, pcall(got.load, "c")) }
      end), host, process.pid()))
      support.receive(process.inbox())
      assert(process.send(pid, "t", { load = ffi.load, sizeof = ffi.sizeof }))
      local ev = support.event_of(pid)
      assert.is_nil(ev.error)
      assert.are.equal(4, ev.result[1])
      assert.is_truthy(ev.result[2]:find("ffi.load is not there any more in this process", 1, true), ev.result[2])
    end)
  end)
end
