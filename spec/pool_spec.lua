-- pool.md: pools that are kept.
local process = require "process"
local channel = require "process.channel"
local errors = require "process.errors"
local pool = require "process.pool"
local border = require "spec.support.border"
local pools = require "spec.support.pools"
local support = require "spec.support"
local code, fails = support.code, support.fails
local open, reset, finish, is_gone = pools.open, pools.reset, pools.finish, pools.is_gone
local gated, running, pass = pools.gated, pools.running, pools.pass

describe("a pool", function()
  before_each(reset)
  after_each(finish)

  it("W-9 calls its function in workers that it keeps", function()
    local own = open(function(...)
      count = (count or 0) + 1 -- luacheck: ignore
      return { count = count, n = select("#", ...), last = (select(-1, ...)) } -- luacheck: ignore
    end, { workers = 1 })
    assert.same({ count = 1, n = 3, last = "c" }, own:call("a", nil, "c"))
    assert.same({ count = 2, n = 2 }, own:call(1, nil))
    assert.same({ count = 3, n = 1 }, own:call(nil))
  end)

  it("W-9 takes calls without arguments", function()
    local own = open(function(...)
      return select("#", ...)
    end, { workers = 1 })
    assert.are.equal(0, own:call())
  end)

  it("W-9 returns what the function returns, nil and false included, and its errors", function()
    local own = open(function(what)
      if what == "raise" then
        error("broken", 0)
      elseif what == "fail" then
        return nil, "no stock"
      elseif what == "false" then
        return false
      end
    end)
    assert.same({ n = 1 }, support.pack(own:call()))
    assert.same({ n = 1, false }, support.pack(own:call("false")))
    fails("broken", "INTERNAL", own:call("raise"))
    fails("no stock", "INTERNAL", own:call("fail"))
  end)

  it("W-9 B-20 says which argument cannot cross, and goes on", function()
    local own = open(function(a)
      return a
    end, { workers = 1 })
    fails("cannot send a userdata (argument 2)", "INVALID", own:call(1, io.stdout))
    fails("cannot send a userdata (argument 1, .log)", "INVALID", own:call({ log = io.stdout }))
    assert.are.equal(5, own:call(5))
    local log = io.stdout
    fails("cannot send a userdata (argument 1, local log)", "INVALID", pool.new(code(function()
      return log
    end)))
    fails("entry function must not be a C function", "INVALID", pool.new(print))
  end)

  it("W-9 runs the calls of several coroutines at once", function()
    local own = open(gated, { workers = 2 })
    local answers, me = channel.new(2), process.pid()
    for _, name in ipairs({ "a", "b" }) do
      coroutine.spawn(function()
        answers:send(own:call(me, name))
      end)
    end
    local _, first = running()
    local _, second = running()
    assert.are_not.equal(first, second)
    process.send(second, "go")
    support.receive(answers)
    process.send(first, "go")
    support.receive(answers)
  end)

  it("W-9 gives the result of a submitted job through a channel, once", function()
    local own = open(function(n)
      if n == 2 then
        error("no two", 0)
      end
      return n
    end)
    local one, two, none = own:submit(1), own:submit(2), own:submit()
    assert.same({ value = 1 }, (support.receive(one)))
    assert.same({ n = 2, nil, false }, support.pack(one:receive()))
    local answer = support.receive(two)
    assert.is_nil(answer.value)
    assert.are.equal("no two", tostring(answer.error))
    assert.are.equal(errors.INTERNAL, answer.error:kind())
    assert.same({}, (support.receive(none)))
  end)

  it("W-9 does jobs in the order in which they came", function()
    local own = open(function(n)
      return n
    end, { workers = 1 })
    local order, last = {}, nil
    for n = 1, 20 do
      local answer = own:submit(n)
      last = channel.new()
      local done = last
      coroutine.spawn(function()
        local value = answer:receive().value
        order[#order + 1] = value
        done:close()
      end)
    end
    support.receive(last)
    assert.are.equal(20, #order)
    for n = 1, 20 do
      assert.are.equal(n, order[n])
    end
  end)

  it("W-9 maps with its options", function()
    local told = {}
    local own = open(function(item, index)
      if item == "c" then
        error("no c", 0)
      end
      return item .. index
    end, {
      workers = 2,
      on_progress = function(done, total)
        told[#told + 1] = done .. "/" .. total
      end,
    })
    local results, failures = own:map({ "a", "b", "c" })
    assert.same({ "a1", "b2", n = 3 }, results)
    assert.are.equal("no c", tostring(failures[3]))
    assert.same({ "1/3", "2/3", "3/3" }, told)
    assert.same({ n = 0 }, own:map({}))
    assert.are.equal("#1 (table expected, got no value)", support.bad_argument(own.map, own))
  end)

  it("W-9 lets calls of others between the items of a map", function()
    local own = open(function(n)
      process.time.sleep("5ms")
      return n
    end, { workers = 1 })
    local finished = channel.new(1)
    coroutine.spawn(function()
      local items = {}
      for n = 1, 100 do
        items[n] = n
      end
      finished:send(own:map(items))
    end)
    pass()
    assert.are.equal("me", own:call("me"))
    assert.is_nil(support.waiting(finished))
    assert.are.equal(100, support.receive(finished).n)
  end)

  it("W-9 B-162 W-6 replaces workers that die or take too long", function()
    local own = open(function(what)
      while what == "loop" do end
      if what == "die" then
        process.terminate(process.pid())
      end
      return process.pid()
    end, { workers = 1, timeout = "250ms" })
    local first = own:call()
    assert.are.equal(first, own:call())
    fails("pool: job not done within 250ms", "TIMEOUT", own:call("loop"))
    assert.is_true(is_gone(first))
    local second = own:call()
    fails("process ended before it replied: " .. second .. ": process terminated", "UNAVAILABLE", own:call("die"))
    local third = own:call()
    assert.are_not.equal(second, third)
    -- One that ended while it had nothing to do costs no job.
    support.kill(third)
    assert.are_not.equal(third, own:call())
  end)

  it("W-9 counts a time-out from when a job begins", function()
    local own = open(function()
      process.time.sleep("100ms")
      return true
    end, { workers = 1, timeout = "300ms" })
    local answers = {}
    for n = 1, 6 do
      answers[n] = own:submit()
    end
    for n = 1, 6 do
      assert.is_true(support.receive(answers[n]).value)
    end
  end)

  it("W-9 has call and submit wait while the queue is full, and serves them in order", function()
    local own, me = open(gated, { workers = 1, queue = 1 }), process.pid()
    own:submit(me, "a")
    local _, worker = running()
    own:submit(me, "b")
    local entered = {}
    coroutine.spawn(function()
      own:submit(me, "c")
      entered[#entered + 1] = "c"
    end)
    coroutine.spawn(function()
      local value = own:call(me, "d")
      entered[#entered + 1] = value
    end)
    pass()
    assert.same({}, entered)
    for _, name in ipairs({ "b", "c", "d" }) do
      process.send(worker, "go")
      assert.are.equal(name, (running()))
      pass()
      assert.same({ "c" }, entered)
    end
    process.send(worker, "go")
    support.eventually(function()
      return entered[2] == "d"
    end)
  end)

  it("W-9 lets any number of jobs wait without a limit", function()
    for _, queue in ipairs({ false, 0 }) do
      local own, me = open(gated, { workers = 1, queue = queue or nil }), process.pid()
      own:submit(me, "first")
      for _ = 1, 5000 do
        own:submit(me, "later")
      end
      running()
      own:close("0s")
      reset()
    end
  end)

  it("W-9 closes when what it has is done", function()
    local own, me = open(gated, { workers = 1 }), process.pid()
    local first, second = own:submit(me, 1), own:submit(me, 2)
    local _, worker = running()
    process.send(worker, "go")
    process.send(worker, "go")
    assert.is_true(own:close())
    assert.are.equal(1, support.waiting(first).value)
    assert.are.equal(2, support.waiting(second).value)
    assert.is_true(is_gone(worker))
    assert.is_true(process.wait("0.1s"))
  end)

  it("W-9 B-163 takes no jobs any more once it is closed", function()
    local own = open(function()
      return 1
    end)
    assert.is_true(own:close())
    fails("pool is closed", "CANCELED", own:call())
    local answers = own:submit()
    fails("pool is closed", "CANCELED", nil, answers:receive().error)
    assert.same({ n = 2, nil, false }, support.pack(answers:receive()))
    local results, failures = own:map({ "a", "b" })
    assert.same({ n = 2 }, results)
    for index = 1, 2 do
      fails("pool is closed", "CANCELED", nil, failures[index])
    end
    assert.is_true(own:close())
    assert.is_true(own:close("0s"))
  end)

  it("W-9 B-163 ends its workers, and the jobs they have, when the grace is over", function()
    local own = open(function(parent)
      process.send(parent, "worker", process.pid())
      while true do end
    end, { workers = 2 })
    local answers, workers = {}, {}
    for n = 1, 5 do
      answers[n] = own:submit(process.pid())
    end
    for n = 1, 2 do
      workers[n] = support.receive(process.listen("worker"))
    end
    local start = process.time.now()
    assert.is_true(own:close("100ms"))
    assert.is_true(process.time.now():sub(start):milliseconds() >= 99)
    for n = 1, 5 do
      fails("pool is closed", "CANCELED", nil, support.waiting(answers[n]).error)
    end
    assert.is_true(is_gone(workers[1]) and is_gone(workers[2]))
  end)

  it("W-9 B-163 refuses those who wait for room in the queue when it is closed", function()
    local own, me = open(gated, { workers = 1, queue = 1 }), process.pid()
    local first = own:submit(me, "a")
    local _, worker = running()
    local second = own:submit(me, "b")
    local refused = channel.new(2)
    coroutine.spawn(function()
      refused:send(select(2, own:call(me, "c")))
    end)
    coroutine.spawn(function()
      refused:send(own:submit(me, "d"):receive().error)
    end)
    pass()
    local closed = channel.new(1)
    coroutine.spawn(function()
      closed:send(own:close(false))
    end)
    for _ = 1, 2 do
      fails("pool is closed", "CANCELED", nil, (support.receive(refused)))
    end
    assert.is_nil(support.waiting(closed))
    process.send(worker, "go")
    process.send(worker, "go")
    assert.is_true(support.receive(closed))
    assert.are.equal("a", support.waiting(first).value)
    assert.are.equal("b", support.waiting(second).value)
  end)

  it("W-9 closes in the shortest grace that somebody gives", function()
    local own = open(function(parent)
      process.send(parent, "worker", process.pid())
      while true do end
    end, { workers = 1 })
    own:submit(process.pid())
    support.receive(process.listen("worker"))
    local closed = channel.new(1)
    coroutine.spawn(function()
      closed:send(own:close(false))
    end)
    pass()
    assert.is_true(own:close("0s"))
    assert.is_true(support.receive(closed))
  end)

  it("W-9 B-40 B-41 returns what is wrong with a grace, and stays open", function()
    local own = open(function()
      return 1
    end, { workers = 1 })
    fails("pool:close: invalid duration: soon", "INVALID", own:close("soon"))
    fails("pool:close: invalid duration: true", "INVALID", own:close(true))
    fails('pool:close: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND', "INVALID", own:close(5))
    fails("pool:close: duration must not be negative", "INVALID", own:close("-1s"))
    assert.are.equal(1, own:call())
    fails("pool.new: invalid duration: soon", "INVALID", pool.new(function() end, { timeout = "soon" }))
  end)

  it("W-9 raises what is wrong with its arguments", function()
    local function fn() end
    assert.are.equal("#1 (function expected, got no value)", support.bad_argument(pool.new))
    assert.are.equal("#2 (table expected, got string)", support.bad_argument(pool.new, fn, "x"))
    assert.are.equal("pool: unknown option grace", support.raised(pool.new, fn, { grace = "1s" }))
    local text = "pool: queue: whole number from 0 expected, got -1"
    assert.are.equal(text, support.raised(pool.new, fn, { queue = -1 }))
    local own = open(function() end)
    for _, name in ipairs({ "call", "submit", "map", "close" }) do
      text = ("calling '%s' on bad self (pool expected, got table)"):format(name)
      assert.are.equal(text, support.raised(own[name], {}))
    end
  end)

  it("W-9 fails as spawn does if its workers cannot be started", function()
    fails("host not found: no:host", "NOT_FOUND", pool.new(function() end, { host = "no:host" }))
    local closed = border.host({ functions = false })
    local text = "cannot send a function (argument %d) to host " .. closed
    fails(text:format(1), "INVALID", pool.new(code(function() end), { host = closed }))
    fails(text:format(2), "INVALID", pool.map({ 1 }, code(function() end), { host = closed }))
  end)

  it("W-9 is not to be sent", function()
    local own = open(function() end)
    local _, err = process.send(process.pid(), "own", own)
    assert.is_truthy(tostring(err):find("^cannot send a "))
  end)

  it("W-9 hides the ends of its workers", function()
    process.set_options({ trap_links = true, wrapped = true })
    local own = open(function()
      process.terminate(process.pid())
    end)
    for _ = 1, 3 do
      assert.is_nil((own:call()))
    end
    own:close()
    assert.is_true(support.silent(process.events()))
    assert.is_true(support.silent(process.inbox()))
  end)
end)
