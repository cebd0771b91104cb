-- A TCP server: the main process accepts, workers serve, a process of its own counts. It shouts back whatever it is
-- sent. Ctrl-C and SIGTERM end it in order.
--
--   lua5.4 examples/tcp_server/main.lua [port]
--
-- Without a port it takes a free one, has four clients talk to it, and sends itself SIGTERM. It needs luv (`luarocks
-- install luv`).
local process = require "process"
local uv = require "luv" ---@type any

local WORKERS = 2

-- Counts what was served, and says so when it is asked.
local function count()
  local served = 0
  while true do
    local msg = process.inbox():receive()
    if msg:topic() == "report" then
      msg:reply(served)
    else
      served = served + 1
    end
  end
end

-- Serves connections, which come as numbers of descriptors that are its own from then on. It sits in the loop of libuv,
-- and hears its mailbox there.
local function serve(counter)
  local attached = require("process.luv").attach()
  local open = {}

  local function close(tcp)
    if open[tcp] then
      open[tcp] = nil
      tcp:close()
    end
  end

  process.on(process.listen "connection", function(fd)
    local tcp = uv.new_tcp()
    tcp:open(fd)
    open[tcp] = true
    tcp:read_start(function(err, text)
      if err or not text then
        return close(tcp)
      end
      process.send(counter, "served")
      tcp:write(text:upper())
    end)
  end)
  process.on(process.events(), function(event)
    if event.kind == process.event.CANCEL then
      for tcp in pairs(open) do
        close(tcp)
      end
      attached:detach()
    end
  end)
  uv.run()
  return "closed"
end

-- Talks to the server as four clients, one after the other, and then ends it as an operator would.
local function try(port, server)
  for client = 1, 4 do
    local tcp = uv.new_tcp()
    tcp:connect("127.0.0.1", port, function()
      tcp:read_start(function(_, text)
        print(("client %d got %s"):format(client, text))
        tcp:close()
      end)
      tcp:write(("hello from client %d"):format(client))
    end)
    uv.run()
  end
  uv.kill(server, "sigterm")
end

local attached = require("process.luv").attach()
local counter = assert(process.spawn(count, "app:processes"))
local workers = {}
for number = 1, WORKERS do
  workers[number] = assert(process.spawn_monitored(serve, "app:processes", counter))
end

local listener = uv.new_tcp()
listener:bind("127.0.0.1", tonumber(arg[1]) or 0)
local next_worker = 0
listener:listen(128, function()
  local tcp = uv.new_tcp()
  listener:accept(tcp)
  next_worker = next_worker % WORKERS + 1
  process.send(workers[next_worker], "connection", process.dup(tcp:fileno()))
  tcp:close()
end)

local port = listener:getsockname().port
if arg[1] then
  print("listening on port " .. port)
else
  process.spawn(try, "app:processes", port, uv.os_getpid())
end

process.on(assert(process.signals { "INT", "TERM" }), function(name, ok)
  if ok then
    print(("%s: %d requests were served"):format(name, process.call(counter, "report")))
    listener:close()
    process.shutdown("2s")
    for _ = 1, WORKERS do
      print("a worker has " .. process.events():receive().result)
    end
    attached:detach()
  end
end)
uv.run()
print "good night"
