-- Blocking calls work wherever Lua code runs, in the main process and in spawned ones.
local process = require "process"
local support = require "spec.support"
local contexts = require "calls.contexts"
local everything = require "calls.waits"

local served = {}
for name in pairs(everything.waits) do
  served[name] = "served"
end

describe("a blocking call inside", function()
  before_each(support.reset)
  after_each(support.finish)

  for context in pairs(contexts) do
    it("C-33 " .. context .. " waits in the main process", function()
      assert.same(served, everything.main(context))
    end)

    it("C-33 " .. context .. " waits in a spawned process", function()
      local pid = assert(process.spawn_monitored("calls:waits", support.host, context))
      local exit = support.event_of(pid)
      assert.is_nil(exit.error and tostring(exit.error))
      assert.same(served, exit.result)
    end)
  end

  it("C-33 the file of a required module waits while it loads", function()
    local base = os.tmpname()
    support.write(base .. ".lua", "require('process.time').sleep('1ms') return 'loaded'")
    local directory, name = base:match("^(.*)/([^/]*)$")
    local body = ([[
      package.path = %q
      return require(%q)
    ]]):format(directory .. "/?.lua", name)
    assert.equal("loaded", support.result_of(body))
    assert.equal("loaded", dofile(base .. ".lua"))
    os.remove(base .. ".lua")
    os.remove(base)
  end)
end)

-- Each runs the body of a function in one kind of process, and returns its result.
local places = {
  ["the main process"] = function(body)
    return assert(load(body))()
  end,
  ["a spawned process"] = support.result_of,
}

describe("a wait inside a plain coroutine", function()
  before_each(support.reset)
  after_each(support.finish)

  for place, run in pairs(places) do
    it("C-33 lets other coroutines run, and `resume` returns after it only, in " .. place, function()
      assert.same({ true, "enough", "dead", 5 }, run([[
        local ticks, gate = 0, channel.new()
        coroutine.spawn(function()
          for _ = 1, 5 do
            time.sleep(0)
            ticks = ticks + 1
          end
          gate:send("enough")
        end)
        local co = coroutine.create(function()
          return (gate:receive())
        end)
        local ok, value = coroutine.resume(co)
        return { ok, value, coroutine.status(co), ticks }
      ]]))
    end)

    it("C-33 gives the error of a call that fails while it waits to whoever resumed, in " .. place, function()
      assert.equal("send on closed channel", run([[
        local gate = channel.new()
        coroutine.spawn(function()
          gate:close()
        end)
        local ok, message = coroutine.resume(coroutine.create(function()
          gate:send("x")
        end))
        return not ok and message:match("send on closed channel")
      ]]))
    end)

    it("C-33 leaves yield and resume of the program's own coroutines as they are, in " .. place, function()
      assert.same({ "a", "1b", "2c", "end", "dead" }, run([[
        local gate, log = channel.new(10), {}
        local co = coroutine.create(function(value)
          for i = 1, 2 do
            log[#log + 1] = value
            gate:send(i)
            value = gate:receive() .. coroutine.yield(i)
          end
          log[#log + 1] = value
          return "end"
        end)
        coroutine.resume(co, "a")
        coroutine.resume(co, "b")
        table.insert(log, (select(2, coroutine.resume(co, "c"))))
        log[#log + 1] = coroutine.status(co)
        return log
      ]]))
    end)
  end

  it("C-33 suspends the managed coroutine that resumed it, in a spawned process", function()
    -- The coroutine that began to wait first goes on first; with nested waits the last one would.
    assert.same({ "turn 1", "turn 2", "turn 3" }, support.result_of([[
      local log, gates = {}, {}
      for i = 1, 3 do
        gates[i] = channel.new()
        coroutine.spawn(function()
          local values = coroutine.wrap(function()
            coroutine.yield((gates[i]:receive()))
          end)
          table.insert(log, values())
        end)
      end
      time.sleep(0)
      for i = 1, 3 do
        gates[i]:send("turn " .. i)
        time.sleep(0)
      end
      return log
    ]]))
  end)

  it("C-33 nests nothing in a spawned process: more of them wait at once than waits may nest", function()
    assert.equal(300, support.result_of([[
      local gate, served = channel.new(), 0
      for _ = 1, 300 do
        coroutine.spawn(function()
          coroutine.wrap(function()
            gate:receive()
            served = served + 1
          end)()
        end)
      end
      time.sleep(0)
      gate:close()
      time.sleep(0)
      return served
    ]]))
  end)

  it("C-33 hands over any number of results, before and after it waited, in a spawned process", function()
    local expected = {}
    for count = 0, 6 do
      table.insert(expected, { count, count, count, count + 1 })
    end
    assert.same(expected, support.result_of([[
      local unpack, counts = table.unpack or unpack, {}
      -- The number of values; each has to be its own position, every third is nil.
      local function count(...)
        for i = 1, select("#", ...) do
          assert(select(i, ...) == (i % 3 ~= 0 and i or nil))
        end
        return select("#", ...)
      end
      local function checked(ok, ...)
        assert(ok == true)
        return count(...) + 1
      end
      for n = 0, 6 do
        local values = {}
        for i = 1, n do
          values[i] = i % 3 ~= 0 and i or nil
        end
        local function body()
          coroutine.yield(unpack(values, 1, n))
          time.sleep(0)
          coroutine.yield(unpack(values, 1, n))
          time.sleep(0)
          return unpack(values, 1, n)
        end
        local wrapped, co = coroutine.wrap(body), coroutine.create(body)
        local row = { count(wrapped()), count(wrapped()), count(wrapped()), checked(coroutine.resume(co)) }
        assert(checked(coroutine.resume(co)) == n + 1 and checked(coroutine.resume(co)) == n + 1)
        assert(coroutine.status(co) == "dead")
        table.insert(counts, row)
      end
      return counts
    ]]))
  end)

  it("C-33 is not mistaken for another yield while a hook resumes coroutines, in a spawned process", function()
    assert.same({ "got 1", "got 2", "got 3" }, support.result_of([[
      if jit then
        jit.off() -- compiled code calls no hooks
      end
      local requests, log, hooked = channel.new(), {}, 0
      coroutine.spawn(function()
        for i = 1, 3 do
          time.sleep(0)
          requests:send(i)
        end
      end)
      local outer = coroutine.wrap(function()
        local inner = coroutine.wrap(function()
          while true do
            coroutine.yield("got " .. requests:receive(), nil, nil, "last")
          end
        end)
        while true do
          coroutine.yield(inner())
        end
      end)
      local steps = coroutine.wrap(function()
        while true do
          coroutine.yield(1, 2, 3, 4)
        end
      end)
      local function hook()
        assert(select("#", steps()) == 4)
        hooked = hooked + 1
      end
      for _ = 1, 3 do
        debug.sethook(hook, "", 1)
        local value, _, _, last = outer()
        debug.sethook()
        assert(last == "last")
        table.insert(log, value)
      end
      assert(hooked > 0)
      return log
    ]]))
  end)
end)

describe("a wait in a debug hook", function()
  before_each(support.reset)
  after_each(support.finish)

  local waiting = [[
    local with_others = ...
    local seen, busy = {}, true
    if with_others then
      coroutine.spawn(function()
        while busy do
          time.sleep(0)
        end
      end)
    end
    local function hook()
      debug.sethook()
      local ok, err = pcall(time.sleep, "1ms")
      seen[#seen + 1] = ok or tostring(err)
    end
    debug.sethook(hook, "", 1)
    local _ = #seen
    coroutine.wrap(function()
      debug.sethook(hook, "", 1)
      _ = #seen
    end)()
    busy = false
    time.sleep(0)
    return seen
  ]]

  -- In the main process, and in a spawned one.
  local function both(with_others)
    return { (loadstring or load)(waiting)(with_others), support.result_of(waiting, with_others) }
  end

  it("C-33 waits", function()
    assert.are.same({ { true, true }, { true, true } }, both(false))
  end)

  it("C-33 lets other coroutines run; on LuaJIT, which cannot do that, it raises if there are any", function()
    local expected = "true"
    if rawget(_G, "jit") then
      expected = "cannot wait in a debug hook while there are other coroutines"
    end
    for _, seen in ipairs(both(true)) do
      assert.are.equal(2, #seen)
      for _, what in ipairs(seen) do
        assert.is_truthy(tostring(what):find(expected, 1, true), tostring(what))
      end
    end
  end)
end)
