-- select waits on several channels at once and performs exactly one of its cases.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local spawn = coroutine.spawn

local function turn()
  time.sleep(0)
end

-- A channel with this many values in it.
local function filled(n)
  local ch = channel.new(n)
  for i = 1, n do
    ch:send(i)
  end
  return ch
end

-- True if a receive from ch would wait.
local function is_empty(ch)
  return channel.select({ ch:case_receive(), default = true }).default == true
end

-- The largest number of neighbours in the list that are not this channel.
local function longest_gap(taken, ch)
  local longest, gap = 0, 0
  for _, other in ipairs(taken) do
    gap = other == ch and 0 or gap + 1
    longest = math.max(longest, gap)
  end
  return longest
end

-- Resident bytes of this OS process.
local function resident()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open("/proc/self/statm"))
  local _, pages = file:read("*n", "*n")
  file:close()
  return pages * 4096
end

describe("channel.select", function()
  before_each(support.reset)

  it("C-10 takes cases that may be kept and used again; a case does nothing by itself", function()
    local ch = channel.new(3)
    local put, take = ch:case_send("x"), ch:case_receive()
    assert.is_true(is_empty(ch))
    for _ = 1, 3 do
      channel.select({ put })
    end
    for _ = 1, 3 do
      assert.equal("x", channel.select({ take }).value)
    end
    assert.is_true(is_empty(ch))
  end)

  it("C-20 performs exactly one of the cases that can go on", function()
    local a, b, c = filled(1), filled(1), channel.new(1)
    channel.select({ a:case_receive(), b:case_receive(), c:case_send("x") })
    local left = (is_empty(a) and 0 or 1) + (is_empty(b) and 0 or 1) + (is_empty(c) and 1 or 0)
    assert.equal(2, left)
  end)

  it("C-20 waits until one case can go on", function()
    local a, b, got = channel.new(), channel.new(), nil
    spawn(function()
      got = channel.select({ a:case_receive(), b:case_receive() })
    end)
    turn()
    assert.is_nil(got)
    b:send("now")
    turn()
    assert.same({ channel = b, value = "now", ok = true }, got)
  end)

  it("C-20 returns a new table each time and is called with or without parentheses", function()
    local ch = filled(2)
    local first = channel.select { ch:case_receive() }
    local second = channel.select({ ch:case_receive() })
    assert.is_false(first == second)
    assert.same({ 1, 2 }, { first.value, second.value })
  end)

  it("C-21 tells what was received, sent, or closed", function()
    local ch = channel.new(1)
    assert.same({ channel = ch, value = "out", ok = true }, channel.select({ ch:case_send("out") }))
    assert.same({ channel = ch, value = "out", ok = true }, channel.select({ ch:case_receive() }))
    ch:close()
    assert.same({ channel = ch, ok = false }, channel.select({ ch:case_receive() }))
  end)

  it("C-21 completes a waiting send case when somebody receives", function()
    local ch, got = channel.new(), nil
    spawn(function()
      got = channel.select({ channel.new():case_receive(), ch:case_send("offer") })
    end)
    turn()
    assert.same({ "offer", true }, { ch:receive() })
    turn()
    assert.same({ channel = ch, value = "offer", ok = true }, got)
  end)

  it("C-22 never waits with default, in the table or as second argument", function()
    local ch = channel.new()
    local none = { default = true, ok = true }
    assert.same(none, channel.select({ ch:case_receive(), ch:case_send(1), default = true }))
    assert.same(none, channel.select({ ch:case_receive() }, true))
    assert.same(none, channel.select({ default = true }))
    local got = channel.select({ filled(1):case_receive(), default = true })
    assert.equal(1, got.value)
    assert.is_nil(got.default)
  end)

  it("C-24 names the very channel the case was made from, plain and mailbox alike", function()
    local names = {
      [filled(1)] = "plain",
      [process.inbox()] = "inbox",
      [process.listen("select.topic")] = "listener",
    }
    process.send(process.pid(), "select.topic", "x")
    process.send(process.pid(), "select.other", "y")
    local cases, seen = {}, {}
    for ch in pairs(names) do
      cases[#cases + 1] = ch:case_receive()
    end
    for _ = 1, 3 do
      seen[names[channel.select(cases).channel]] = true
    end
    assert.same({ plain = true, inbox = true, listener = true }, seen)
    process.unlisten(process.listen("select.topic"))
  end)

  it("C-25 B-51 raises when a send case meets a closed channel, at the start or while waiting", function()
    local ch = channel.new()
    local refusal
    spawn(function()
      refusal = support.raised(channel.select, { channel.new():case_receive(), ch:case_send("x") })
    end)
    turn()
    assert.is_nil(refusal)
    ch:close()
    turn()
    assert.equal("send on closed channel", refusal)
    assert.equal("send on closed channel", support.raised(channel.select, { ch:case_send("x") }))
  end)

  it("C-26 lets a channel occur several times; its send and receive cases never meet each other", function()
    local ch = channel.new()
    local late = time.after("5ms")
    local cases = { ch:case_send("me"), ch:case_receive(), ch:case_receive(), late:case_receive() }
    assert.equal(late, channel.select(cases).channel)
    spawn(function()
      ch:send("another")
    end)
    turn()
    assert.equal("another", channel.select({ ch:case_receive(), ch:case_receive() }).value)
    assert.is_true(is_empty(ch))
  end)

  it("C-28 reads the list from 1 to the first nil and does not modify it", function()
    local ch = filled(1)
    local take = ch:case_receive()
    local cases = { take, nil, "not a case", default = true }
    assert.equal(1, channel.select(cases).value)
    assert.same({ take, nil, "not a case", default = true }, cases)
  end)
end)

describe("the choice among ready cases", function()
  it("C-23 takes each of k ready cases at least once in 2k selects", function()
    for k = 2, 6 do
      local cases, channels, taken = {}, {}, {}
      for i = 1, k do
        local ch = i % 2 == 0 and filled(100 * k) or channel.new(100 * k)
        channels[i] = ch
        cases[i] = i % 2 == 0 and ch:case_receive() or ch:case_send("x")
      end
      for i = 1, 20 * k do
        taken[i] = channel.select(cases).channel
      end
      for i = 1, k do
        assert.is_true(longest_gap(taken, channels[i]) < 2 * k, ("case %d of %d starves"):format(i, k))
      end
    end
  end)

  it("C-23 stays fair in a program that alternates two selects", function()
    local selects = {}
    for i = 1, 2 do
      local a, b = filled(100), filled(100)
      selects[i] = { channels = { a, b }, cases = { a:case_receive(), b:case_receive() }, taken = {} }
    end
    for _ = 1, 50 do
      for _, each in ipairs(selects) do
        table.insert(each.taken, channel.select(each.cases).channel)
      end
    end
    for _, each in ipairs(selects) do
      for _, ch in ipairs(each.channels) do
        assert.is_true(longest_gap(each.taken, ch) < 4)
      end
    end
  end)

  it("C-23 sees a timeout listed last although the first channel never runs dry", function()
    local start = time.now()
    local closed, late = channel.new(), time.after("5ms")
    closed:close() -- ready for ever
    local got
    repeat
      got = channel.select({ closed:case_receive(), late:case_receive() })
    until got.channel == late or time.now():sub(start):seconds() > 20
    assert.equal(late, got.channel)
  end)

  it("C-23 can be given priority by two selects, the first with default", function()
    local urgent, usual, got = filled(3), filled(3), {}
    for i = 1, 6 do
      local first = channel.select({ urgent:case_receive(), default = true })
      local next_one = first.default and channel.select({ urgent:case_receive(), usual:case_receive() }) or first
      got[i] = next_one.channel
    end
    assert.same({ urgent, urgent, urgent, usual, usual, usual }, got)
  end)
end)

describe("the cases not taken", function()
  it("C-27 consume, send and reorder nothing", function()
    local full, offered, empty = filled(3), channel.new(1), channel.new()
    for _ = 1, 50 do
      local late = time.after("1us")
      local got = channel.select({ empty:case_receive(), empty:case_send("x"), late:case_receive() })
      assert.equal(late, got.channel)
    end
    assert.is_true(is_empty(empty))
    local got = {}
    for i = 1, 4 do
      got[i] = channel.select({ full:case_receive(), offered:case_send("once"), empty:case_receive() }).value
    end
    table.sort(got, function(a, b)
      return tostring(a) < tostring(b)
    end)
    assert.same({ 1, 2, 3, "once" }, got)
    assert.is_true(is_empty(full))
    assert.equal("once", (offered:receive()))
    assert.is_true(is_empty(offered))
  end)

  it("C-27 lose nothing when many coroutines select on the same channels", function()
    local a, b, done = channel.new(), channel.new(2), channel.new()
    local got, producers, values = {}, 4, 100
    for p = 1, producers do
      spawn(function()
        for i = 1, values do
          channel.select({ a:case_send(p * 1000 + i), b:case_send(p * 1000 + i) })
        end
        done:send("producer")
      end)
    end
    local quit = channel.new()
    for _ = 1, 4 do
      spawn(function()
        repeat
          local result = channel.select({ a:case_receive(), b:case_receive(), quit:case_receive() })
          if result.channel ~= quit then
            got[#got + 1] = result.value
          end
        until result.channel == quit
        done:send("consumer")
      end)
    end
    for _ = 1, producers do
      support.receive(done)
    end
    support.eventually(function()
      return #got == producers * values
    end)
    quit:close()
    for _ = 1, 4 do
      support.receive(done)
    end
    table.sort(got)
    local sent = {}
    for p = 1, producers do
      for i = 1, values do
        sent[#sent + 1] = p * 1000 + i
      end
    end
    assert.same(sent, got)
  end)

  it("C-27 leave no memory with the channels", function()
    local never, ping, pong = channel.new(), channel.new(), channel.new()
    spawn(function()
      while select(2, ping:receive()) do
        pong:send("x")
      end
    end)
    local function selects(n)
      for _ = 1, n do
        ping:send("x")
        local got = channel.select({ never:case_receive(), never:case_send("y"), pong:case_receive() })
        assert(got.channel == pong)
      end
    end
    selects(1000)
    local before = resident()
    selects(200000)
    assert.is_true(resident() - before < 4 * 1024 * 1024)
    assert.is_true(is_empty(never))
    ping:close()
  end)
end)
