-- Fairness of pool hosts: computing code gives way, and does not notice.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

local POOL = "spec:fair"
assert(process.define_host(POOL, { workers = 1 }))
local WIDE = "spec:fair_wide"
assert(process.define_host(WIDE, { workers = 2 }))
local INTERPRETED = "spec:fair_interpreted"
assert(process.define_host(INTERPRETED, { workers = 1, jit = false }))

-- Programs that take a while and give the same result however often they are interrupted.
local programs = {
  recursion = [[
    local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
    return fib(27)
  ]],
  sieve = [[
    local count = 0
    for _ = 1, 10 do
      local prime = {}
      for i = 2, 30000 do prime[i] = true end
      for i = 2, 30000 do
        if prime[i] then
          count = count + 1
          for j = i * i, 30000, i do prime[j] = false end
        end
      end
    end
    return count
  ]],
  ["building strings"] = [[
    local hash = 0
    for _ = 1, 60 do
      local text = ""
      for i = 1, 1500 do text = text .. string.char(65 + i % 26) end
      for i = 1, #text do hash = (hash * 31 + text:byte(i)) % 1000003 end
    end
    return hash
  ]],
  ["table.sort with a comparison"] = [[
    local hash = 0
    for round = 1, 30 do
      local list, x = {}, round
      for i = 1, 3000 do x = (x * 16807) % 2147483647; list[i] = x end
      table.sort(list, function(a, b) return a < b end)
      for i = 2, #list do assert(list[i - 1] <= list[i]) end
      hash = (hash + list[1500]) % 1000003
    end
    return hash
  ]],
  ["nested pcall"] = [[
    local function deep(n)
      if n == 0 then error({ value = 7 }) end
      local ok, err = pcall(deep, n - 1)
      if n % 3 == 0 then error(err) end
      assert(not ok or n % 3 ~= 1)
      return err.value
    end
    local sum = 0
    for _ = 1, 600 do
      for depth = 1, 20 do
        local ok, value = pcall(deep, depth)
        sum = sum + (ok and type(value) == "number" and value or 1)
      end
    end
    return sum
  ]],
  ["nested generators"] = [[
    local function numbers(n, depth)
      return coroutine.wrap(function()
        if depth == 0 then
          for i = 1, n do coroutine.yield(i) end
        else
          for value in numbers(n, depth - 1) do coroutine.yield(value + 1) end
        end
      end)
    end
    local sum = 0
    for _ = 1, 50 do
      for value in numbers(200, 8) do sum = sum + value end
    end
    return sum
  ]],
  ["values through resume and yield"] = [[
    local sum = 0
    local co = coroutine.create(function(a, b)
      while true do a, b = coroutine.yield(a + b, b) end
    end)
    for i = 1, 200000 do
      local _, x, y = coroutine.resume(co, i, 2)
      sum = sum + x + y + select("#", coroutine.resume(co, 1, 1))
    end
    return sum
  ]],
  ["errors in generators"] = [[
    local sum = 0
    for i = 1, 12000 do
      local co = coroutine.wrap(function()
        for _ = 1, 10 do coroutine.yield() end
        error("e" .. i, 0)
      end)
      for _ = 1, 10 do sum = sum + select("#", co()) end
      local ok, err = pcall(co)
      assert(not ok and err:match("e%d+$") == "e" .. i, err)
      sum = sum + i
    end
    return sum
  ]],
  ["generators in callbacks"] = [[
    local sum = 0
    for _ = 1, 4000 do
      local text = ("a1b2c3"):gsub("%d", function(digit)
        local again = coroutine.wrap(function()
          for _ = 1, 50 do coroutine.yield(digit) end
        end)
        local last
        for _ = 1, 50 do last = again() end
        return last .. last
      end)
      sum = sum + #text
    end
    return sum
  ]],
  ["status of coroutines"] = [[
    local count = 0
    local function has(co, status) assert(coroutine.status(co) == status, coroutine.status(co)) end
    for _ = 1, 3000 do
      local outer
      outer = coroutine.create(function()
        local inner
        inner = coroutine.create(function()
          for i = 1, 20 do
            has(outer, "normal")
            has(inner, "running")
            assert(coroutine.running() == inner)
            assert(not coroutine.resume(outer))
            count = count + 1
            coroutine.yield(i)
          end
        end)
        for i = 1, 20 do
          local ok, value = coroutine.resume(inner)
          assert(ok and value == i, value)
          has(inner, "suspended")
        end
      end)
      assert(coroutine.resume(outer))
    end
    return count
  ]],
  metamethods = [[
    local kind = {}
    kind.__index = function(_, key) return key * 2 end
    kind.__add = function(a, b) return setmetatable({ n = a.n + b.n }, kind) end
    kind.__lt = function(a, b) return a.n < b.n end
    kind.__concat = function(a, b) return tostring(a.n) .. tostring(b.n) end
    local sum = setmetatable({ n = 0 }, kind)
    local one = setmetatable({ n = 1 }, kind)
    local less, length = 0, 0
    for i = 1, 60000 do
      sum = sum + one
      if one < sum then less = less + 1 end
      length = length + #(sum .. one) + sum[i]
    end
    return sum.n + less + length
  ]],
  ["garbage and finalizers"] = [[
    local keep, closed = {}, 0
    for i = 1, 200000 do
      keep[i % 1000] = { i, tostring(i), {} }
      if i % 500 == 0 then
        if newproxy then
          getmetatable(newproxy(true)).__gc = function() closed = closed + 1 end
        else
          setmetatable({}, { __gc = function() closed = closed + 1 end })
        end
      end
    end
    local sum = 0
    for i = 0, 999 do sum = sum + keep[i][1] end
    collectgarbage()
    collectgarbage()
    return sum + closed
  ]],
  ["a line hook of its own"] = [[
    local lines, x = 0, 0
    debug.sethook(function() lines = lines + 1 end, "l")
    for _ = 1, 100000 do
      x = x + 1
      x = x * 1
    end
    debug.sethook()
    return lines
  ]],
  ["a call hook of its own"] = [[
    local calls = 0
    local function nothing() return 1 end
    debug.sethook(function() calls = calls + 1 end, "c")
    for _ = 1, 150000 do nothing() end
    debug.sethook()
    return calls
  ]],
}

-- The body of a process that computes without end once it is told to start.
local endless = [[
  local n = 0
  while true do n = n + 1 end
]]

describe("a pool host", function()
  before_each(support.reset)
  after_each(support.finish)

  local function spawn(body, host, ...)
    return support.keep(assert(process.spawn_monitored(support.entry(body), host, ...)))
  end

  for name, body in pairs(programs) do
    it("H-23 C-36 L-57 computes the same however often it is interrupted: " .. name, function()
      local expected = support.result_of(body)
      for _, host in ipairs({ POOL, WIDE, INTERPRETED }) do
        for _ = 1, 3 do
          spawn(body, host)
        end
        for _ = 1, 3 do
          local ev = support.receive(process.events(), "60s")
          assert.is_nil(ev.error)
          assert.equal(expected, ev.result)
        end
      end
    end)
  end

  it("H-23 C-36 lets others run while a process on every worker computes without end", function()
    for _, host in ipairs({ POOL, WIDE, INTERPRETED }) do
      for _ = 1, 3 do
        spawn(endless, host)
      end
      local echo = spawn(support.echo, host)
      for _ = 1, 20 do
        assert.is_true(support.answers(echo))
      end
    end
  end)

  it("H-23 does not run another coroutine of the process that gives way", function()
    for _, host in ipairs({ POOL, INTERPRETED }) do
      spawn(endless, host)
      local pid = spawn([[
        local log = {}
        coroutine.spawn(function() log[#log + 1] = "other" end)
        local until_then = os.clock() + 0.2
        local n = 0
        repeat n = n + 1 until n % 1000 == 0 and os.clock() > until_then
        return #log
      ]], host)
      assert.equal(0, support.event_of(pid).result)
    end
  end)

  it("H-23 replaces a worker that is stuck in C while others are ready, and lets it go afterwards", function()
    -- A pattern match that goes on for ever: it cannot be interrupted.
    local stuck = spawn([[
      process.listen("go"):receive()
      return (("a"):rep(28):find(("a?"):rep(28) .. ("a"):rep(28)))
    ]], POOL)
    local echo = spawn(support.echo, POOL)
    assert.is_true(support.answers(echo))
    process.send(stuck, "go")
    for _ = 1, 20 do
      assert.is_true(support.answers(echo))
    end
  end)

  it("L-54 puts a new thread in the place of one that was given up", function()
    local host = "spec:fair_given_up"
    assert(process.define_host(host, { workers = 1, terminate_grace = "20ms" }))
    -- A C call that removes the first file when it has begun. It returns when the second file is gone, at the latest
    -- after 20 s.
    local waits, file = os.tmpname(), os.tmpname()
    local pid = spawn([[
      local command = "rm %s; n=0; while [ -e %s ] && [ $n -lt 400 ]; do sleep 0.05; n=$((n + 1)); done"
      os.execute(command:format(...))
    ]], host, waits, file)
    support.eventually(function()
      local there = io.open(waits)
      return not (there and there:close())
    end)
    assert(process.terminate(pid))
    local ev = support.event_of(pid)
    assert.equal("process terminated", tostring(ev.error))
    assert.equal(1, process.host_info(host).abandoned)
    local echo = spawn(support.echo, host)
    assert.is_true(support.answers(echo))
    os.remove(file)
    support.eventually(function() return process.host_info(host).abandoned == 0 end)
    assert.is_true(support.answers(echo))
  end)

  it("L-50 L-52 ends processes that compute, and never another one", function()
    local echo = spawn(support.echo, WIDE)
    for _ = 1, 25 do
      local crowd = {}
      for i = 1, 8 do
        crowd[i] = assert(process.spawn_monitored(support.entry(endless), WIDE))
      end
      assert.is_true(support.answers(echo))
      for i = 1, 8 do
        assert(process.terminate(crowd[i]))
      end
      local ended = {}
      for _ = 1, 8 do
        local ev = support.receive(process.events())
        assert.equal("process terminated", tostring(ev.error))
        ended[ev.from] = true
      end
      for i = 1, 8 do
        assert.is_true(ended[crowd[i]])
      end
    end
    assert.is_true(support.answers(echo))
  end)

  it("H-54 does not interrupt a finalizer, nor the closing of a state", function()
    local body = [[
      local function long()
        local n = 0
        local until_then = os.clock() + 0.1
        repeat n = n + 1 until n % 1000 == 0 and os.clock() > until_then
        process.send("fairness.spec", "closed", n > 0)
      end
      if newproxy then
        keep = newproxy(true)
        getmetatable(keep).__gc = long
      else
        keep = setmetatable({}, { __gc = long })
      end
    ]]
    assert(process.registry.register("fairness.spec"))
    spawn(endless, POOL)
    local pid = spawn(body, POOL)
    local closed = support.receive(process.inbox())
    assert.equal("closed", closed:topic())
    assert.is_nil(support.event_of(pid).error)
    process.registry.unregister("fairness.spec")
  end)

  it("C-31 a coroutine that never waits takes turns with others, and the process with other processes", function()
    local pid = spawn([[
      for _ = 1, 2 do
        coroutine.spawn(function() while true do coroutine.yield() end end)
      end
      channel.new():receive()
    ]], POOL)
    local echo = spawn(support.echo, POOL)
    for _ = 1, 50 do
      assert.is_true(support.answers(echo))
    end
    assert.is_true(process.terminate(pid))
  end)

  it("T-12 rings the alarms of sleeping processes while others compute", function()
    spawn(endless, INTERPRETED)
    local pid = spawn([[
      local start = time.now()
      for _ = 1, 10 do time.sleep("5ms") end
      return time.now():sub(start):seconds()
    ]], INTERPRETED)
    assert.is_true(support.event_of(pid).result < 5)
    local late = time.after("1ms")
    assert.is_truthy(channel.select({ late:case_receive() }))
  end)
end)
