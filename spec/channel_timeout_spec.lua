-- Receives and sends that wait for a limited time: every kind of channel, wherever a call may wait.
local process = require "process"
local channel = require "process.channel"
local support = require "spec.support"

local loadstring = rawget(_G, "loadstring") or load

-- Each runs a body, source text that returns a string, in one kind of place.
local function compiled(body)
  return assert(loadstring(body))
end

local function in_managed(fn)
  local results = channel.new(1)
  coroutine.spawn(function()
    results:send((fn()))
  end)
  return (results:receive())
end

local function in_callback(fn)
  local result
  string.gsub("x", "x", function()
    result = fn()
  end)
  return result
end

-- The same for a child, as source text around a function `body`.
local inside = {
  ["main of a child"] = "return body()",
  ["a coroutine of a child"] = [[
    local results = channel.new(1)
    coroutine.spawn(function() results:send((body())) end)
    return (results:receive())
  ]],
  ["a callback in a child"] = [[
    local result
    string.gsub("x", "x", function() result = body() end)
    return result
  ]],
  ["a plain coroutine of a child"] = "return coroutine.wrap(body)()",
}

local places = {
  ["the main script"] = function(body)
    return compiled(body)()
  end,
  ["a coroutine of the main process"] = function(body)
    return in_managed(compiled(body))
  end,
  ["a callback in the main process"] = function(body)
    return in_callback(compiled(body))
  end,
  ["a plain coroutine of the main process"] = function(body)
    return coroutine.wrap(compiled(body))()
  end,
}
for name, around in pairs(inside) do
  places[name] = function(body)
    return support.result_of(("local function body()\n%s\nend\n%s"):format(body, around))
  end
end

-- Shows all results of a call.
local show = [[
  local process, channel, time = require "process", require "process.channel", require "process.time"
  local function show(...)
    local all = { n = select("#", ...), ... }
    for i = 1, all.n do all[i] = tostring(all[i]) end
    return table.concat(all, " ")
  end
]]

describe("a time-out", function()
  before_each(support.reset)
  after_each(support.finish)

  for place, run in pairs(places) do
    local function gives(expected, body)
      assert.are.equal(expected, run(show .. body))
    end

    it("C-41 of receive ends the wait with nil, nil on every kind of channel, in " .. place, function()
      gives("nil nil,nil nil,nil nil,nil nil,nil nil,nil nil,nil nil,nil nil,nil nil", [[
        local closing = process.listen("spec.timeout")
        local results = {}
        local channels = {
          channel.new(), channel.new(3), process.inbox(), process.events(), closing,
          process.listen("spec.timeout.message", { message = true }),
          time.after("1h"), time.timer("1h"):channel(), time.ticker("1h"):channel(),
        }
        for i, ch in ipairs(channels) do
          results[i] = show(ch:receive(i % 2 == 0 and "1ms" or time.parse_duration("2ms")))
        end
        process.unlisten(closing)
        process.unlisten(channels[6])
        return table.concat(results, ",")
      ]])
    end)

    it("C-41 C-42 is not over early, in " .. place, function()
      gives("true true", [[
        local ch, start = channel.new(), time.now()
        ch:receive("20ms")
        local received = time.now():sub(start):milliseconds() >= 20
        start = time.now()
        ch:send(1, 20 * time.MILLISECOND)
        return show(received, time.now():sub(start):milliseconds() >= 20)
      ]])
    end)

    it("C-41 C-42 zero does not wait, not even for other coroutines, in " .. place, function()
      gives("nil nil,false,nil nil,nil nil,a true,true,false,untouched", [[
        local ch, full, state, results = channel.new(), channel.new(1), "untouched", {}
        coroutine.spawn(function() state = "touched" end)
        results[1], results[2] = show(ch:receive(0)), show(ch:send("x", "0s"))
        results[3], results[4] = show(ch:receive("0")), show(process.inbox():receive(0))
        full:send("a")
        results[5], results[6], results[7] = show(full:receive(0)), show(full:send("b", 0)), show(full:send("c", 0))
        results[8] = state
        time.sleep(0)
        return table.concat(results, ",")
      ]])
    end)

    it("C-41 C-6 what comes in time is received as without, in " .. place, function()
      gives("value true,nil true,nil false,message true", [[
        local ch, results = channel.new(), {}
        coroutine.spawn(function()
          ch:send("value")
          ch:send(nil)
          ch:close()
        end)
        for i = 1, 3 do results[i] = show(ch:receive("20s")) end
        local topic = process.listen("spec.timeout")
        process.send(process.pid(), "spec.timeout", "message")
        results[4] = show(topic:receive("20s"))
        process.unlisten(topic)
        return table.concat(results, ",")
      ]])
    end)

    it("C-42 C-4 what finds a receiver or room in time is sent as without, in " .. place, function()
      gives("true,true,1 true,2 true,3 true", [[
        local ch, full, got, results = channel.new(), channel.new(1), {}, {}
        full:send(2)
        coroutine.spawn(function()
          got[1] = show(ch:receive())
          got[2] = show(full:receive())
          got[3] = show(full:receive())
          ch:close()
        end)
        results[1], results[2] = show(ch:send(1, "20s")), show(full:send(3, "20s"))
        ch:receive()
        return table.concat(results, ",") .. "," .. table.concat(got, ",")
      ]])
    end)

    it("C-41 C-42 C-27 leaves no trace when it is over, in " .. place, function()
      gives("false,1 true,nil nil,false,nil nil,7 true", [[
        local ch, full, results = channel.new(), channel.new(1), {}
        full:send(1)
        results[1] = show(full:send(2, "1ms"))
        results[2], results[3] = show(full:receive(0)), show(full:receive(0))
        ch:receive("1ms")
        results[4] = show(ch:send("to nobody", 0))
        ch:send("by nobody", "1ms")
        results[5] = show(ch:receive(0))
        for i = 1, 7 do
          ch:receive("1us")
          ch:send(i, "1us")
        end
        coroutine.spawn(function() ch:send(7) end)
        results[6] = show(ch:receive())
        return table.concat(results, ",")
      ]])
    end)

    it("C-41 C-42 C-5 C-9 a channel that is closed meanwhile, in " .. place, function()
      gives("nil false,false send on closed channel", [[
        local a, b = channel.new(), channel.new()
        coroutine.spawn(function()
          a:close()
          b:close()
        end)
        local received = show(a:receive("20s"))
        return received .. "," .. show(pcall(b.send, b, 1, "20s")):gsub("%S+:%d+: ", "")
      ]])
    end)

    it("C-40 C-41 others in the row get what comes when its time is over, in " .. place, function()
      gives("nil nil,late true", [[
        local ch, got, done = channel.new(), nil, channel.new()
        coroutine.spawn(function()
          got = show(ch:receive())
          done:send(true)
        end)
        local first = show(ch:receive("2ms"))
        ch:send("late")
        done:receive()
        return first .. "," .. got
      ]])
    end)

    it("C-41 C-42 B-40 B-41 refuses what is no time-out, and takes nothing, in " .. place, function()
      gives("kept", [[
        local ch = channel.new(1)
        ch:send("kept")
        local function refused(expected, call, ...)
          local ok, err = pcall(call, ch, ...)
          local text = tostring(err):gsub("^%S+:%d+: ", "")
          assert(not ok and text == expected, text)
        end
        local number = '5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND'
        refused("channel:receive: " .. number, ch.receive, 5)
        refused("channel:send: " .. number, ch.send, 1, 5)
        for _, bad in ipairs({ "5", "soon", 0.5, true, false, {}, ch }) do
          local shown = type(bad) == "table" and "table" or type(bad) == "userdata" and "channel" or tostring(bad)
          refused("channel:receive: invalid duration: " .. shown, ch.receive, bad)
          refused("channel:send: invalid duration: " .. shown, ch.send, 1, bad)
        end
        for _, negative in ipairs({ "-1s", -1, -1e9 }) do
          refused("channel:receive: duration must not be negative", ch.receive, negative)
          refused("channel:send: duration must not be negative", ch.send, 1, negative)
        end
        return (ch:receive())
      ]])
    end)
  end

  it("C-41 C-42 nil is none", function()
    local ch = channel.new(1)
    assert.is_true(ch:send("x", nil))
    assert.are.equal("x", (ch:receive(nil)))
  end)

  it("C-42 B-50 of a send on a mailbox channel changes nothing", function()
    local inbox = process.inbox()
    assert.are.equal("cannot send on a mailbox channel", support.raised(inbox.send, inbox, 1, "1ms"))
  end)

  it("C-41 E-2 what is raised has the position of the call", function()
    local ch, line = channel.new(1), debug.getinfo(1, "l").currentline
    local calls = {
      function() ch:receive(5) end,
      function() ch:send(1, -1) end,
      function() return (ch:receive("soon")) end,
    }
    for number, call in ipairs(calls) do
      local _, message = pcall(call)
      assert.are.equal(line + 1 + number, tonumber(tostring(message):match("^[^:]*:(%d+): ")), tostring(message))
    end
  end)

  it("C-37 C-41 C-42 keeps the main process from a deadlock", function()
    assert.are.equal("nil\tnil\nfalse\nfalse\n", support.output_of([[
      require "process"
      local ch = channel.new()
      print(ch:receive("10ms"))
      print(ch:send(1, "10ms"))
      print((pcall(ch.receive, ch)))
    ]]))
  end)

  it("B-56 C-41 in a finalizer only zero can be waited", function()
    local ch = channel.new()
    local refusal, value, ok = support.in_finalizer(function()
      local _, text = pcall(ch.receive, ch, "1ms")
      return text, ch:receive(0)
    end)
    assert.matches("cannot wait in a finalizer$", tostring(refusal))
    assert.is_nil(value)
    assert.is_nil(ok)
  end)

  it("L-63 C-41 a failed link is raised in a receive that does not wait", function()
    assert.are.equal("true\n", support.output_of([[
      local process = require "process"
      local ch = channel.new()
      process.define("spec:fails", "return { main = function() error('x') end }")
      assert(process.spawn_linked("spec:fails", "app:processes"))
      local ok, err
      repeat
        ok, err = pcall(ch.receive, ch, 0)
      until not ok
      print(tostring(err):find("linked process failed: ", 1, true) ~= nil)
    ]]))
  end)

  it("L-50 C-41 a process that waits so can be ended", function()
    local pid = support.spawn_monitored([[
      local parent = ...
      process.send(parent, "waits")
      channel.new():receive("1h")
    ]], process.pid())
    support.receive(process.inbox())
    process.terminate(pid)
    assert.are.equal("process terminated", tostring(support.event_of(pid).error))
  end)
end)
