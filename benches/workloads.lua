-- The workloads of W1, W2, W3, W5, W9 and W15: a rally, a stream, and calls. With `timers` the measuring process has
-- started that many timers before, none of which is due.
local support = require "benches.support"

local workloads = {}

-- Timers that are not due for an hour. The caller keeps the list if they are to stay pending.
function workloads.timers(count)
  local timers = {}
  for i = 1, count or 0 do
    timers[i] = time.after("1h")
  end
  return timers
end

local function define()
  support.define_echo()

  support.define("rally", [[
    local support = require "benches.support"
    local workloads = require "benches.workloads"

    return function(setting, ball, timers)
      local pending = workloads.timers(timers)
      local pongs = process.listen("pong")
      local partner = assert(process.spawn("bench:echo", setting.host, process.pid()))
      local rate = support.rate(setting.span, function(n)
        for _ = 1, n do
          process.send(partner, "ping", ball)
          ball = pongs:receive()
        end
      end)
      process.send(partner, "ping")
      return rate, #pending
    end
  ]])

  support.define("server", [[
    return function()
      local requests = process.listen("request", { message = true })
      while true do
        local msg = requests:receive()
        msg:reply(msg:payload())
      end
    end
  ]])

  support.define("client", [[
    local support = require "benches.support"

    return function(setting, question)
      local server = assert(process.spawn("bench:server", setting.host))
      local rate = support.rate(setting.span, function(n)
        for _ = 1, n do
          process.call(server, "request", question)
        end
      end)
      process.terminate(server)
      return rate
    end
  ]])

  support.define("producer", [[
    return function(consumer, count)
      for i = 1, count do
        process.send(consumer, "item", { n = i, s = "hello" })
      end
    end
  ]])

  support.define("consumer", [[
    local support = require "benches.support"
    local workloads = require "benches.workloads"

    return function(setting, producers, each, timers)
      local pending = workloads.timers(timers)
      local items = process.listen("item")
      local total = producers * each
      local seconds = support.seconds(function()
        for _ = 1, producers do
          assert(process.spawn("bench:producer", setting.host, process.pid(), each))
        end
        for _ = 1, total do
          items:receive()
        end
      end)
      return total / seconds, #pending
    end
  ]])
end

-- Round trips per second of the ball.
function workloads.rally(ball, timers)
  define()
  return support.result("bench:rally", ball, timers)
end

-- Calls per second with this question.
function workloads.calls(question)
  define()
  return support.result("bench:client", question)
end

-- Messages per second to one consumer.
function workloads.stream(producers, each, timers)
  define()
  return support.result("bench:consumer", producers, each, timers)
end

return workloads
