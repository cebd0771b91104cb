-- Which values may cross from one process to another, and how they arrive.
local process = require "process"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"
local same_shape = require "spec.support.same_shape"

-- Each carries values across a border and returns the copies, packed.
local borders = {
  ["as arguments and result"] = function(...)
    return support.result_of("return { n = select('#', ...), ... }", ...)
  end,
  ["as a payload"] = function(...)
    local pid = support.spawn(support.echo)
    assert(process.send(pid, "there", support.pack(...)))
    return support.receive(process.inbox()):payload()
  end,
  ["as details of an error"] = function(...)
    return errors.new({ message = "x", details = support.pack(...) }):details()
  end,
}

-- A table in a table in a table …; without recursion, because LuaJIT's stack is small.
local function nested(levels)
  local value = {}
  for level = 1, levels do
    value = { value, level = level }
  end
  return value
end

local all_bytes = {}
for byte = 0, 255 do
  all_bytes[#all_bytes + 1] = string.char(byte)
end
all_bytes = table.concat(all_bytes)

local function partners()
  local a, b = { name = "a" }, { name = "b" }
  a.partner, b.partner = b, a
  return a
end

-- ids, a name, a function that makes the value: every one of them arrives unchanged.
local crossing = {
  { "V-1", "booleans and nil", function() return true, nil, false, nil end },
  { "V-2", "numbers", function() return 0, 1, -1, 1.5, -2.25, 2 ^ 31, 2 ^ 53, -2 ^ 53, 1e300, 5e-324, 0.1 end },
  { "V-3", "infinities, NaN and the sign of zero", function() return 1 / 0, -1 / 0, 0 / 0, -1 / math.huge end },
  { "V-2", "strings", function() return "", "text", "zero\0byte", all_bytes, ("long "):rep(100000) end },
  { "V-4", "strings of digits, beside numbers", function() return "10", 10, { ["1"] = "a", [1] = "b" } end },
  { "V-4", "empty tables", function() return {}, { {}, {} } end },
  { "V-2", "lists and records", function() return { 1, 2, 3 }, { name = "ink", tags = { "new", "blue" } } end },
  { "V-6", "holes", function() return { 1, nil, 3 }, { nil, nil, 3, n = 3 }, { [10] = 10, [1000000] = 1 } end },
  { "V-6", "keys of every kind", function()
    return { [1] = "a", [0] = "b", [-7] = "c", [1.5] = "d", [2 ^ 60] = "e", [1 / 0] = "f", key = "g", [""] = "h",
      [true] = "i", [false] = "j", ["\0"] = "k" }
  end },
  { "V-6", "tables as keys", function()
    local key = { id = 1, list = { 1, 2 } }
    return { [key] = key, [{ id = 2 }] = { [{ id = 3 }] = true } }
  end },
  { "V-8", "a table that occurs twice", function()
    local shared = { "once" }
    return shared, { shared, { again = shared } }, shared
  end },
  { "V-8", "cycles", function()
    local itself, key = {}, { id = 1 }
    itself.itself = itself
    key[key] = key
    return itself, key, partners()
  end },
  { "V-9", "10,000 levels", function() return nested(10000) end },
}

if math.type then
  table.insert(crossing, { "V-3", "integers and floats", function()
    return 1, 1.0, 0, -0.0, math.maxinteger, math.mininteger, math.maxinteger + 0.0, 255, 256, -129, { 2, 2.0 }
  end })
end

for border, carry in pairs(borders) do
  describe("what crosses " .. border, function()
    before_each(support.reset)
    after_each(support.finish)

    for _, case in ipairs(crossing) do
      local id, name, make = support.unpack(case)
      it(id .. " keeps " .. name .. ", " .. border, function()
        local sent = support.pack(make())
        local same, place = same_shape(sent, carry(support.unpack(sent, 1, sent.n)))
        assert.is_true(same, "differs at " .. tostring(place))
      end)
    end

    it("V-1 keeps Time and Duration, " .. border, function()
      local now, length = time.now(), time.parse_duration("1h30m")
      local got = carry(now, { length })
      assert.is_true(now == got[1] and now:equal(got[1]))
      assert.equal(tostring(now), tostring(got[1]))
      assert.is_true(length == got[2][1])
    end)

    it("V-5 keeps everything of an error object, " .. border, function()
      local err = errors.wrap(errors.new({
        message = "no such sku",
        kind = errors.NOT_FOUND,
        retryable = true,
        details = { sku = 17, tried = { "a" } },
      }), "loading")
      local got = carry({ err }, err)
      for _, copy in ipairs({ got[1][1], got[2] }) do
        assert.equal("loading: no such sku", tostring(copy))
        for _, method in ipairs({ "kind", "message", "retryable", "details", "stack" }) do
          assert.same(err[method](err), copy[method](copy), method)
        end
      end
    end)

    it("V-7 copies raw contents without metatable, " .. border, function()
      local called = {}
      local metatable = { __metatable = "locked", __name = "thing" }
      for _, event in ipairs({ "index", "newindex", "len", "pairs", "ipairs", "eq", "tostring", "call", "gc" }) do
        metatable["__" .. event] = function()
          called[event] = true
        end
      end
      local object = setmetatable({ 1, 2, name = "raw" }, metatable)
      local got = carry(object, { inner = object })
      assert.same({}, called)
      assert.is_nil(getmetatable(got[1]))
      assert.is_true(same_shape({ 1, 2, name = "raw" }, got[1]))
      assert.is_true(rawequal(got[1], got[2].inner))
    end)
  end)
end

describe("a copy", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-1 is made when the call is made", function()
    local order = { sku = 17, tags = { "new" } }
    process.send(process.pid(), "order", order)
    local pid = support.spawn_monitored("local order = ... return order.sku .. order.tags[1]", order)
    order.sku = 18
    order.tags[1] = "old"
    assert.same({ sku = 17, tags = { "new" } }, support.receive(process.inbox()):payload())
    assert.equal("17new", support.event_of(pid).result)
  end)

  it("V-1 V-15 belongs to its receiver alone", function()
    local order = { sku = 17, tags = { "new" } }
    local change = [[
      local order, name = ...
      order.sku = name
      table.insert(order.tags, name)
      return order
    ]]
    assert.same({ sku = "one", tags = { "new", "one" } }, support.result_of(change, order, "one"))
    assert.same({ sku = "two", tags = { "new", "two" } }, support.result_of(change, order, "two"))
    assert.same({ sku = 17, tags = { "new" } }, order)
  end)

  it("V-7 has no methods: a call of one raises in the receiver", function()
    local class = { price = function() return 42 end }
    local exit = support.exit_of("local item = ... return item:price()", setmetatable({}, { __index = class }))
    assert.matches("attempt to call", tostring(exit.error), 1, true)
  end)

  it("V-8 of several values keeps what they share", function()
    local shared = { "once" }
    process.send(process.pid(), "several", shared, { shared }, shared)
    local got = support.receive(process.inbox()):payload()
    assert.is_true(rawequal(got[1], got[3]))
    assert.is_true(rawequal(got[1], got[2][1]))
  end)

  it("V-2 of 100 MiB arrives whole", function()
    local big = ("0123456789abcde\0"):rep(100 * 1024 * 1024 / 16)
    assert(process.send(process.pid(), "big", big))
    local got = support.receive(process.inbox()):payload()
    assert.is_true(big == got)
  end)

  it("V-9 B-21 of a million levels is refused or arrives, and never crashes", function()
    local deep = nested(1000000)
    local sent, err = process.send(process.pid(), "deep", deep)
    if sent then
      assert.is_true((same_shape(deep, support.receive(process.inbox()):payload())))
    else
      support.fails(tostring(err), "INVALID", sent, err)
      local limit = tostring(err):match("^value nested too deeply %(limit (%d+)%)$")
      assert.is_true(tonumber(limit) >= 10000)
    end
  end)
end)

describe("a value that cannot cross", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-10 refuses the whole message: nothing is sent", function()
    local sent, err = process.send(process.pid(), "order", { sku = 17 }, { log = io.stderr })
    assert.is_nil(sent)
    assert.equal("cannot send a userdata (argument 4, .log)", tostring(err))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("V-10 refuses the whole spawn: nothing is started", function()
    assert(process.define_host("spec.values:host", {}))
    local entry = support.entry("process.send(..., 'started')")
    local pid, err = process.spawn_linked_monitored(entry, "spec.values:host", process.pid(), { io.stdout })
    assert.is_nil(pid)
    assert.equal("cannot send a userdata (argument 4, [1])", tostring(err))
    assert.equal(0, process.host_info("spec.values:host").processes)
    assert.is_true(support.silent(process.inbox()))
    assert.is_nil(support.waiting(process.events()))
  end)

  it("V-11 as a result makes the exit abnormal, for watchers", function()
    local exit = support.exit_of("return { 1, handler = io.stdout }")
    assert.is_nil(exit.result)
    assert.equal("cannot send a userdata (result, .handler)", exit.error:message())
    assert.equal(errors.INVALID, exit.error:kind())
  end)

  it("V-11 as a result makes the exit abnormal, for linked processes", function()
    process.set_options({ trap_links = true })
    local pid = support.spawn_linked("return io.stdout")
    assert.equal("cannot send a userdata (result)", tostring(support.event_of(pid, process.event.LINK_DOWN).error))
  end)

  it("V-11 as a result makes the exit abnormal, if nobody watches", function()
    local got = support.run([[
      local process = require "process"
      process.define("spec:child", "return { main = function() return io.stdout end }")
      process.spawn("spec:child", "app:processes")
      while process.host_info("app:processes").processes > 0 do
        time.sleep("1ms")
      end
    ]])
    assert.matches("cannot send a userdata (result)", got.err, 1, true)
    assert.equal(0, got.code)
  end)
end)

describe("copying", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-13 without memory raises in the sender and leaves the receiver untouched", function()
    -- The script allows itself 40 MiB more than it uses, then sends 120.
    local got = support.run([[
      local process = require "process"
      process.define("spec:echo", "return { main = function(parent)" ..
        "  while true do process.send(parent, 'got', #process.inbox():receive():payload()) end end }")
      local pid = process.spawn("spec:echo", "app:processes", process.pid())
      process.send(pid, "small", { 1 })
      assert(process.inbox():receive():payload() == 1)

      local big = { ("a"):rep(60 * 1024 * 1024), ("b"):rep(60 * 1024 * 1024) }
      collectgarbage()
      collectgarbage()
      local status = io.open("/proc/self/status")
      local kilobytes = status:read("*a"):match("VmSize:%s*(%d+)")
      status:close()
      local limit = (kilobytes + 40 * 1024) * 1024
      assert(os.execute(("prlimit --pid $PPID --as=%.0f"):format(limit)))

      print(pcall(process.send, pid, "big", big))
      big = nil
      process.send(pid, "small", { 1, 2 })
      print(process.inbox():receive():payload())
    ]])
    assert.equal("", got.err)
    assert.equal("false\tnot enough memory\n2\n", got.out)
    assert.equal(0, got.code)
  end)

  it("V-14 calls no Lua code of the sender", function()
    local copying, called = false, {}
    local function notes(event)
      return function()
        called[event] = called[event] or copying
      end
    end
    local newproxy = rawget(_G, "newproxy")
    local function garbage()
      if newproxy then
        getmetatable(newproxy(true)).__gc = notes("__gc")
      else
        setmetatable({}, { __gc = notes("__gc") })
      end
    end
    local metatable = {}
    for _, event in ipairs({ "__index", "__pairs", "__len", "__eq", "__tostring", "__call" }) do
      metatable[event] = notes(event)
    end
    local list = {}
    for i = 1, 2000 do
      list[i] = setmetatable({ name = "item " .. i, list[i - 1] }, metatable)
    end

    local pause = collectgarbage("setpause", 0) -- a new collection begins as soon as one is over
    local pid = support.spawn("while true do process.inbox():receive() end")
    for _ = 1, 100 do
      for _ = 1, 20 do
        garbage()
      end
      copying = true
      process.send(pid, "list", list)
      copying = false
    end
    collectgarbage("setpause", pause)
    collectgarbage()
    assert.is_false(called.__gc) -- finalizers ran, but none while a value was copied
    called.__gc = nil
    assert.same({}, called)
  end)
end)
