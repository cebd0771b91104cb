-- Misuse of channels: which calls raise, and with which texts.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

describe("a wrong argument", function()
  it("B-1 C-2 of channel.new raises", function()
    for _, wrong in ipairs({ "10", true, {}, print }) do
      assert.equal(("#1 (number expected, got %s)"):format(type(wrong)), support.bad_argument(channel.new, wrong))
    end
    for _, wrong in ipairs({ -1, 0.5, 1 / 0, -1 / 0, 0 / 0 }) do
      assert.matches("^#1 %(.+%)$", support.bad_argument(channel.new, wrong))
    end
  end)

  it("B-1 of channel.select raises", function()
    assert.equal("#1 (table expected, got no value)", support.bad_argument(channel.select))
    for _, wrong in ipairs({ "cases", 1, true, print }) do
      assert.equal(("#1 (table expected, got %s)"):format(type(wrong)), support.bad_argument(channel.select, wrong))
    end
  end)

  it("B-1 of coroutine.spawn raises", function()
    assert.equal("#1 (function expected, got no value)", support.bad_argument(coroutine.spawn))
    for _, wrong in ipairs({ "main", 1, true, setmetatable({}, { __call = print }) }) do
      assert.equal(("#1 (function expected, got %s)"):format(type(wrong)), support.bad_argument(coroutine.spawn, wrong))
    end
  end)

  it("B-1 B-7 of a method, called on the wrong object, raises and does no harm", function()
    local ch = channel.new(1)
    for _, method in ipairs({ "send", "receive", "close", "case_send", "case_receive" }) do
      local wrong_objects = { 1, "x", true, {}, print, io.stdout, ch:case_receive(), time.now() }
      for i = 0, #wrong_objects do -- 0: no object at all
        local message = support.raised(ch[method], wrong_objects[i])
        assert.is_truthy(message:find("bad argument #1", 1, true) or message:find("bad self", 1, true), message)
      end
    end
    ch:send("unharmed")
    assert.equal("unharmed", (ch:receive()))
  end)
end)

describe("a mailbox channel", function()
  local channels = {
    ["inbox"] = process.inbox,
    ["events"] = process.events,
    ["listener"] = function() return process.listen("limits.topic") end,
    ["listener for messages"] = function() return process.listen("limits.messages", { message = true }) end,
  }
  for name, get in pairs(channels) do
    it("B-50 refuses send, close and case_send, here the " .. name, function()
      local ch = get()
      for _, method in ipairs({ "send", "close", "case_send" }) do
        assert.equal(("cannot %s on a mailbox channel"):format(method), support.raised(ch[method], ch, "x"))
      end
      assert.is_true(channel.select({ ch:case_receive(), default = true }).default)
    end)
  end
end)

describe("a closed channel", function()
  it("B-51 refuses every send, waiting or not", function()
    local text = "send on closed channel"
    local waiting, closed, refusals = channel.new(), channel.new(5), {}
    closed:close()
    coroutine.spawn(function()
      refusals.send = support.raised(waiting.send, waiting, 1)
    end)
    coroutine.spawn(function()
      refusals.select = support.raised(channel.select, { waiting:case_send(1), channel.new():case_receive() })
    end)
    time.sleep(0)
    waiting:close()
    time.sleep(0)
    assert.same({ send = text, select = text }, refusals)
    assert.equal(text, support.raised(closed.send, closed, 1))
    assert.equal(text, support.raised(channel.select, { closed:case_send(1) }))
    assert.equal(text, support.raised(channel.select, { closed:case_send(1), default = true }))
  end)
end)

describe("channel.select", function()
  local ch, take

  before_each(function()
    ch = channel.new(1)
    ch:send("kept")
    take = ch:case_receive()
  end)

  after_each(function() -- B-3: a call that fails has no effect
    assert.equal("kept", channel.select({ take, default = true }).value)
  end)

  it("B-52 B-3 refuses an entry that is not a case", function()
    for _, wrong in ipairs({ ch, "receive", 1, {}, print, false, time.now() }) do
      assert.equal("select: entry 1 is not a case", support.raised(channel.select, { wrong, take }))
      assert.equal("select: entry 3 is not a case", support.raised(channel.select, { take, take, wrong }))
      assert.equal("select: entry 2 is not a case", support.raised(channel.select, { take, wrong, default = true }))
    end
  end)

  it("B-52 C-28 refuses a nil with a case behind it, which would not be looked at", function()
    local other = channel.new():case_receive()
    assert.equal("select: entry 2 is not a case", support.raised(channel.select, { other, nil, take }))
    assert.equal("select: entry 2 is not a case", support.raised(channel.select, { other, nil, nil, take }))
    assert.equal("select: entry 1 is not a case", support.raised(channel.select, { nil, take, default = true }))
    assert.equal("select: entry 1 is not a case", support.raised(channel.select, { [2 ^ 40] = take }, true))
    assert.equal("select: entry 3 is not a case", support.raised(channel.select, { other, other, false, take }))
  end)

  it("B-54 C-28 refuses a case that is no entry of the list", function()
    local other = channel.new():case_receive()
    assert.equal("select: unknown key 0", support.raised(channel.select, { other, [0] = take }))
    assert.equal("select: unknown key -1", support.raised(channel.select, { other, [-1] = take }))
    assert.equal("select: unknown key 1.5", support.raised(channel.select, { other, [1.5] = take }))
    assert.equal("select: unknown key true", support.raised(channel.select, { other, [true] = take }))
    assert.equal("select: unknown key table", support.raised(channel.select, { other, [{}] = take }))
  end)

  it("B-1 C-22 refuses a second argument that is no boolean, such as a time-out", function()
    for _, wrong in ipairs({ "1s", 5, {}, take }) do
      local got = type(wrong) == "userdata" and "channel.case" or type(wrong)
      assert.equal(("#2 (boolean expected, got %s)"):format(got), support.bad_argument(channel.select, { take }, wrong))
    end
  end)

  it("B-53 refuses to wait for nothing", function()
    assert.equal("select: no cases", support.raised(channel.select, {}))
    assert.equal("select: no cases", support.raised(channel.select, { nil, take }))
    assert.is_true(channel.select({}, true).default)
  end)

  it("B-54 B-3 refuses an unknown key", function()
    local text = "select: unknown key defualt (did you mean default?)"
    assert.equal(text, support.raised(channel.select, { take, defualt = true }))
    assert.equal("select: unknown key limit", support.raised(channel.select, { take, default = true, limit = "1s" }))
    assert.equal("select: unknown key \\000", support.raised(channel.select, { take, ["\0"] = 1 })) -- B-5
  end)
end)

describe("a wait in a finalizer", function()
  local newproxy = rawget(_G, "newproxy")

  -- Lets the collector call f.
  local function finalize(f)
    if newproxy then
      getmetatable(newproxy(true)).__gc = f
    else
      setmetatable({}, { __gc = f })
    end
    collectgarbage()
    collectgarbage()
  end

  local never = channel.new()
  local waits = {
    receive = function() never:receive() end,
    send = function() never:send(1) end,
    select = function() channel.select({ never:case_receive(), never:case_send(1) }) end,
    sleep = function() time.sleep("1ms") end,
    ["receive from time.after"] = function() time.after("1ms"):receive() end,
    ["receive in a coroutine"] = function() coroutine.wrap(function() never:receive() end)() end,
    ["receive in a callback"] = function() string.gsub("x", "x", function() never:receive() end) end,
  }
  for name, wait in pairs(waits) do
    it("B-56 raises, here " .. name, function()
      local refusal
      finalize(function()
        refusal = support.raised(wait)
      end)
      assert.matches("cannot wait in a finalizer$", refusal)
      assert.is_true(channel.select({ never:case_receive(), never:case_send(1), default = true }).default)
    end)
  end

  it("B-56 does not concern a call that need not wait", function()
    local ch, got = channel.new(1), {}
    finalize(function()
      got.send = ch:send("from a finalizer")
      got.receive = ch:receive()
      got.select = channel.select({ ch:case_receive(), default = true }).default
    end)
    assert.same({ send = true, receive = "from a finalizer", select = true }, got)
  end)

  it("B-56 raises when the state of a spawned process is closed", function()
    support.reset()
    local exit = support.exit_of([[
      local parent, ch = ..., channel.new()
      require("life.finally")(function()
        process.send(parent, select(2, pcall(ch.receive, ch)))
      end)
      return "over"
    ]], process.pid())
    assert.equal("over", exit.result)
    assert.equal("cannot wait in a finalizer", support.receive(process.inbox()):topic())
  end)
end)
