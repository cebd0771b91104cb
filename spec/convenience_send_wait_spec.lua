-- convenience.md: process.send_wait.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local border = require "spec.support.border"
local support = require "spec.support"
local within = support.within

-- A process with room for so many messages, which takes one and sends it back whenever it is cancelled.
local function slow(limit)
  local pid = assert(process.spawn_monitored(support.code(function(parent)
    local events, inbox = process.events(), process.inbox()
    while true do
      events:receive()
      local msg = inbox:receive()
      process.send(parent, "taken", msg:payload())
    end
  end), border.host { mailbox_limit = limit }, process.pid()))
  return support.keep(pid)
end

-- Has the process take a message: which one.
local function take(pid, taken)
  process.cancel(pid)
  return within(taken)
end

-- Sends the values one after the other, each by a coroutine of its own that may wait; what came of them, in turn.
local function senders(pid, values, timeout)
  local done = channel.new(#values)
  for _, value in ipairs(values) do
    coroutine.spawn(function()
      local sent, err = process.send_wait(pid, "t", value, timeout)
      done:send({ value, sent or tostring(err) })
    end)
  end
  time.sleep("5ms")
  return done
end

describe("process.send_wait", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-3 waits for room, and is served in order", function()
    local pid, taken = slow(2), process.listen("taken")
    local done = senders(pid, { 1, 2, 3, 4, 5 })
    assert.are.same({ 1, true }, within(done))
    assert.are.same({ 2, true }, within(done))
    assert.is_true(support.silent(done))
    for number = 1, 3 do
      assert.are.equal(number, take(pid, taken))
      assert.are.same({ number + 2, true }, within(done))
      assert.is_true(support.silent(done, "5ms"))
    end
    assert.are.same({ 4, 5 }, { take(pid, taken), take(pid, taken) })
    -- Nobody waits any more: there is room at once.
    assert.is_true(process.send_wait(pid, "t", 6))
    assert.are.equal(6, take(pid, taken))
  end)

  it("W-3 B-22 lets a plain send fail, and go first where there is room", function()
    local pid, taken = slow(1), process.listen("taken")
    assert.is_true(process.send(pid, "t", "first"))
    local done = senders(pid, { "waits" })
    support.fails(("mailbox full: %s (limit 1)"):format(pid), "RATE_LIMITED", process.send(pid, "t", "plain"))
    assert.are.equal("first", take(pid, taken))
    assert.are.same({ "waits", true }, within(done))
    assert.are.equal("waits", take(pid, taken))
    assert.is_true(process.send(pid, "t", "plain"))
    assert.are.equal("plain", take(pid, taken))
  end)

  it("W-3 B-22 sends nothing when the time is over, and passes its turn on", function()
    local pid, taken = slow(1), process.listen("taken")
    process.send(pid, "t", "first")
    local hasty = senders(pid, { "hasty" }, "20ms")
    local patient = senders(pid, { "patient" })
    assert.are.same({ "hasty", ("mailbox full: %s (limit 1)"):format(pid) }, within(hasty))
    assert.are.equal("first", take(pid, taken))
    assert.are.same({ "patient", true }, within(patient))
    assert.are.equal("patient", take(pid, taken))
    process.cancel(pid)
    assert.is_true(support.silent(taken))
  end)

  it("W-3 passes the turn of a sender on that was ended", function()
    local pid, taken = slow(1), process.listen("taken")
    process.send(pid, "t", "first")
    local begins = process.listen("begins")
    local ended = support.start(function(to, parent)
      process.send(parent, "begins", true)
      process.send_wait(to, "t", "never")
    end, pid, process.pid())
    within(begins)
    time.sleep("20ms")
    local done = senders(pid, { "next" })
    process.terminate(ended)
    support.event_of(ended)
    assert.are.equal("first", take(pid, taken))
    assert.are.same({ "next", true }, within(done))
    assert.are.equal("next", take(pid, taken))
  end)

  it("W-3 B-11 ends with the receiver", function()
    local pid = slow(1)
    process.send(pid, "t", "first")
    local done = senders(pid, { 1, 2, 3 })
    process.terminate(pid)
    for number = 1, 3 do
      assert.are.same({ number, "process not found: " .. pid }, within(done))
    end
    support.fails("process not found: " .. pid, "NOT_FOUND", process.send_wait(pid, "t", 1))
  end)

  it("W-3 P-21 loses nothing and keeps the order of each of many senders", function()
    local limited = border.host { mailbox_limit = 3 }
    local count, each = 8, 200
    local pid = support.keep(assert(process.spawn_monitored(support.code(function(total)
      local last = {}
      for _ = 1, total do
        local msg = process.inbox():receive()
        local from, number = msg:from(), msg:payload()
        if number ~= (last[from] or 0) + 1 then
          return ("%s sent %d after %s"):format(from, number, last[from])
        end
        last[from] = number
      end
      return "in order"
    end), limited, count * each)))
    for _ = 1, count do
      support.start(function(to, upto)
        for number = 1, upto do
          assert(process.send_wait(to, "t", number))
        end
      end, pid, each)
    end
    assert.are.equal("in order", support.event_of(pid).result)
  end)

  it("W-3 H-31 waits for memory of a restricted receiver as well", function()
    local pid = support.keep(assert(process.spawn_monitored(support.entry [[
      local got = process.listen("go"):receive()
      for _ = 1, 6 do process.inbox():receive() end
      return got
    ]], border.restricted { memory_limit = 4 * 1024 * 1024 })))
    local big = ("x"):rep(1000000)
    local done = senders(pid, { big, big, big, big, big, big }, "10s")
    within(done)
    process.send(pid, "go", "went")
    for _ = 2, 6 do
      assert.is_true(within(done)[2])
    end
    assert.are.equal("went", support.event_of(pid).result)
    pid = support.keep(assert(process.spawn_monitored("spec.restricted:idle", border.restricted {
      memory_limit = 2 * 1024 * 1024,
    })))
    local text = ("mailbox full: %s (memory limit 2097152)"):format(pid)
    support.fails(text, "RATE_LIMITED", process.send_wait(pid, "t", ("x"):rep(3000000)))
  end)

  it("W-3 B-1 B-10 B-12 B-14 B-20 B-30 B-40 B-41 B-42 refuses bad arguments and sends nothing", function()
    local pid, taken = slow(5), process.listen("taken")
    support.fails("destination not found: nobody", "NOT_FOUND", process.send_wait("nobody", "t", 1))
    support.fails("reserved topic (begins with @): @x", "INVALID", process.send_wait(pid, "@x", 1))
    support.fails("empty topic", "INVALID", process.send_wait(pid, "", 1))
    local thread = coroutine.create(print)
    support.fails("cannot send a thread (argument 3)", "INVALID", process.send_wait(pid, "t", thread))
    support.fails("send_wait: topic is missing", "INVALID", process.send_wait(pid))
    support.fails("process.send_wait: invalid duration: soon", "INVALID", process.send_wait(pid, "t", 1, "soon"))
    support.fails("process.send_wait: duration must be greater than zero", "INVALID",
      process.send_wait(pid, "t", 1, "0s"))
    local _, err = process.send_wait(pid, "t", 1, 5)
    assert.is_truthy(tostring(err):find("^process.send_wait: 5 is 5 nanoseconds"))
    assert.are.equal("#1 (string expected, got table)", support.bad_argument(process.send_wait, {}, "t"))
    assert.are.equal("#2 (string expected, got table)", support.bad_argument(process.send_wait, pid, {}))
    assert.is_true(process.send_wait(pid, "t", "last"))
    assert.are.equal("last", take(pid, taken))
  end)
end)
