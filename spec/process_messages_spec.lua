-- Sending, and the messages that arrive.
local process = require "process"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"

local me = process.pid()

-- The payload of the next message in the inbox.
local function next_payload()
  return support.receive(process.inbox()):payload()
end

describe("send", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-20 puts one message into the mailbox, returns true, and does not wait for the receiver", function()
    local parked = support.spawn(support.parked)
    for _ = 1, 10000 do
      local sent, err = process.send(parked, "never read", "hello")
      assert.is_true(sent)
      assert.is_nil(err)
    end
    assert.is_true(process.send(me, "greeting", "hello"))
    assert.are.equal("hello", next_payload())
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-21 P-34 keeps the order of each sender, across all topics of the inbox", function()
    local body = [[
      local parent = ...
      for i = 1, 1000 do process.send(parent, "topic " .. i % 3, i) end
    ]]
    local last = {}
    for _ = 1, 3 do
      last[support.spawn(body, me)] = 0
    end
    for _ = 1, 3000 do
      local msg = support.receive(process.inbox())
      local i, from = msg:payload(), msg:from()
      assert.are.equal(last[from] + 1, i)
      assert.are.equal("topic " .. i % 3, msg:topic())
      last[from] = i
    end
  end)

  it("P-21 keeps the order of a sender on one listener", function()
    local numbers = process.listen("numbers")
    support.spawn("for i = 1, 1000 do process.send(..., 'numbers', i) end", me)
    for i = 1, 1000 do
      assert.are.equal(i, (support.receive(numbers)))
    end
    process.unlisten(numbers)
  end)

  it("P-22 delivers once, and messages outlive their sender", function()
    local pid = support.spawn_monitored("for i = 1, 3 do process.send(..., 'last words', i) end", me)
    support.event_of(pid)
    for i = 1, 3 do
      local msg = support.waiting(process.inbox())
      assert.are.same({ i, pid }, { msg:payload(), msg:from() })
    end
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-22 does not tell the sender that the receiver ended before it took the message", function()
    local pid = support.spawn_monitored("process.listen('end'):receive()")
    assert.is_true(process.send(pid, "unread", 1))
    assert.is_true(process.send(pid, "end"))
    assert.is_nil(support.event_of(pid).error)
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-23 B-3 delivers nothing when it fails, not even partly", function()
    local pid = support.spawn(support.echo)
    local failing = {
      { pid, "values", "one", { 2, { three = io.stdout } } },
      { pid, "@reserved", "one" },
      { pid, "", "one" },
      { pid },
    }
    for _, arguments in ipairs(failing) do
      local sent, err = process.send(support.unpack(arguments))
      assert.is_nil(sent)
      assert.are.equal("userdata", type(err))
    end
    assert(process.send(pid, "values", "undisturbed"))
    assert.are.equal("undisturbed", next_payload())
  end)

  it("P-24 finds no process that has ended, or that terminate was called on", function()
    local ended = support.exit_of("return 1").from
    local terminated = support.spawn(support.parked)
    assert(process.terminate(terminated))
    for _, pid in ipairs({ ended, terminated }) do
      local err = support.fails("process not found: " .. pid, "NOT_FOUND", process.send(pid, "greeting", "hello"))
      assert.is_truthy(err:find("not found"))
    end
  end)

  it("P-24 reaches the sender itself", function()
    assert.are.equal("note to myself", support.result_of([[
      process.send(process.pid(), "note", "note to myself")
      return process.inbox():receive():payload()
    ]]))
  end)

  it("P-25 B-22 refuses to overfill the mailbox of a host that has a limit; events are never refused", function()
    local host = "spec.messages:small"
    assert(process.define_host(host, { mailbox_limit = 2 }))
    local pid = assert(process.spawn(support.entry([[
      local parent = ...
      process.events():receive()
      local first = process.listen("goods"):receive()
      process.send(parent, "took", first)
      channel.new():receive()
    ]]), host, me))

    assert.is_true(process.send(pid, "goods", 1))
    assert.is_true(process.send(pid, "goods", 2))
    local err = support.fails(("mailbox full: %s (limit 2)"):format(pid), "RATE_LIMITED", process.send(pid, "goods", 3))
    assert.is_true(err:retryable())

    assert.is_true(process.cancel(pid, "make room"))
    assert.are.equal(1, next_payload())
    assert.is_true(process.send(pid, "goods", 4))
    assert.is_nil((process.send(pid, "goods", 5)))
    support.kill(pid)
  end)

  it("P-26 makes one message of several values: nil for none, the value for one, else a packed table", function()
    local inbox, raw = process.inbox(), process.listen("raw")
    local payloads = {
      { values = { n = 0 }, expected = nil },
      { values = { n = 1, "one" }, expected = "one" },
      { values = { n = 1, nil }, expected = nil },
      { values = { n = 2, "one", 2 }, expected = { n = 2, "one", 2 } },
      { values = { n = 4, nil, 2, nil, nil }, expected = { n = 4, nil, 2, nil, nil } },
    }
    for _, case in ipairs(payloads) do
      process.send(me, "raw", support.unpack(case.values, 1, case.values.n))
      process.send(me, "boxed", support.unpack(case.values, 1, case.values.n))
      local value, ok = support.receive(raw)
      assert.is_true(ok)
      assert.are.same(case.expected, value)
      assert.are.same(case.expected, support.receive(inbox):payload())
    end
    process.unlisten(raw)
  end)

  it("P-28 costs the same with many processes, names, listeners and waiting messages", function()
    -- The shortest of five times for 1000 sends.
    local function cost(pid)
      local best = math.huge
      for _ = 1, 5 do
        local start = time.now()
        for i = 1, 1000 do
          process.send(pid, "load", i)
        end
        best = math.min(best, time.now():sub(start):seconds())
      end
      return best
    end

    local quiet = cost(support.spawn(support.parked))

    local crowded = support.spawn([[
      local parent = ...
      for i = 1, 1000 do process.listen("topic " .. i) end
      process.send(parent, "ready")
      channel.new():receive()
    ]], me)
    support.receive(process.inbox())
    for i = 1, 1000 do
      assert(process.registry.register("spec.crowd." .. i, crowded))
    end
    for _ = 1, 50 do
      support.spawn(support.parked)
    end
    for i = 1, 100000 do
      process.send(crowded, "load", i)
    end
    -- Anything that looks through the 100,000 messages or the thousand names takes hundreds of times as long.
    assert.is_true(cost(crowded) < 20 * quiet)
  end)
end)

describe("a message", function()
  before_each(support.reset)
  after_each(support.finish)

  local function message(topic, ...)
    process.send(me, topic, ...)
    return support.receive(process.inbox())
  end

  it("P-42 tells sender, topic and payload, the same each time", function()
    local pid = support.spawn("process.send(..., 'greeting', { text = 'hello' })", me)
    local msg = support.receive(process.inbox())
    for _ = 1, 2 do
      assert.are.equal(pid, msg:from())
      assert.are.equal("greeting", msg:topic())
      assert.are.same({ text = "hello" }, msg:payload())
    end
    assert.are.equal(msg:payload(), msg:payload())
    assert.is_nil(message("empty"):payload())
    local several = message("several", 1, nil, 3)
    assert.are.same({ n = 3, 1, nil, 3 }, several:payload())
    assert.are.equal(several:payload(), several:payload())
  end)

  it("P-44 shows an uncalled field as its value in tostring, format and concatenation", function()
    for _, payload in ipairs({ "hello", 42 }) do
      local msg = message("greeting", payload)
      local shown = { topic = "greeting", payload = tostring(payload), from = me }
      for field, text in pairs(shown) do
        assert.are.equal(text, tostring(msg[field]))
        assert.are.equal(text, ("%s"):format(msg[field]))
        assert.are.equal("<" .. text, "<" .. msg[field])
        assert.are.equal(text .. ">", msg[field] .. ">")
        assert.are.equal(text, tostring(msg[field](msg)))
      end
      assert.are.equal("greeting" .. payload, msg.topic .. msg.payload)
    end
  end)

  it("P-44 shows an uncalled field as its value in print, in any process", function()
    local script = support.run([[
      local process = require "process"
      local body = "local msg = process.inbox():receive(); print('Inbox got:', msg.topic, msg.payload)"
      process.define("spec:printer", "return { main = function() " .. body .. " end }")
      local pid = assert(process.spawn_monitored("spec:printer", "app:processes"))
      process.send(pid, "child", 7)
      process.events():receive()

      process.send(process.pid(), "parent", "hello")
      local msg = process.inbox():receive()
      print("Inbox got:", msg.topic, msg.payload)
    ]])
    assert.are.equal("Inbox got:\tchild\t7\nInbox got:\tparent\thello\n", script.out)
    assert.are.equal(0, script.code)
  end)

  it("P-45 is userdata that names its topic, and cannot be sent on", function()
    local msg = message("greeting", "hello")
    assert.are.equal("userdata", type(msg))
    assert.are.equal("process.Message{topic=greeting}", tostring(msg))
    support.fails("cannot send a message (argument 3)", "INVALID", process.send(me, "forwarded", msg))
    assert.is_true(process.send(me, "forwarded", msg:payload()))
    assert.are.equal("hello", next_payload())
    assert.is_true(errors.is(select(2, process.send(me, "forwarded", msg.topic)), errors.INVALID))
  end)
end)
