-- Every call that waits: name -> function that has to wait, for another coroutine or a timer, and then returns
-- "served". main(context) makes each of them inside one of calls.contexts.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local contexts = require "calls.contexts"

-- Calls give(...) a little later in a coroutine of its own.
local function later(give, ...)
  local arguments = { ... }
  coroutine.spawn(function()
    time.sleep("1ms")
    give(arguments[1], arguments[2], arguments[3])
  end)
end

local waits = {}

function waits.receive()
  local ch = channel.new()
  later(ch.send, ch, "served")
  return (ch:receive())
end

function waits.send()
  local ch, taken = channel.new(), channel.new(1)
  later(function()
    taken:send((ch:receive()))
  end)
  ch:send("served")
  return (taken:receive())
end

function waits.select()
  local ch, never = channel.new(), channel.new()
  later(ch.send, ch, "served")
  return channel.select({ never:case_receive(), ch:case_receive() }).value
end

function waits.listen()
  local ch = process.listen("calls.waits")
  later(process.send, process.pid(), "calls.waits", "served")
  local value = ch:receive()
  process.unlisten(ch)
  return value
end

function waits.sleep()
  local start = time.now()
  time.sleep("1ms")
  return time.now():sub(start):nanoseconds() >= 1e6 and "served" or "woken too early"
end

function waits.after()
  local _, ok = time.after("1ms"):receive()
  return ok and "served" or "no value"
end

-- The results of all waits inside this context, e.g. { receive = "served", ... }.
local function main(context)
  local results = {}
  for name, wait in pairs(waits) do
    results[name] = contexts[context](wait)
  end
  return results
end

return { main = main, waits = waits }
