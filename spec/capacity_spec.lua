-- How much of everything there may be, scaled down where the full number would take long.
local support = require "spec.support"
local process = require "process"

-- An entry that says "ready", waits for any message, and ends.
local waiting = support.entry [[
  process.send(..., "ready")
  process.inbox():receive()
]]

-- Receives this many values from a channel.
local function take(ch, count)
  for _ = 1, count do
    support.receive(ch)
  end
end

-- Starts this many processes of an entry and waits until each has said "ready"; returns their PIDs.
local function start(count, entry, host, ...)
  local ready, pids = process.listen("ready"), {}
  for i = 1, count do
    pids[i] = assert(process.spawn_monitored(entry, host, process.pid(), ...))
  end
  take(ready, count)
  process.unlisten(ready)
  return pids
end

describe("capacity", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-95 P-7 has 1,000 processes alive at once, each with a PID of its own", function()
    assert.is_true(process.define_host("spec.capacity:crowd", {}))
    local pids = start(1000, waiting, "spec.capacity:crowd")
    assert.equal(1000, process.host_info("spec.capacity:crowd").processes)
    local alive, distinct = {}, 0
    for _, pid in ipairs(pids) do
      distinct = distinct + (alive[pid] and 0 or 1)
      alive[pid] = true
      assert(process.send(pid, "end"))
    end
    assert.equal(1000, distinct)
    for _ = 1, 1000 do
      local event = support.receive(process.events())
      assert.is_nil(event.error)
      assert.is_true(alive[event.from])
      alive[event.from] = nil
    end
    assert.equal(0, process.host_info("spec.capacity:crowd").processes)
  end)

  it("B-96 H-26 P-7 runs 10,000 processes one after the other without growing", function()
    -- Peaks of resident memory (KiB), threads and descriptors among the first 2,000 processes and among the rest.
    local out = support.output_of([[
      local process = require "process"
      local events = process.events()
      assert(process.define("spec:brief", "return { main = function(n) return n end }"))

      local function sample(peak)
        collectgarbage()
        local status = assert(io.open("/proc/self/status")):read("*a")
        local list = assert(io.popen("ls /proc/" .. status:match("\nPid:%s*(%d+)") .. "/fd | wc -l"))
        local now = {
          tonumber(status:match("\nVmRSS:%s*(%d+)")), tonumber(status:match("\nThreads:%s*(%d+)")), list:read("*n")
        }
        list:close()
        for i = 1, 3 do peak[i] = math.max(peak[i] or 0, now[i]) end
        return now[2]
      end

      local first, rest, fewest = {}, {}, nil
      for n = 1, 10000 do
        local pid = assert(process.spawn_monitored("spec:brief", "app:processes", n))
        local event = events:receive()
        assert(event.from == pid and event.result == n)
        fewest = fewest or sample({})
        if n % 250 == 0 then sample(n <= 2000 and first or rest) end
      end
      -- Threads wait one second for another process.
      local left, turns = {}, 0
      repeat
        process.time.sleep("50ms")
        left = {}
        sample(left)
        turns = turns + 1
      until left[2] <= fewest or turns == 400
      print(table.concat(first, " "), table.concat(rest, " "), left[2] - fewest)
    ]], 120)
    local peaks = {}
    for number in out:gmatch("%-?%d+") do
      peaks[#peaks + 1] = tonumber(number)
    end
    assert.equal(7, #peaks)
    assert.is_true(peaks[7] <= 0, "threads stayed: " .. out)
    -- One more arena of the C library's malloc; the eight threads that may wait for another process.
    local uncertainty = { memory = 512, threads = 8, descriptors = 1 }
    for i, what in ipairs({ "memory", "threads", "descriptors" }) do
      assert.is_true(peaks[i + 3] <= peaks[i] * 1.05 + uncertainty[what], what .. " grew: " .. out)
    end
  end)

  it("B-97 P-28 P-21 keeps 200,000 messages in one mailbox, in order", function()
    local self, count = process.pid(), 200000
    for n = 1, count do
      assert(process.send(self, "waiting", n))
    end
    -- Another topic gets through beside them.
    local urgent = process.listen("urgent")
    for n = 1, 1000 do
      assert(process.send(self, "urgent", n))
      assert.equal(n, (urgent:receive()))
    end
    local listener = process.listen("waiting")
    for n = 1, count do
      if listener:receive() ~= n then
        error("message " .. n .. " is not in its place")
      end
    end
    assert.is_nil(select(2, support.waiting(listener)))
    process.unlisten(urgent)
    process.unlisten(listener)
  end)

  it("B-97 P-28 P-31 listens to 10,000 topics", function()
    local self, listeners = process.pid(), {}
    for i = 1, 10000 do
      listeners[i] = assert(process.listen("topic " .. i))
    end
    for i = 10000, 1, -1 do
      assert(process.send(self, "topic " .. i, i))
    end
    for i = 1, 10000 do
      local value = support.waiting(listeners[i])
      if value ~= i then
        error(("topic %d received %s"):format(i, tostring(value)))
      end
      assert(process.unlisten(listeners[i]))
    end
  end)

  it("B-97 P-28 P-70 P-74 has 10,000 names", function()
    local holder = support.spawn(support.parked)
    for i = 1, 10000 do
      assert(process.registry.register("name " .. i, i % 2 == 0 and holder or nil))
    end
    for i = 1, 10000 do
      local owner = process.registry.lookup("name " .. i)
      if owner ~= (i % 2 == 0 and holder or process.pid()) then
        error(("name %d belongs to %s"):format(i, tostring(owner)))
      end
    end
    support.kill(holder)
    for i = 1, 10000 do
      assert.equal(i % 2 == 1, process.registry.unregister("name " .. i))
    end
  end)

  it("B-97 L-25 lets 1,000 processes watch one", function()
    local watched = support.spawn(support.parked)
    local seen = process.listen("seen")
    local watchers = start(1000, support.entry [[
      local parent, watched = ...
      assert(process.monitor(watched))
      process.send(parent, "ready")
      local event = process.events():receive()
      process.send(parent, "seen", event.kind == process.event.EXIT and event.from)
    ]], support.host, watched)
    assert.is_true(process.terminate(watched))
    for _ = 1, #watchers do
      assert.equal(watched, (support.receive(seen)))
    end
    take(process.events(), #watchers)
    process.unlisten(seen)
  end)

  it("B-97 V-2 sends 100 MiB in one message", function()
    local size = 100 * 1024 * 1024
    local pid = support.spawn_monitored([[
      local text = process.inbox():receive():payload()
      return { #text, text:sub(1, 3), text:sub(-3) }
    ]])
    assert(process.send(pid, "long", "abc" .. ("x"):rep(size - 6) .. "def"))
    assert.same({ size, "abc", "def" }, support.event_of(pid).result)
  end)

  it("B-99 H-22 C-36 delivers messages between processes while others compute", function()
    local busy = start(4, support.entry [[
      local rounds, stop = 0, process.listen("stop")
      process.send(..., "ready")
      repeat
        for _ = 1, 1000000 do rounds = rounds + 1 end
      until not channel.select({ stop:case_receive(), default = true }).default
      return rounds
    ]], support.host)
    local other = support.spawn(support.echo)
    for _ = 1, 50 do
      assert.is_true(support.answers(other))
    end
    for _, pid in ipairs(busy) do
      assert(process.send(pid, "stop"))
      assert.is_true(support.event_of(pid).result >= 1000000)
    end
  end)
end)
