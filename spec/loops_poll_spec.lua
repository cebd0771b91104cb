-- loops.md: channels that show when a descriptor is ready, and duplicates of descriptors.
local process = require "process"
local time = require "process.time"
local border = require "spec.support.border"
local descriptors = require "spec.support.descriptors"
local support = require "spec.support"
local native = descriptors.native

local open = {}

local function pair()
  local a, b = native.pair()
  open[#open + 1], open[#open + 2] = a, b
  return a, b
end

local function close(fd)
  for place, other in ipairs(open) do
    if other == fd then
      table.remove(open, place)
      return native.close(fd)
    end
  end
end

local function close_all()
  for _, fd in ipairs(open) do
    native.close(fd)
  end
  open = {}
end

-- Fills what the descriptor can take.
local function fill(fd)
  while native.put(fd, 65536) > 0 do
  end
end

describe("process.poll", function()
  before_each(support.reset)
  after_each(function()
    support.finish()
    close_all()
  end)

  it("M-20 yields what the descriptor is ready for, and stores nothing", function()
    local a, b = pair()
    local read = process.poll(a, "r")
    local write = process.poll(a, "w")
    local both = process.poll(a, "rw")
    assert.is_nil(support.waiting(read))
    assert.are.same({ "w", "w" }, { (support.waiting(write)), (support.waiting(both)) })
    native.put(b, 3)
    assert.are.same({ "r", true }, { read:receive() })
    assert.are.same({ "r", true }, { read:receive("1s") })
    assert.are.equal("rw", both:receive())
    native.take(a, 3)
    assert.is_nil(support.waiting(read))
    assert.are.same({}, { read:receive("5ms") })
    fill(a)
    assert.is_nil(support.waiting(write))
    assert.is_nil(support.waiting(both))
    close(b)
    assert.are.same({ "r", "w", "rw" }, { (read:receive()), (write:receive()), (both:receive()) })
  end)

  it("M-20 a wait ends when it is ready, in a process on any host, beside its mailbox and a time-out", function()
    local a, b = pair()
    local pid = support.spawn_monitored(
      [[
        local fd, parent = ...
        local ready, stop, heard = process.poll(fd, "r"), process.listen("stop"), {}
        process.send(parent, "begins")
        while true do
          local late = require("process.time").after("20s")
          local got = channel.select { ready:case_receive(), stop:case_receive(), late:case_receive() }
          if got.channel == stop then return heard end
          heard[#heard + 1] = got.channel == ready and got.value or "late"
          process.send(parent, "heard")
          process.listen("next"):receive()
        end
      ]],
      a,
      process.pid()
    )
    assert.are.equal("begins", support.receive(process.inbox()):topic())
    for _ = 1, 3 do
      time.sleep("2ms")
      assert.is_nil(support.waiting(process.inbox()))
      native.put(b, 1)
      assert.are.equal("heard", support.receive(process.inbox()):topic())
      native.take(a, 1)
      process.send(pid, "next")
    end
    process.send(pid, "stop")
    assert.are.same({ "r", "r", "r" }, support.event_of(pid).result)
  end)

  it("M-20 the main script, a callback and a coroutine may wait", function()
    local a, b = pair()
    local ch, got = process.poll(a, "r"), {}
    coroutine.spawn(function()
      got[1] = ch:receive()
    end)
    coroutine.spawn(function()
      string.gsub("x", "x", function()
        got[2] = ch:receive()
      end)
    end)
    local body = descriptors.source .. "require('process.time').sleep('20ms') native.put(..., 1)"
    support.spawn(body, b)
    time.sleep("2ms")
    assert.are.equal("r", (support.receive(ch)))
    support.eventually(function()
      return got[1] and got[2]
    end)
  end)

  it("M-20 whoever finds that another has read everything waits on", function()
    local a, b = pair()
    local body = [[
      local fd, parent = ...
      local ch = process.poll(fd, "r")
      process.send(parent, "begins")
      local mine = 0
      while true do
        local got = channel.select { ch:case_receive(), process.listen("stop"):case_receive() }
        if got.channel ~= ch then return mine end
        if native.take(fd, 1) == 1 then
          mine = mine + 1
          process.send(parent, "took")
        end
      end
    ]]
    local pids = {}
    for number = 1, 3 do
      pids[number] = support.spawn_monitored(descriptors.source .. body, a, process.pid())
      assert.are.equal("begins", support.receive(process.inbox()):topic())
    end
    for _ = 1, 50 do
      native.put(b, 1)
      assert.are.equal("took", support.receive(process.inbox()):topic())
    end
    local total = 0
    for _, pid in ipairs(pids) do
      process.send(pid, "stop")
      total = total + support.event_of(pid).result
    end
    assert.are.equal(50, total)
  end)

  it("M-20 a process that waits is terminated at once", function()
    local a, b = pair()
    local body = "local ch = process.poll((...), 'r') process.send(select(2, ...), 'begins') ch:receive()"
    for _ = 1, 10 do
      local pid = support.spawn_monitored(body, a, process.pid())
      assert.are.equal("begins", support.receive(process.inbox()):topic())
      process.terminate(pid)
      assert.are.equal("process terminated", tostring(support.event_of(pid).error))
    end
    native.put(b, 1)
    assert.are.equal("r", (process.poll(a, "r"):receive()))
  end)

  it("M-20 costs a pool no worker: many wait on one of two", function()
    local host = border.host { workers = 2 }
    local ends = {}
    for number = 1, 100 do
      local a, b = pair()
      ends[number] = b
      local code = support.code(function(fd, parent)
        local process = require "process" -- luacheck: ignore
        process.send(parent, "ready", (process.poll(fd, "r"):receive()))
      end)
      support.keep(assert(process.spawn_monitored(code, host, a, process.pid())))
    end
    for number = 1, 100 do
      native.put(ends[number], 1)
    end
    for _ = 1, 100 do
      assert.are.equal("r", support.receive(process.inbox()):payload())
    end
  end)

  it("M-20 P-36 can be received from and closed, nothing else", function()
    local a = pair()
    local ch = process.poll(a, "r")
    assert.are.equal("cannot send on a mailbox channel", support.raised(ch.send, ch, 1))
    assert.are.equal("cannot case_send on a mailbox channel", support.raised(ch.case_send, ch, 1))
    ch:close()
    ch:close()
  end)

  it("M-21 close ends the watch for whoever waits, and the descriptor stays open", function()
    local a, b = pair()
    local ch, got = process.poll(a, "r"), nil
    coroutine.spawn(function()
      got = support.pack(ch:receive())
    end)
    time.sleep("1ms")
    ch:close()
    time.sleep("1ms")
    assert.are.same({ n = 2, [2] = false }, got)
    assert.are.same({ n = 2, [2] = false }, support.pack(ch:receive()))
    native.put(b, 1)
    assert.are.equal(1, native.take(a, 1))
  end)

  it("M-21 any number of watches of one descriptor live side by side", function()
    local a, b = pair()
    local watches = {}
    for number = 1, 20 do
      watches[number] = process.poll(a, number % 2 == 0 and "r" or "rw")
    end
    fill(a)
    for number = 1, 19 do
      assert.is_nil(support.waiting(watches[number]))
      watches[number]:close()
    end
    watches = { watches[20] }
    collectgarbage()
    native.put(b, 1)
    assert.are.equal("r", (support.receive(watches[1])))
  end)

  it("M-21 a descriptor closed before its watch harms nobody", function()
    local a, b = pair()
    local c, d = pair()
    local ch, other = process.poll(a, "r"), process.poll(c, "r")
    close(a)
    assert.are.same({ n = 2, [2] = false }, support.pack(ch:receive()))
    native.put(d, 1)
    assert.are.equal("r", (support.receive(other)))
    native.take(c, 1)
    local e, f = pair()
    local late = process.poll(e, "r")
    coroutine.spawn(function()
      late:receive()
    end)
    time.sleep("1ms")
    close(e)
    close(f)
    local before = os.clock()
    time.sleep("50ms")
    assert.is_true(os.clock() - before < 0.04)
    native.put(d, 1)
    assert.are.equal("r", (support.receive(other)))
    late:close()
    close(b)
  end)

  it("M-21 numbers beyond 1024 work", function()
    local a, b = pair()
    local high = {}
    while (high[#high] or 0) < 1100 do
      high[#high + 1] = assert(process.dup(a))
      open[#open + 1] = high[#high]
    end
    local ch = process.poll(high[#high], "r")
    native.put(b, 1)
    assert.are.equal("r", (support.receive(ch)))
  end)

  it("M-20 a watch survives a fork of a program that has nothing else, on both sides", function()
    local script = descriptors.source
      .. [[
      local process, channel = require "process", require "process.channel"
      local a, b = native.pair()
      local watch, never = process.poll(a, "r"), channel.new()
      coroutine.spawn(function() watch:receive() end)
      require("process.time").sleep("1ms")
      local child = native.fork()
      native.put(b, 1)
      local ready = watch:receive("20s")
      if child == 0 then os.exit(ready == "r" and 7 or 1) end
      print(native.wait(child), ready, never ~= nil)
    ]]
    assert.are.equal("7 r true", (support.output_of(script):gsub("%.0", ""):gsub("%s+", " "):gsub(" $", "")))
  end)

  it("M-20 survives a program that closes what it does not know, as daemons do", function()
    local script = descriptors.source
      .. [[
      local process, time = require "process", require "process.time"
      local a = native.pair()
      local watch = process.poll(a, "r")
      coroutine.spawn(function() watch:receive() end)
      local signals = process.signals { "USR1" }
      time.sleep("1ms")
      native.close_others()
      local before = os.clock()
      native.readable(-1, 60)
      local idle = os.clock() - before < 0.05
      local c, d = native.pair()
      native.put(d, 1)
      local ready = process.poll(c, "r"):receive("20s")
      native.raise(10)
      print(idle, ready, (signals:receive("20s")))
    ]]
    assert.are.equal("true r USR1", (support.output_of(script):gsub("%s+", " "):gsub(" $", "")))
  end)

  it("M-20 B-152 refuses what is no open descriptor, cannot be waited for, or is no mode", function()
    support.fails("poll: Bad file descriptor: 9999", "INVALID", process.poll(9999, "r"))
    support.fails("poll: Bad file descriptor: -1", "INVALID", process.poll(-1, "r"))
    support.fails("poll: Bad file descriptor: 4294967296", "INVALID", process.poll(2 ^ 32, "r"))
    local script = "local _, err = require('process').poll(0, 'r') print(err)"
    support.with_folder({ ["plain.txt"] = "x" }, function(folder)
      local out = os.tmpname()
      support.write(folder .. "/s.lua", script)
      local form = "%s %s/s.lua < %s/plain.txt > %s"
      os.execute(form:format(support.lua, folder, folder, out))
      local file = assert(io.open(out))
      assert.are.equal("poll: Operation not permitted: 0", file:read("*l"))
      file:close()
      os.remove(out)
    end)
    support.fails("poll: unknown mode: x", "INVALID", process.poll(0, "x"))
    support.fails("poll: unknown mode: ", "INVALID", process.poll(0, ""))
    assert.are.equal("#1 (number expected, got string)", (support.bad_argument(process.poll, "0", "r")))
    assert.is_truthy(support.bad_argument(process.poll, 0.5, "r"):find("#1", 1, true))
    assert.are.equal("#2 (string expected, got nil)", (support.bad_argument(process.poll, 0, nil)))
  end)

  it("M-20 M-22 B-100 is not allowed to restricted processes", function()
    local host = border.restricted()
    local code = [[
      local _, a = process.poll(0, "r")
      local _, b = process.dup(0)
      return tostring(a) .. "; " .. tostring(b) .. "; " .. a:kind()
    ]]
    local text = "not allowed on host %s: poll; not allowed on host %s: dup; "
    local kind = require("process.errors").PERMISSION_DENIED
    assert.are.equal(text:format(host, host) .. kind, border.exit_of(host, code).result)
  end)
end)

describe("process.dup", function()
  after_each(close_all)

  it("M-22 gives another number for the same, which another process may own", function()
    local a, b = pair()
    local number = process.dup(a)
    assert.are_not.equal(a, number)
    assert.are.equal(1, native.on_exec(number))
    close(a)
    local result = support.result_of(
      descriptors.source .. [[
        local fd = ...
        local ready = process.poll(fd, "w"):receive()
        local put = native.put(fd, 5)
        return { ready, put, native.close(fd) }
      ]],
      number
    )
    assert.are.same({ "w", 5, 0 }, result)
    assert.are.equal(5, native.take(b, 10))
    assert.are.equal(0, native.take(b, 10))
    support.finish()
  end)

  it("M-22 a connection of LuaSocket is served by another process", function()
    local socket = require "socket"
    local server = socket.bind("127.0.0.1", 0)
    local _, port = server:getsockname()
    local client = socket.connect("127.0.0.1", port)
    local accepted = server:accept()
    local fd = process.dup(accepted:getfd())
    accepted:close()
    local pid = support.spawn_monitored(
      [[
        local fd = ...
        local tcp = require("socket").tcp()
        tcp:close()
        tcp:setfd(fd)
        debug.setmetatable(tcp, debug.getregistry()["tcp{client}"])
        process.poll(fd, "r"):receive()
        tcp:send("you said " .. tcp:receive() .. "\n")
        tcp:close()
      ]],
      fd
    )
    client:send("hello\n")
    assert.are.equal("you said hello", client:receive())
    assert.is_nil(support.event_of(pid).error)
    client:close()
    server:close()
    support.finish()
  end)

  it("M-22 B-152 refuses what is no open descriptor", function()
    support.fails("dup: Bad file descriptor: 9999", "INVALID", process.dup(9999))
    support.fails("dup: Bad file descriptor: -1", "INVALID", process.dup(-1))
    assert.are.equal("#1 (number expected, got nil)", (support.bad_argument(process.dup, nil)))
  end)
end)
