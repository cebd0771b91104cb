-- values.md, functions: their code and what they have captured, the standard library by name, and who takes none.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local ctx = require "process.ctx"
local support = require "spec.support"
local code = support.code
local host = support.host
local load = loadstring or load

-- Sends the values to this process and returns what arrives as one payload.
local function across(...)
  assert(process.send(process.pid(), "across", ...))
  return support.receive(process.inbox()):payload()
end

-- A function of this source in the environment `env`.
local function in_environment(source, env)
  if setfenv then
    return setfenv(assert(load(source)), env)
  end
  return assert(load(source, "=source", "t", env))
end

describe("functions", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-20 cross as their code and arrive as new functions", function()
    local function double(n)
      return 2 * n
    end
    local copy = across(double)
    assert.are.equal(42, copy(21))
    assert.are_not.equal(double, copy)
    assert.are.equal(42, (process.exec(code(function(f)
      return f(21)
    end), host, double)))
  end)

  it("V-20 take their captured locals along, by value, as they are at the call", function()
    local count, tags = 1, { "new" }
    local function next_one()
      count = count + 1
      return count, tags[1]
    end
    local copy = across(next_one)
    count, tags[1] = 100, "changed"
    assert.are.same({ 2, "new" }, { copy() })
    assert.are.same({ 3, "new" }, { copy() })
    assert.are.equal(100, count)
  end)

  it("V-20 call themselves and each other", function()
    local function factorial(n)
      return n < 2 and 1 or n * factorial(n - 1)
    end
    local odd
    local function even(n)
      return n == 0 or odd(n - 1)
    end
    function odd(n)
      return n ~= 0 and even(n - 1)
    end
    local got = across({ factorial = factorial, even = even })
    assert.are.equal(3628800, got.factorial(10))
    assert.is_true(got.even(10))
    assert.is_false(got.even(7))
  end)

  it("V-20 of one call share the locals that they share here: in a table", function()
    local n = 0
    local counter = across({
      add = function()
        n = n + 1
      end,
      get = function()
        return n
      end,
    })
    counter.add()
    counter.add()
    assert.are.equal(2, counter.get())
    assert.are.equal(0, n)
  end)

  it("V-20 of one call share the locals that they share here: in several values", function()
    local n = 0
    local got = across(function()
      n = n + 1
    end, function()
      return n
    end)
    got[1]()
    assert.are.equal(1, got[2]())
  end)

  it("V-20 P-18 of one call share the locals that they share here: an entry and its arguments", function()
    local n = 5
    local function get()
      return n
    end
    assert.are.equal(6, (process.exec(code(function(get_n)
      n = n + 1
      return get_n()
    end), host, get)))
    assert.are.equal(5, n)
  end)

  it("V-20 of two calls share nothing", function()
    local n = 0
    local function add()
      n = n + 1
      return n
    end
    local first, second = across(add), across(add)
    assert.are.same({ 1, 2, 1 }, { first(), first(), second() })
  end)

  it("V-8 V-20 that occur twice occur twice in the copy, as values and as keys", function()
    local function f()
      return "f"
    end
    local got = across({ f, f, [f] = "key", inner = { f } })
    assert.are.equal(got[1], got[2])
    assert.are.equal(got[1], got.inner[1])
    assert.are.equal("key", got[got[1]])
  end)

  it("V-8 V-20 stand in cycles with the tables that they have captured", function()
    local object = { name = "o" }
    function object.self()
      return object
    end
    local got = across(object)
    assert.are.equal(got, got.self())
    assert.are.equal("o", got.self().name)
  end)

  it("V-20 find the receiver's globals where they had the sender's", function()
    local globals = _G
    rawset(globals, "only_in_the_sender", true)
    local here, names, same = process.exec(code(function()
      return tostring(only_in_the_sender) .. type(print) .. tostring(globals == _G) -- luacheck: ignore
    end), host)
    rawset(globals, "only_in_the_sender", nil)
    assert.are.equal("nilfunctiontrue", here)
    assert.is_nil(names)
    assert.is_nil(same)
  end)

  it("V-20 find the receiver's globals where a local or an argument is the sender's globals", function()
    assert.is_true(process.exec(code(function(globals)
      return globals == _G and globals.process == process
    end), host, _G))
  end)

  it("V-20 keep any other environment, as a captured table like the rest", function()
    local env = { n = 1 }
    local add = in_environment("n = n + 1 return n", env)
    local got = across({ add = add, env = env })
    assert.are.equal(2, got.add())
    assert.are.equal(2, got.env.n)
    assert.are.equal(1, env.n)
    assert.are.equal(2, (process.exec(add, host)))
  end)

  it("V-20 of one chunk keep environments of their own", function()
    local got = across(in_environment("return x", { x = 1 }), in_environment("return x", { x = 2 }))
    assert.are.same({ 1, 2 }, { got[1](), got[2]() })
  end)

  it("V-20 keep their parameters, their nested functions and their number of captured locals", function()
    local base = 100
    local got = across(function(a, ...)
      local rest = select("#", ...)
      local function inner(b)
        return function()
          return a + b + base
        end
      end
      return inner(10)(), rest
    end)
    got = support.code(got)
    assert.are.same({ 111, 3 }, { got(1, nil, nil, nil) })
  end)

  it("V-20 may capture as many locals as the VM allows", function()
    local most = support.jit and 60 or 254
    local lines, sum = {}, 0
    -- A function may have 200 locals: the rest is declared in a function around it.
    for number = 1, most do
      lines[#lines + 1] = number == 180 and "return (function()" or ""
      lines[#lines + 1] = ("local v%d = %d"):format(number, number)
      sum = sum + number
    end
    local names = {}
    for number = 1, most do
      names[number] = "v" .. number
    end
    lines[#lines + 1] = "return function() return " .. table.concat(names, "+") .. " end"
    lines[#lines + 1] = most >= 180 and "end)()" or ""
    local f = assert(load(table.concat(lines, "\n")))()
    assert.are.equal(sum, across(f)())
  end)

  it("V-7 V-20 keep the functions of an object, and lose its metatable", function()
    local Counter = {}
    Counter.__index = Counter
    function Counter.get(self)
      return self.n
    end
    local get = Counter.get
    local got = across({ object = setmetatable({ n = 7 }, Counter), get = get })
    assert.are.equal(7, got.get(got.object))
    assert.is_nil(getmetatable(got.object))
  end)

  it("V-9 V-20 cross from below 10,000 tables", function()
    local value = {
      f = function()
        return "deep"
      end,
    }
    for _ = 1, 10000 do
      value = { value }
    end
    local got = across(value)
    for _ = 1, 10000 do
      got = got[1]
    end
    assert.are.equal("deep", got.f())
  end)

  it("V-20 cross in a chain of 100,000 that capture each other", function()
    local chain = false
    for _ = 1, 100000 do
      local rest = chain
      chain = function()
        return rest
      end
    end
    local got, length = across(chain), 0
    while got do
      got, length = got(), length + 1
    end
    assert.are.equal(100000, length)
  end)

  it("V-20 cross a hundred thousand at a time, together with the big table that all of them capture", function()
    local all = {}
    for i = 1, 100000 do
      all[i] = function()
        return i, #all
      end
    end
    local got = across(all)
    assert.are.same({ 1, 100000 }, { got[1]() })
    assert.are.same({ 100000, 100000 }, { got[100000]() })
  end)

  it("V-20 keep names and lines: an error in one shows where it was written", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local _, err = process.exec(code(function()
      error("no stock")
    end), host)
    assert.are.equal(("spec/values_functions_spec.lua:%d: no stock"):format(line), err:message():gsub("^%./", ""))
    assert.is_truthy(err:stack():find("values_functions_spec.lua:" .. line, 1, true))
  end)

  it("V-20 keep the name that load gave to their chunk", function()
    local _, err = process.exec(assert(load("error('x')", "=orders")), host)
    assert.are.equal("orders:1: x", err:message())
  end)

  it("V-20 cross without debug information too", function()
    local stripped = load(string.dump(function(a)
      return a * 2
    end, true))
    assert.are.equal(42, (process.exec(stripped, host, 21)))
  end)

  it("V-20 cross after the compiler has seen them, and are compiled anew", function()
    local step = 3
    local function sum(n)
      local s = 0
      for _ = 1, n do
        s = s + step
      end
      return s
    end
    assert.are.equal(300000, sum(100000))
    assert.are.equal(300000, across(sum)(100000))
    assert.are.equal(300000, (process.exec(sum, host, 100000)))
  end)

  it("V-20 cross every border: arguments, payloads, results, errors, context, first messages", function()
    local n = 40
    local function add(more)
      return n + more
    end
    local err = errors.new({ message = "m", details = { add = add } })
    local builder = process.with_context({ add = add }):with_message("first", add)
    local got = builder:exec(code(function(argument, e)
      local first = process.inbox():receive():payload()
      local values = { argument, first, require("process.ctx").get("add"), e:details().add }
      for i, f in ipairs(values) do
        values[i] = f(i)
      end
      return { sum = table.concat(values, " "), add = argument }
    end), host, add, err)
    assert.are.equal("41 42 43 44", got.sum)
    assert.are.equal(45, got.add(5))
    local _, raised = process.exec(code(function(f)
      error(f)
    end), host, add)
    assert.are.equal(46, raised:details().value(6))
  end)

  it("V-20 are sent on by those who have received them", function()
    local me, n = process.pid(), 1
    local _, err = process.exec(code(function(f)
      f()
      process.send(me, "on", f)
    end), host, function()
      n = n + 1
      return n
    end)
    assert.is_nil(err)
    assert.are.equal(3, support.receive(process.inbox()):payload()())
  end)

  it("V-1 V-20 H-6 define an entry, with their captured locals as they are at the definition", function()
    local price = 5
    assert(process.define("spec.functions:price", function(qty)
      price = price + 1
      return qty * price
    end))
    price = 1000
    assert.are.equal(12, (process.exec("spec.functions:price", host, 2)))
    assert.are.equal(12, (process.exec("spec.functions:price", host, 2)))
  end)

  it("H-6 H-8 give what an import of their entry gives: themselves", function()
    assert(process.define("spec.functions:triple", function(n)
      return 3 * n
    end))
    assert(process.define("spec.functions:user", {
      source = "local triple = require 'triple' return { main = function(n) return triple(n) end }",
      imports = { triple = "spec.functions:triple" },
    }))
    assert.are.equal(12, (process.exec("spec.functions:user", host, 4)))
  end)

  it("V-14 run no code of the sender while they are copied, whatever its collector has to do", function()
    local result = process.exec(code(function()
      collectgarbage(rawget(_G, "jit") and "setpause" or "generational", 1)
      local sent, ours = 0, process.listen("ours")
      local function finalize()
        sent = sent + 1
        process.send(process.pid(), "finalizer", function()
          return sent
        end)
      end
      for i = 1, 2000 do
        if rawget(_G, "newproxy") then
          getmetatable(newproxy(true)).__gc = finalize -- luacheck: ignore
        else
          setmetatable({}, { __gc = finalize })
        end
        local n = i
        local pair = {
          function()
            n = n + 1
          end,
          function()
            return n
          end,
        }
        process.send(process.pid(), "ours", pair, pair)
        local got = ours:receive()
        got[1][1]()
        if got[1] ~= got[2] or got[2][2]() ~= i + 1 or n ~= i then
          return "mixed up at " .. i
        end
      end
      return sent > 0 and "unharmed" or "no finalizer ran"
    end), host)
    assert.are.equal("unharmed", result)
  end)

  it("V-13 H-27 that do not fit into the receiver's memory raise there, and nowhere else", function()
    local list = {}
    for i = 1, 200 do
      local own = { i, ("text %d"):format(i) }
      list[i] = function()
        return own
      end
    end
    local seen = {}
    for limit = 60000, 600000, 20000 do
      local builder = process.with_options({ memory_limit = limit }):with_message("list", list)
      local got, err = builder:exec(code(function()
        local ok, payload = pcall(function()
          return process.inbox():receive():payload()
        end)
        return ok and #payload or tostring(payload)
      end), host)
      got = got or err:message()
      assert.is_true(got == 200 or got:find("not enough memory", 1, true) ~= nil, tostring(got))
      seen[got == 200 and "fits" or "does not"] = true
    end
    assert.are.same({ fits = true, ["does not"] = true }, seen)
  end)
end)

describe("functions and tables of the standard library and of this one", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Whether this is a function of the interpreter or of the library under its own name; other modules add some.
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
      local roots = { registry = process.registry, ctx = require "process.ctx", event = process.event }
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
      method = process.inbox().receive,
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
    support.fails("entry not found: spec.functions:c", "NOT_FOUND", process.spawn("spec.functions:c", host))
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
    support.fails("entry not found: spec.functions:file", "NOT_FOUND", process.spawn("spec.functions:file", host))
  end)
end)

describe("a host that takes no functions", function()
  before_each(support.reset)
  after_each(support.finish)
  local closed = "spec.functions:closed"
  local text = "cannot send a function (%s) to host " .. closed

  setup(function()
    assert(process.define_host(closed, { functions = false, workers = support.workers }))
  end)

  local function refused(place, ...)
    support.fails(text:format(place), "INVALID", ...)
  end

  it("V-23 refuses them in messages, at any depth, and receives nothing", function()
    assert(process.define("spec.functions:first", "return function() return process.inbox():receive():topic() end"))
    local pid = support.keep(process.spawn_monitored("spec.functions:first", closed))
    local inner = {
      function()
        return 1
      end,
    }
    refused("argument 3, [1]", process.send(pid, "t", inner))
    refused("argument 4, .list[1]", process.send(pid, "t", 1, { list = inner }))
    refused("argument 3, .print", process.send(pid, "t", { print = print }))
    refused("argument 3", process.send(pid, "t", string))
    assert(process.send(pid, "data", { "no function" }))
    assert.are.equal("data", support.event_of(pid).result)
  end)

  it("V-23 B-3 refuses them as entries, arguments, context values and first messages, and starts nothing", function()
    assert(process.define("spec.functions:nothing", "return function() end"))
    local before = process.host_info(closed).processes
    refused("argument 1", process.spawn(code(function() end), closed))
    refused("argument 4, .f", process.spawn("spec.functions:nothing", closed, 1, { f = print }))
    refused("argument 3", process.exec("spec.functions:nothing", closed, print))
    local builder = process.with_context({ f = print })
    refused("context", builder:spawn("spec.functions:nothing", closed))
    refused("argument 2", process.with_context({}):with_message("t", print):spawn("spec.functions:nothing", closed))
    assert.are.equal(before, process.host_info(closed).processes)
  end)

  it("V-23 refuses them in arguments of an upgrade", function()
    assert(process.define(
      "spec.functions:upgrading",
      [[ return function() return nil, select(2, process.upgrade("spec.functions:nothing", print)) end ]]
    ))
    refused("argument 2", process.exec("spec.functions:upgrading", closed))
  end)

  it("V-23 H-6 runs entries that were defined by a function: they are code", function()
    local n = 3
    assert(process.define("spec.functions:defined", function(more)
      return n + more
    end))
    assert.are.equal(10, (process.exec("spec.functions:defined", closed, 7)))
  end)

  it("V-23 sends functions to others, who take them", function()
    assert(process.define("spec.functions:giving", "return function() return function() return 'given' end end"))
    assert.are.equal("given", process.exec("spec.functions:giving", closed)())
  end)
end)

describe("bytes that come from outside", function()
  before_each(support.reset)

  it("V-24 stay what they are: a dumped function crosses as a string", function()
    local bytes = string.dump(function() end)
    assert.are.equal(bytes, across(bytes))
    assert.are.equal(bytes, (process.exec(code(function(b)
      return b
    end), host, bytes)))
  end)
end)
