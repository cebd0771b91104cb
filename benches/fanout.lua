-- W12: a dispatcher hands 50,000 requests of 200 bytes to eight workers, of which each has at most eight at a time:
-- requests per second, and how long half of them and 99 of 100 take from being sent until the answer is there.
local support = require "benches.support"

support.define("worker", [[
  return function(dispatcher, number)
    local requests = process.listen("request")
    local request = requests:receive()
    while request do
      process.send(dispatcher, "answer", { id = request.id, worker = number, sum = #request.text })
      request = requests:receive()
    end
  end
]])

support.define("dispatcher", [[
  local support = require "benches.support"

  return function(setting, count)
    local WORKERS, AT_A_TIME = 8, 8
    local answers = process.listen("answer")
    local workers, sent, took = {}, {}, {}
    for i = 1, WORKERS do
      workers[i] = assert(process.spawn("bench:worker", setting.host, process.pid(), i))
    end
    local text, id, start = ("x"):rep(200), 0, time.now()
    local function microseconds()
      return time.now():sub(start):seconds() * 1e6
    end
    local function hand_out(worker)
      if id < count then
        id = id + 1
        sent[id] = microseconds()
        process.send(workers[worker], "request", { id = id, text = text })
      end
    end
    local seconds = support.seconds(function()
      for i = 1, WORKERS * AT_A_TIME do
        hand_out((i - 1) % WORKERS + 1)
      end
      for i = 1, count do
        local answer = answers:receive()
        took[i] = microseconds() - sent[answer.id]
        hand_out(answer.worker)
      end
    end)
    for _, worker in ipairs(workers) do
      process.send(worker, "request")
    end
    table.sort(took)
    return { count / seconds, took[math.ceil(count * 0.5)], took[math.ceil(count * 0.99)] }
  end
]])

local found = support.result("bench:dispatcher", math.max(1000, support.count(50000)))
support.print("W12", found[1], "requests/s")
support.print("W12/half", found[2], "us")
support.print("W12/most", found[3], "us")
