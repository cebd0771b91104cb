-- luv: an echo server whose connections are served by processes, with timers of both worlds beside it. Ten clients send
-- 1,000 messages each, and check what comes back.
local process = require "process"
local time = require "process.time"
local uv = require "luv"

local CLIENTS, MESSAGES, WORKERS = 10, 1000, 4

local function serve()
  local attached = require("process.luv").attach()
  process.on(process.listen "connection", function(fd)
    local tcp = uv.new_tcp()
    tcp:open(fd)
    tcp:read_start(function(err, text)
      if err or not text then
        tcp:close()
      else
        tcp:write(text)
      end
    end)
  end)
  process.on(process.events(), function()
    attached:detach()
  end)
  uv.run()
end

local attached = require("process.luv").attach()
local workers = {}
for number = 1, WORKERS do
  workers[number] = assert(process.spawn(serve, "app:processes"))
end

local listener, accepted = uv.new_tcp(), 0
listener:bind("127.0.0.1", 0)
listener:listen(128, function()
  local tcp = uv.new_tcp()
  listener:accept(tcp)
  accepted = accepted + 1
  process.send(workers[accepted % WORKERS + 1], "connection", process.dup(tcp:fileno()))
  tcp:close()
end)

local theirs, ours = 0, 0
local timer = uv.new_timer()
timer:start(1, 1, function()
  theirs = theirs + 1
end)
local ticker = time.ticker("1ms")
process.on(ticker:channel(), function(_, ok)
  ours = ours + (ok and 1 or 0)
end)

local left, wrong = CLIENTS, 0
local port = listener:getsockname().port
local function finish()
  timer:close()
  ticker:stop()
  listener:close()
  attached:detach()
  print(wrong == 0 and accepted == CLIENTS and theirs > 0 and ours > 0 and "fine"
    or ("%d wrong, %d accepted, %d and %d ticks"):format(wrong, accepted, theirs, ours))
end

for client = 1, CLIENTS do
  local tcp = uv.new_tcp()
  local sent, waiting = 0, ""
  local function say()
    sent = sent + 1
    waiting = ("%d of %d;"):format(sent, client)
    tcp:write(waiting)
  end
  tcp:connect("127.0.0.1", port, function()
    local heard = ""
    tcp:read_start(function(_, text)
      heard = heard .. (text or "")
      if #heard < #waiting then
        return
      end
      wrong = wrong + (heard == waiting and 0 or 1)
      heard = ""
      if sent < MESSAGES then
        return say()
      end
      tcp:close()
      left = left - 1
      if left == 0 then
        finish()
      end
    end)
    say()
  end)
end
uv.run()
process.shutdown("2s")
