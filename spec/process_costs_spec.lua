-- The cost of a call does not depend on the number of waiting messages, nor on the number of anything else.
local process = require "process"
local support = require "spec.support"

local me = process.pid()

-- Waits until nothing else runs: threads of processes that have ended may still be ending themselves.
local function settle()
  for _ = 1, 200 do
    local start = os.clock()
    process.time.sleep("10ms")
    if os.clock() - start < 0.001 then
      return
    end
  end
end

-- Processor time that the whole program spends in fn(...); nothing else runs meanwhile.
local function cost(fn, ...)
  collectgarbage()
  settle()
  local start = os.clock()
  fn(...)
  return os.clock() - start
end

-- Fails unless `many` is at most this many times `few`.
local function at_most(times, few, many)
  if many > times * few then
    error(("%.6f s have become %.6f s"):format(few, many), 2)
  end
end

-- Sends this many messages to ourselves, to this many topics in turn.
local function fill(topic, count, topics)
  for i = 1, count do
    assert(process.send(me, topic .. i % topics, i))
  end
end

-- Calls with a topic for each answer.
local function calls(count)
  for i = 1, count do
    local ch = assert(process.listen("reply " .. i))
    assert(process.send(me, "reply " .. i, i))
    assert.are.equal(i, (ch:receive()))
    assert.is_true(process.unlisten(ch))
  end
end

-- Opens a topic and closes it again, this often; takes one message each time.
local function toggle(topic, times)
  for i = 1, times do
    local ch = assert(process.listen(topic))
    assert.are.equal(i, (ch:receive()))
    assert.is_true(process.unlisten(ch))
  end
end

-- Takes messages with these payloads, one after the other, from the inbox.
local function expect(first, last)
  for i = first, last do
    local payload = support.waiting(process.inbox()):payload()
    if payload ~= i then
      error(("%s instead of %d"):format(tostring(payload), i), 2)
    end
  end
end

-- Opens and closes topics where nothing waits.
local function open_and_close(count)
  for i = 1, count do
    assert.is_true(process.unlisten(assert(process.listen("brief " .. i))))
  end
end

-- Starts children in this way and lets them fail; returns their PIDs when all of them are over.
local function failed(way, count)
  local entry, pids = support.entry("return nil, 'bad'"), {}
  for i = 1, count do
    pids[i] = assert(process["spawn_" .. way](entry, support.host))
  end
  process.wait()
  return pids
end

local function undo(how, pids)
  for i = #pids, 1, -1 do
    assert.is_true(process[how](pids[i]))
  end
end

describe("costs:", function()
  before_each(support.reset)
  after_each(function()
    support.reset()
    support.finish()
  end)

  it("P-28 B-97 a call with a topic of its own costs the same with 100,000 messages waiting", function()
    calls(1000)
    local few = cost(calls, 1000)
    fill("other ", 100000, 1000)
    open_and_close(1)
    at_most(20, few, cost(calls, 1000))
    expect(1, 100000)
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-28 B-97 P-39 a topic is opened and closed as fast with 100,000 messages of it waiting", function()
    fill("few ", 400, 1)
    open_and_close(1)
    local few = cost(toggle, "few 0", 300)
    fill("many ", 100000, 1)
    open_and_close(1)
    at_most(20, few, cost(toggle, "many 0", 300))
    expect(301, 400)
    expect(301, 100000)
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("P-28 B-97 a topic is opened and closed as fast beside 20,000 others that are open", function()
    local listeners = {}
    open_and_close(1000)
    local few = cost(open_and_close, 1000)
    for i = 1, 20000 do
      listeners[i] = assert(process.listen("open " .. i))
    end
    local many = cost(open_and_close, 1000)
    for _, ch in ipairs(listeners) do
      assert.is_true(process.unlisten(ch))
    end
    at_most(20, few, many)
  end)

  for way, how in pairs({ monitored = "unmonitor", linked = "unlink" }) do
    it("L-24 L-47 " .. how .. " takes back each of many waiting events as fast as each of few", function()
      process.set_options({ trap_links = true })
      undo(how, failed(way, 200))
      local few = cost(undo, how, failed(way, 500))
      -- For eight times as many, at most 24 times as much.
      at_most(24, few, cost(undo, how, failed(way, 4000)))
      assert.is_nil(support.waiting(process.events()))
    end)
  end
end)
