-- values.md, functions: how their code and their captured locals cross.
local process = require "process"
local errors = require "process.errors"
local support = require "spec.support"
local code = support.code
local host = support.host
local in_environment = support.in_environment
local load = loadstring or load

-- Sends the values to this process, and returns the arrived ones as one payload.
local function across(...)
  assert(process.send(process.pid(), "across", ...))
  return support.receive(process.inbox()):payload()
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
