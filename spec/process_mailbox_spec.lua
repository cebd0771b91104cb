-- One mailbox, several views: listen, unlisten, inbox, events.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

local managed = coroutine.spawn
local me = process.pid()

local opened = {}

-- process.listen, undone after the test.
local function listen(topic, options)
  local ch = assert(process.listen(topic, options))
  opened[#opened + 1] = ch
  return ch
end

local function send(topic, ...)
  assert(process.send(me, topic, ...))
end

-- The payloads of all messages that wait in the inbox.
local function inbox_payloads()
  local payloads = {}
  local msg = support.waiting(process.inbox())
  while msg do
    payloads[#payloads + 1] = msg:payload()
    msg = support.waiting(process.inbox())
  end
  return payloads
end

local function finish()
  for _, ch in ipairs(opened) do
    process.unlisten(ch)
  end
  opened = {}
  support.finish()
end

describe("the mailbox", function()
  before_each(support.reset)
  after_each(finish)

  it("P-30 keeps messages until they are taken, opened or not", function()
    assert.are.same({ "to the inbox", "to a listener" }, support.result_of([[
      local me = process.pid()
      process.send(me, "one", "to the inbox")
      process.send(me, "two", "to a listener")
      local two = process.listen("two"):receive()
      return { process.inbox():receive():payload(), two }
    ]]))
  end)

  it("P-30 P-41 keeps events that happened before the first call of events()", function()
    local pid = support.spawn_monitored([[
      process.listen("go"):receive()
      local ev = process.events():receive()
      return ev.kind .. ": " .. ev.reason
    ]])
    process.cancel(pid, "early")
    process.send(pid, "go")
    assert.are.equal("pid.cancel: early", support.event_of(pid).result)
  end)

  it("P-31 gives a message to the listener of its topic, every other message to the inbox", function()
    local orders = listen("orders")
    send("orders", 1)
    send("gossip", 2)
    assert.are.same({ 2 }, inbox_payloads())
    assert.are.equal(1, (support.receive(orders)))
    assert.is_nil(support.waiting(process.events()))
  end)

  it("P-31 P-32 decides when a message is taken: listen also yields what came before", function()
    send("orders", 1)
    send("gossip", 2)
    send("orders", 3)
    local inbox = process.inbox()
    assert.are.equal(1, support.receive(inbox):payload())
    local orders = listen("orders")
    assert.are.equal(2, support.receive(inbox):payload())
    assert.are.equal(3, (support.receive(orders)))
  end)

  it("P-32 P-39 gives the rest back to the inbox after unlisten, in order", function()
    local orders = listen("orders")
    for i = 1, 4 do
      send(i == 3 and "gossip" or "orders", i)
    end
    assert.are.equal(1, (support.receive(orders)))
    process.unlisten(orders)
    assert.are.same({ 2, 3, 4 }, inbox_payloads())
  end)

  it("P-33 serves waiting coroutines first come, first served, each message to one", function()
    local jobs, served = listen("jobs"), channel.new(3)
    for worker = 1, 3 do
      managed(function()
        served:send({ worker, (jobs:receive()) })
      end)
    end
    time.sleep(0)
    for _, job in ipairs({ "a", "b", "c" }) do
      send("jobs", job)
    end
    for worker, job in ipairs({ "a", "b", "c" }) do
      assert.are.same({ worker, job }, (support.receive(served)))
    end
    assert.is_nil(support.waiting(jobs))
  end)

  it("P-34 yields in order within a channel; between channels the receiver chooses", function()
    local a, b = listen("a"), listen("b")
    for i = 1, 2 do
      send("a", i)
      send("b", 10 * i)
    end
    assert.are.equal(10, (support.receive(b)))
    assert.are.equal(20, (support.receive(b)))
    assert.are.equal(1, (support.receive(a)))
    assert.are.equal(2, (support.receive(a)))
  end)

  it("P-35 C-24 is seen through the same channel objects on every call", function()
    local inbox = process.inbox()
    assert.are.equal(inbox, process.inbox())
    assert.are.equal(process.events(), process.events())
    local orders = listen("orders")
    assert.are.equal(orders, process.listen("orders"))
    assert.are_not.equal(orders, listen("gossip"))

    send("unknown", 1)
    local got = channel.select({ orders:case_receive(), inbox:case_receive() })
    assert.are.equal(process.inbox(), got.channel)
  end)

  it("P-36 B-50 is receive-only", function()
    for _, ch in ipairs({ process.inbox(), process.events(), listen("orders") }) do
      support.raises("cannot send on a mailbox channel", ch.send, ch, 1)
      support.raises("cannot close on a mailbox channel", ch.close, ch)
      support.raises("cannot case_send on a mailbox channel", ch.case_send, ch, 1)
    end
    send("orders", "still open")
    assert.are.equal("still open", (support.receive(listen("orders"))))
  end)
end)

describe("listen", function()
  before_each(support.reset)
  after_each(finish)

  it("P-37 yields payloads by default", function()
    for i, options in ipairs({ false, {}, { message = false } }) do
      local topic = "plain " .. i
      local ch = listen(topic, options or nil)
      send(topic, { "payload" })
      assert.are.same({ "payload" }, (support.receive(ch)))
    end
  end)

  it("P-37 yields message objects with message = true", function()
    local ch = listen("echo", { message = true })
    send("echo", "payload")
    local msg = support.receive(ch)
    assert.are.same({ me, "echo", "payload" }, { msg:from(), msg:topic(), msg:payload() })
  end)

  it("P-38 B-17 gives the open channel in the same mode, an error in the other one", function()
    local plain, objects = listen("plain"), listen("objects", { message = true })
    assert.are.equal(plain, process.listen("plain", { message = false }))
    assert.are.equal(objects, process.listen("objects", { message = true }))
    support.fails("already listening to plain with message = false", "CONFLICT",
      process.listen("plain", { message = true }))
    support.fails("already listening to objects with message = true", "CONFLICT", process.listen("objects"))
    send("plain", 1)
    send("objects", 2)
    assert.are.equal(1, (support.receive(plain)))
    assert.are.equal(2, support.receive(objects):payload())
  end)
end)

describe("unlisten", function()
  before_each(support.reset)
  after_each(finish)

  it("P-39 ends waits and later receives with nil, false; the next listen gives a new channel", function()
    local orders, results = listen("orders"), channel.new(2)
    for _ = 1, 2 do
      managed(function()
        results:send(support.pack(orders:receive()))
      end)
    end
    time.sleep(0)
    assert.is_true(process.unlisten(orders))
    for _ = 1, 2 do
      assert.are.same({ n = 2, nil, false }, (support.receive(results)))
    end
    send("orders", 1)
    assert.are.same({ n = 2, nil, false }, support.pack(orders:receive()))

    local again = listen("orders", { message = true })
    assert.are_not.equal(orders, again)
    assert.are.equal(1, support.receive(again):payload())
    assert.are.same({ n = 2, nil, false }, support.pack(orders:receive()))
  end)

  it("P-39 B-18 B-4 refuses a channel that is no open listener, with false", function()
    local closed = listen("orders")
    process.unlisten(closed)
    for _, ch in ipairs({ closed, process.inbox(), process.events(), channel.new() }) do
      local first, err = process.unlisten(ch)
      assert.is_false(first)
      support.fails("channel is not an open listener", "NOT_FOUND", first, err)
    end
  end)
end)

describe("inbox and events", function()
  before_each(support.reset)
  after_each(finish)

  it("P-40 the inbox yields message objects; no topic name is special", function()
    for _, topic in ipairs({ "inbox", "events", "pid.exit", " ", "zero\0byte" }) do
      send(topic, topic)
      local msg = support.receive(process.inbox())
      assert.are.same({ topic, topic, me }, { msg:topic(), msg:payload(), msg:from() })
      assert.is_nil(support.waiting(process.events()))
    end
  end)

  it("P-41 events() yields EXIT, LINK_DOWN and CANCEL, and no messages", function()
    process.set_options({ trap_links = true })
    send("gossip", 1)
    local pid = support.spawn_linked_monitored("error('dead', 0)")
    local exit, down = support.receive(process.events()), support.receive(process.events())
    process.cancel(me, "enough")
    local cancel = support.receive(process.events())
    assert.are.same({ "pid.exit", "pid.link.down", "pid.cancel" }, { exit.kind, down.kind, cancel.kind })
    assert.are.same({ pid, pid, me }, { exit.from, down.from, cancel.from })
    assert.are.same({ 1 }, inbox_payloads())
  end)
end)
