-- Pool hosts: many processes on a few threads.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

local defined = 0

-- A new host with these options.
local function new_host(options)
  defined = defined + 1
  local name = "spec:pool" .. defined
  assert(process.define_host(name, options))
  return name
end

local POOL = new_host({ workers = 2 })

-- The number of threads of this program; nil where the system does not tell.
local function threads()
  local status = io.open("/proc/self/status")
  if status then
    local text = status:read("*a")
    status:close()
    return tonumber(text:match("Threads:%s*(%d+)"))
  end
end

describe("a pool host", function()
  before_each(support.reset)
  after_each(support.finish)

  local function spawn(body, host, ...)
    return support.keep(assert(process.spawn_monitored(support.entry(body), host or POOL, ...)))
  end

  -- The results of this many processes, in the order in which they end.
  local function results(count)
    local list = {}
    for i = 1, count do
      local ev = support.receive(process.events(), "60s")
      assert.is_nil(ev.error)
      list[i] = ev.result
    end
    return list
  end

  it("H-24 H-29 is told by host_info", function()
    assert.equal(2, process.host_info(POOL).workers)
    assert.equal(0, process.host_info(new_host({})).workers)
  end)

  it("H-23 H-26 runs any number of processes on n threads, which stay", function()
    local host = new_host({ workers = 3 })
    local before = threads()
    if not before then
      return pending("the system does not tell how many threads there are")
    end
    local pids = {}
    for i = 1, 200 do
      pids[i] = spawn(support.echo, host)
    end
    for i = 1, 200 do
      assert.is_true(support.answers(pids[i]))
    end
    assert.equal(200, process.host_info(host).processes)
    -- Three workers, their overseer, and the reaper of the program. On a busy machine a worker that was
    -- taken for stuck has a replacement for a while.
    support.eventually(function() return threads() <= before + 5 end)
    for i = 1, 200 do
      support.kill(pids[i])
    end
    assert.equal(0, process.host_info(host).processes)
    assert.is_true(threads() >= before + 4)
  end)

  it("H-23 H-26 starts no thread before its first process", function()
    local before = threads()
    new_host({ workers = 50 })
    assert.is_true(not before or threads() <= before)
  end)

  it("H-23 P-28 loses no wake-up: tokens wander at random among a thousand processes", function()
    local body = [[
      local tokens = process.listen("token")
      local all = process.listen("all"):receive()
      while true do
        local left, owner = tokens:receive(), nil
        if left == "end" then return end
        owner, left = left.owner, left.left - 1
        if left == 0 then
          process.send(owner, "home", 1)
        else
          process.send(all[math.random(#all)], "token", { owner = owner, left = left })
        end
      end
    ]]
    local entry = support.entry(body)
    local all = {}
    for i = 1, 1000 do
      all[i] = assert(process.spawn_monitored(entry, POOL))
    end
    for _, pid in ipairs(all) do
      process.send(pid, "all", all)
    end
    for i = 1, 40 do
      process.send(all[i], "token", { owner = process.pid(), left = 500 })
    end
    for _ = 1, 40 do
      assert.equal("home", support.receive(process.inbox(), "60s"):topic())
    end
    for _, pid in ipairs(all) do
      process.send(pid, "token", "end")
    end
    results(1000)
  end)

  it("B-95 holds twenty thousand processes that wait, on two workers", function()
    local host = new_host({ workers = 2, jit = false })
    local entry = support.entry([[
      process.inbox():receive()
      return 1
    ]])
    local count = 20000
    local pids = {}
    for i = 1, count do
      pids[i] = assert(process.spawn_monitored(entry, host))
    end
    assert.equal(count, process.host_info(host).processes)
    for i = 1, count do
      process.send(pids[i], "end")
    end
    local ended = 0
    for _ = 1, count do
      ended = ended + support.receive(process.events(), "60s").result
    end
    assert.equal(count, ended)
    assert.equal(0, process.host_info(host).processes)
  end)

  it("T-12 H-23 wakes a thousand sleeping processes, each in its time", function()
    local entry = support.entry([[
      local span = ...
      local start = time.now()
      time.sleep(span .. "ms")
      return time.now():sub(start):seconds() * 1000 >= span
    ]])
    for i = 1, 1000 do
      assert(process.spawn_monitored(entry, POOL, i % 100))
    end
    for _, slept in ipairs(results(1000)) do
      assert.is_true(slept)
    end
  end)

  it("T-12 H-23 uses no processor time while all its processes wait", function()
    if not io.open("/proc/self/stat") then
      return pending("the system does not tell how much time a program has used")
    end
    local out = support.output_of([[
      local process = require "process"
      local time = require "process.time"
      assert(process.define_host("spec:pool", { workers = 4 }))
      assert(process.define("spec:waits", "return function() process.inbox():receive() end"))
      assert(process.define("spec:sleeps", "return function() require('time').sleep('1h') end"))
      for i = 1, 100 do
        assert(process.spawn(i % 2 == 0 and "spec:waits" or "spec:sleeps", "spec:pool"))
      end
      local function used()
        local file = io.open("/proc/self/stat")
        local user, system = file:read("*a"):match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
        file:close()
        return user + system
      end
      time.sleep("300ms")
      local before = used()
      time.sleep("1s")
      print(used() - before)
    ]])
    -- In hundredths of a second.
    assert.is_true(tonumber(out) <= 2, out)
  end)

  it("H-23 C-33 goes on while all its workers are kept by waits inside callbacks", function()
    local host = new_host({ workers = 2 })
    -- Each waits inside a callback until the next one has answered; the last one is spawned last.
    local body = [[
      local partner = ...
      local answer
      ("x"):gsub("x", function()
        if partner then
          process.send(partner, "ask", process.pid())
        end
        local asked = process.listen("ask")
        process.listen("go")
        if partner then
          answer = process.listen("answer"):receive()
        end
        process.send(asked:receive(), "answer", (answer or 0) + 1)
      end)
      return answer or 0
    ]]
    local last
    for _ = 1, 20 do
      last = spawn(body, host, last)
    end
    process.send(last, "ask", process.pid())
    assert.equal(20, support.receive(process.inbox()):payload())
    results(20)
  end)

  it("L-50 L-52 ends two hundred processes that compute, one after the other", function()
    local entry = support.entry([[
      process.send(..., "started")
      local n = 0
      while true do n = n + 1 end
    ]])
    for _ = 1, 200 do
      local pid = assert(process.spawn_monitored(entry, POOL, process.pid()))
      support.receive(process.inbox())
      assert(process.terminate(pid))
      local ev = support.receive(process.events())
      assert.equal(pid, ev.from)
      assert.equal("process terminated", tostring(ev.error))
    end
    assert.equal(0, process.host_info(POOL).processes)
    assert.equal(0, process.host_info(POOL).abandoned)
  end)

  it("L-50 H-23 ends processes in every condition at random", function()
    local bodies = {
      "local n = 0 while true do n = n + 1 end",
      "while true do process.inbox():receive() end",
      "while true do time.sleep('1ms') end",
      "while true do coroutine.yield() end",
      "('x'):gsub('x', function() channel.new():receive() end)",
      "while true do process.send(process.pid(), 't', {}) process.inbox():receive() end",
      "local g = coroutine.wrap(function() while true do coroutine.yield() end end) while true do g() end",
    }
    for i = 1, #bodies do
      bodies[i] = support.entry(bodies[i])
    end
    for round = 1, 20 do
      local pids = {}
      for i = 1, 14 do
        pids[i] = assert(process.spawn_monitored(bodies[i % #bodies + 1], POOL))
      end
      if round % 2 == 0 then
        time.sleep("3ms")
      end
      for i = 1, 14 do
        assert(process.terminate(pids[i]))
      end
      for _ = 1, 14 do
        assert.equal("process terminated", tostring(support.receive(process.events()).error))
      end
    end
  end)

  it("H-21 L-11 carries links, monitors and names across hosts", function()
    local other = new_host({ workers = 1 })
    local pid = spawn([[
      local host = ...
      process.define("spec.pool:partner", "return function() process.inbox():receive() error('broken', 0) end")
      local partner = assert(process.spawn_linked("spec.pool:partner", host))
      process.registry.register("spec.pool.partner", partner)
      process.inbox():receive()
    ]], POOL, other)
    support.eventually(function() return process.registry.lookup("spec.pool.partner") end)
    assert(process.send("spec.pool.partner", "end"))
    local ev = support.event_of(pid)
    assert.is_truthy(tostring(ev.error):find("linked process failed", 1, true))
  end)

  it("B-36 is full when as many processes as max_processes live", function()
    local host = new_host({ workers = 1, max_processes = 2 })
    local pid = spawn(support.parked, host)
    spawn(support.parked, host)
    support.fails("host is full: " .. host .. " (limit 2)", "UNAVAILABLE",
      process.spawn(support.entry(support.parked), host))
    support.kill(pid)
    spawn(support.parked, host)
  end)

  it("H-27 a process that runs out of memory ends alone", function()
    local host = new_host({ workers = 1, memory_limit = 2 * 1024 * 1024 })
    local echo = spawn(support.echo, host)
    local ev = support.event_of(spawn("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", host))
    assert.equal("not enough memory", tostring(ev.error))
    assert.is_true(support.answers(echo))
  end)

  it("B-98 recursion without end is an error on a worker too", function()
    local ev = support.event_of(spawn([[
      local function deep() return 1 + deep() end
      deep()
    ]]))
    assert.is_truthy(tostring(ev.error):find("stack overflow", 1, true))
    ev = support.event_of(spawn([[
      local function deep() return (("x"):gsub("x", deep)) end
      deep()
    ]]))
    assert.is_truthy(tostring(ev.error):find("overflow", 1, true))
  end)

  it("L-65 L-66 ends with the program, whatever its processes do", function()
    local source = [[
      local process = require "process"
      assert(process.define_host("spec:pool", { workers = 2 }))
      process.define("spec:busy", "return function() while true do end end")
      process.define("spec:idle", "return function() process.inbox():receive() end")
      process.define("spec:cancelled", [=[return function(main)
        local events = process.events()
        process.send(main, "ready")
        print(events:receive().kind)
      end]=])
      for _ = 1, 5 do
        process.spawn("spec:busy", "spec:pool")
        process.spawn("spec:idle", "spec:pool")
      end
      process.spawn("spec:cancelled", "spec:pool", process.pid())
      process.inbox():receive()
    ]]
    assert.equal(process.event.CANCEL .. "\n", support.output_of(source))
    local ran = support.run(source .. " os.exit(7)")
    assert.equal(7, ran.code)
    assert.equal("", ran.err)
  end)
end)
