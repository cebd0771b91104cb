-- Timers and tickers: channels that yield the time later, and can be controlled.
require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local spawn = coroutine.spawn

-- Computes without a wait, so that nothing can fire meanwhile.
local function compute(milliseconds)
  local start = time.now()
  repeat
  until time.now():sub(start):milliseconds() >= milliseconds
end

-- Lets due timers fire without giving other coroutines a turn: a receive that need not wait.
local function fire()
  local ready = channel.new(1)
  ready:send(true)
  ready:receive()
end

describe("time.timer", function()
  before_each(support.reset)

  it("T-25 yields the Time it fired on its channel, once", function()
    local start = time.now()
    local timer = assert(time.timer("5ms"))
    local fired, ok = support.receive(timer:channel())
    assert.is_true(ok)
    assert.is_true(fired:sub(start):milliseconds() >= 5)
    assert.is_true(support.silent(timer:channel()))
  end)

  it("T-25 gives the same channel each time, by either name", function()
    local timer = assert(time.timer("1h"))
    local ch = timer:channel()
    assert.is_true(ch == timer:channel() and ch == timer:response() and ch == timer:response())
    assert.is_true(timer:stop())
  end)

  it("T-25 works with select", function()
    local timer, never = time.timer("2ms"), channel.new()
    local got = channel.select({ never:case_receive(), timer:response():case_receive() })
    assert.equal(timer:channel(), got.channel)
    assert.equal("userdata", type(got.value))
  end)

  it("T-26 can be stopped before it fires", function()
    local timer = time.timer("5ms")
    assert.is_true(timer:stop())
    assert.is_false(timer:stop())
    assert.is_true(support.silent(timer:channel()))
  end)

  it("T-26 can be stopped when it has fired and nobody has received that", function()
    local timer = time.timer("1ms")
    time.sleep("5ms")
    assert.is_true(timer:stop())
    assert.is_nil((support.waiting(timer:channel())))
    assert.is_false(timer:stop())
  end)

  it("T-26 has nothing to stop when its value was received", function()
    local timer = time.timer("1ms")
    support.receive(timer:channel())
    assert.is_false(timer:stop())
    assert.is_false(timer:reset("1h"))
    assert.is_true(timer:reset("1h"))
    timer:stop()
  end)

  it("T-26 can be set anew while it runs: no value of the earlier arming comes", function()
    local start = time.now()
    local timer = time.timer("10ms")
    assert.is_true(timer:reset("60ms"))
    local fired = support.receive(timer:channel())
    assert.is_true(fired:sub(start):milliseconds() >= 60)
    assert.is_true(support.silent(timer:channel()))
  end)

  it("T-26 can be set anew when it has fired: the value that waits is gone", function()
    local timer = time.timer("1ms")
    time.sleep("5ms")
    local start = time.now()
    assert.is_true(timer:reset("20ms"))
    local fired = support.receive(timer:channel())
    assert.is_true(fired:sub(start):milliseconds() >= 20)
  end)

  it("T-26 can be set anew after a stop", function()
    local timer = time.timer("1h")
    timer:stop()
    assert.is_false(timer:reset("1ms"))
    support.receive(timer:channel())
    assert.is_false(timer:reset("1ms"))
    support.receive(timer:channel())
  end)

  it("T-26 C-40 leaves nothing for a coroutine that was already marked", function()
    local timer, got = time.timer("2ms"), {}
    spawn(function()
      got[1] = timer:channel():receive()
    end)
    time.sleep(0)
    compute(5)
    fire()
    assert.is_nil(got[1]) -- marked, but it has not run yet
    assert.is_true(timer:stop())
    time.sleep("5ms")
    assert.is_nil(got[1])
    assert.is_false(timer:reset("1ms"))
    support.eventually(function()
      return got[1]
    end)
  end)

  it("T-26 stays as it is when reset is given an invalid duration", function()
    local timer = time.timer("20ms")
    assert.is_nil((timer:reset("soon")))
    assert.is_nil((timer:reset(-1)))
    support.receive(timer:channel())
  end)

  it("T-26 can be reset a hundred thousand times", function()
    local timer = time.timer("1h")
    for _ = 1, 100000 do
      timer:reset("1h")
    end
    timer:reset("1ms")
    support.receive(timer:channel())
    assert.is_true(support.silent(timer:channel(), "10ms"))
  end)

  it("T-29 goes on when nobody refers to the Timer any more", function()
    local ch = time.timer("20ms"):channel()
    for _ = 1, 3 do
      collectgarbage()
    end
    support.receive(ch)
  end)

  it("T-29 costs no memory when nobody refers to its channel either", function()
    local seen = setmetatable({}, { __mode = "v" })
    for i = 1, 100 do
      local timer = time.timer("1h")
      seen[i], seen[-i] = timer, timer:channel()
      if i > 50 then
        timer:stop()
      end
    end
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_nil(next(seen))
  end)

  it("C-37 counts as running until it is stopped", function()
    local got = support.run([[
      local process = require "process"
      local timer = time.timer("1h")
      print(pcall(function() timer:stop() channel.new():receive() end))
    ]], 10)
    assert.matches("^false\t.*deadlock: nothing can wake the main process", got.out)
  end)
end)

-- The number of times that threads of the program have gone to sleep so far: each wake-up costs one.
local switches = [[
  local function switches()
    local list, all = io.popen("ls /proc/$PPID/task"), 0
    local threads = list:read("*a")
    list:close()
    for thread in threads:gmatch("%d+") do
      local file = io.open("/proc/self/task/" .. thread .. "/status")
      if file then
        all = all + tonumber(file:read("*a"):match("\nvoluntary_ctxt_switches:%s*(%d+)"))
        file:close()
      end
    end
    return all
  end
]]

describe("time.ticker", function()
  before_each(support.reset)

  for where, source in pairs({
    ["the main process"] = [[
      local ticker = time.ticker("100us")
      local before = switches()
      time.sleep("300ms")
      print(switches() - before < 100, (ticker:channel():receive()) ~= nil)
    ]],
    ["a select of the main process that it does not win"] = [[
      local ticker, ch = time.ticker("100us"), channel.new(1)
      ticker:channel():receive()
      for _ = 1, 3 do
        ch:send(1)
        channel.select { ch:case_receive() }
      end
      local before = switches()
      channel.new():receive("300ms")
      print(switches() - before < 100, (ticker:channel():receive()) ~= nil)
    ]],
    ["a child"] = [[
      process.define("spec:ticks", [=[ return { main = function(parent)
        local ticker = time.ticker("100us")
        time.sleep("20ms")
        process.send(parent, "ticks")
        process.inbox():receive()
        process.send(parent, "ticked", (ticker:channel():receive()))
      end } ]=])
      local child = process.spawn("spec:ticks", "app:processes", process.pid())
      assert(process.inbox():receive():topic() == "ticks")
      local before = switches()
      time.sleep("300ms")
      local few = switches() - before < 100
      process.send(child, "go on")
      print(few, process.inbox():receive():payload() ~= nil)
    ]],
  }) do
    it("T-27 an unread tick costs nothing, in " .. where, function()
      assert.equal("true\ttrue\n", support.output_of("local process = require 'process'\n" .. switches .. source))
    end)
  end

  it("T-27 goes on at its pace when a tick was taken late", function()
    local ticker, start = time.ticker("10ms"), time.now()
    time.sleep("35ms")
    local ticks = {}
    for i = 1, 3 do
      ticks[i] = support.receive(ticker:channel()):sub(start):milliseconds()
    end
    ticker:stop()
    -- The first waited from 10 ms on; the next one is the first that was due after the first was taken.
    assert.is_true(ticks[1] >= 10 and ticks[2] >= 40 and ticks[3] >= 50, table.concat(ticks, " "))
  end)

  it("C-37 T-27 a ticker keeps the main process from a deadlock, though nobody reads it", function()
    assert.equal("nil\tnil\ttrue\n", support.output_of([[
      require "process"
      local ticker = time.ticker("1ms")
      local late = coroutine.wrap(function() return channel.new():receive("50ms") end)
      local value, ok = late()
      print(value, ok, ticker:stop())
    ]]))
  end)

  it("T-27 yields a Time once per interval, first after one interval", function()
    local start = time.now()
    local ticker = assert(time.ticker("5ms"))
    for n = 1, 5 do
      local tick, ok = support.receive(ticker:channel())
      assert.is_true(ok)
      assert.is_true(tick:sub(start):milliseconds() >= 5 * n)
    end
    assert.is_true(ticker:stop())
  end)

  it("T-27 gives the same channel each time, by either name", function()
    local ticker = assert(time.ticker("1h"))
    local ch = ticker:channel()
    assert.is_true(ch == ticker:channel() and ch == ticker:response())
    ticker:stop()
  end)

  it("T-27 holds one tick, further ones are dropped", function()
    local ticker = time.ticker("10ms")
    compute(55)
    fire()
    time.sleep("25ms")
    local count = 0
    while support.waiting(ticker:channel()) do
      count = count + 1
    end
    assert.is_true(count == 1 or count == 2, count) -- one may have come just now
    ticker:stop()
  end)

  it("T-27 does not drift: late ticks leave the pace alone", function()
    local start, interval = time.now(), 20e6
    local ticker = time.ticker(interval)
    compute(50) -- half an interval late
    local least = interval
    for _ = 1, 20 do
      local tick = support.receive(ticker:channel())
      least = math.min(least, tick:sub(start):nanoseconds() % interval)
    end
    ticker:stop()
    assert.is_true(least < 0.4 * interval, least)
  end)

  it("T-28 ends with stop, which says whether it ran", function()
    local ticker = time.ticker("1ms")
    support.receive(ticker:channel())
    assert.is_true(ticker:stop())
    assert.is_false(ticker:stop())
    assert.is_true(support.silent(ticker:channel()))
  end)

  it("T-28 yields no tick after stop, not even one that waited; the channel is not closed", function()
    local ticker = time.ticker("1ms")
    time.sleep("5ms")
    assert.is_true(ticker:stop())
    local value, ok = support.waiting(ticker:channel())
    assert.same({ nil, nil }, { value, ok })
  end)

  it("T-28 C-40 yields no tick after stop to a coroutine that was already marked", function()
    local ticker, got = time.ticker("2ms"), nil
    spawn(function()
      got = ticker:channel():receive()
    end)
    time.sleep(0)
    compute(3)
    fire()
    ticker:stop()
    time.sleep("5ms")
    assert.is_nil(got)
  end)

  it("T-28 ends with its process", function()
    local ev = support.exit_of([[
      local ticker = time.ticker("1ms")
      ticker:channel():receive()
      return "done"
    ]])
    assert.equal("done", ev.result)
    assert.equal("ok\n", support.output_of([[
      require "process"
      local ticker = time.ticker("1ms")
      ticker:channel():receive()
      print("ok")
    ]], 10))
  end)

  it("T-29 goes on when nobody refers to the Ticker any more", function()
    local ch = time.ticker("2ms"):channel()
    for _ = 1, 3 do
      collectgarbage()
      support.receive(ch)
    end
  end)

  it("T-29 costs no memory when nobody refers to its channel either", function()
    local seen = setmetatable({}, { __mode = "v" })
    for i = 1, 100 do
      local ticker = time.ticker("1ms")
      seen[i], seen[-i] = ticker, ticker:channel()
    end
    time.sleep("5ms")
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.is_nil(next(seen))
  end)
end)
