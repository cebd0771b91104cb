-- As soon as anybody can know of the end of a process, it is gone in every respect, however they know of it.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local host = support.host
local code = support.code

-- A host of the kind under test.
local defined = 0
local function new_host(options)
  defined = defined + 1
  local name = "spec:gone" .. defined
  options.workers = support.workers
  assert(process.define_host(name, options))
  return name
end

local nothing = code(function() end)

describe("a process whose end is known", function()
  before_each(support.reset)
  after_each(support.finish)

  it("L-2, L-14, P-19 is not waited for any more when exec has returned", function()
    local alive = 0
    for _ = 1, 10000 do
      process.exec(nothing, host)
      alive = alive + (process.wait(0) and 0 or 1)
    end
    assert.equal(0, alive)
  end)

  it("L-2, L-14, P-19, H-29, B-36 is in no count, and has no name and no place, when its EXIT was received", function()
    local narrow = new_host({ max_processes = 1 })
    local builder = process.with_options({}):with_name("spec.gone")
    local events = process.events()
    for _ = 1, 5000 do
      -- The place and the name of the previous process are free.
      local pid = assert(builder:spawn_monitored(nothing, narrow))
      assert.equal(pid, support.receive(events).from)
      assert.is_true(process.wait(0))
      assert.equal(0, process.host_info(narrow).processes)
      assert.is_nil(process.registry.lookup("spec.gone"))
      assert.is_nil(process.send(pid, "x"))
    end
  end)

  it("L-1, L-14 can be neither watched nor linked nor ended when its EXIT was received", function()
    local events = process.events()
    for _ = 1, 2000 do
      local pid = assert(process.spawn_monitored(nothing, host))
      assert.equal(pid, support.receive(events).from)
      for _, name in ipairs({ "monitor", "link", "terminate", "cancel" }) do
        support.fails("process not found: " .. pid, "NOT_FOUND", process[name](pid))
      end
    end
  end)

  it("L-1, L-2, P-19 is not waited for any more when terminate does not find it", function()
    local alive = 0
    for _ = 1, 3000 do
      local pid = assert(process.spawn(nothing, host))
      repeat
        local there = process.terminate(pid)
      until not there
      alive = alive + (process.wait(0) and 0 or 1)
    end
    assert.equal(0, alive)
  end)

  it("L-2, L-14, P-19 is not waited for by its parent when somebody else has received the EXIT", function()
    local parent = support.spawn([[
      local main = ...
      local ask, start = process.listen("ask"), process.listen("start")
      while true do
        start:receive()
        local pid = process.spawn(function() process.inbox():receive() end, "]] .. host .. [[")
        process.send(main, "child", pid)
        ask:receive()
        process.send(main, "alone", process.wait(0))
      end
    ]], process.pid())
    local children, alone, events = process.listen("child"), process.listen("alone"), process.events()
    local late = 0
    for _ = 1, 2000 do
      process.send(parent, "start")
      local pid = support.receive(children)
      assert(process.monitor(pid))
      process.send(pid, "end")
      assert.equal(pid, support.receive(events).from)
      process.send(parent, "ask")
      late = late + (support.receive(alone) and 0 or 1)
    end
    process.unlisten(children)
    process.unlisten(alone)
    assert.equal(0, late)
  end)

  it("P-19, L-42, L-63 has sent its events when wait says that no child is left", function()
    process.set_options({ trap_links = true })
    local events = process.events()
    local missing = 0
    for i = 1, 3000 do
      local pid = assert(process.spawn_linked_monitored(code(function() error("broken", 0) end), host))
      if i % 2 == 0 then
        assert.is_true(process.wait())
      else
        repeat until process.wait(0)
      end
      for _, kind in ipairs({ process.event.EXIT, process.event.LINK_DOWN }) do
        local event = support.waiting(events)
        missing = missing + ((event and event.kind == kind and event.from == pid) and 0 or 1)
        if not event then
          support.receive(events)
        end
      end
    end
    assert.equal(0, missing)
  end)

  it("L-14, L-54, P-19, H-29 is in no count either if it was given up", function()
    local stuck = new_host({ terminate_grace = "20ms" })
    local events = process.events()
    for _ = 1, 5 do
      local pid = support.keep(assert(process.spawn_monitored(code(function(main)
        process.send(main, "ready")
        os.execute("sleep 1")
      end), stuck, process.pid())))
      support.receive(process.inbox())
      process.terminate(pid)
      assert.equal(pid, support.receive(events).from)
      local info = process.host_info(stuck)
      assert.equal(0, info.processes)
      assert.is_true(info.abandoned >= 1)
      assert.is_true(process.wait(0))
      support.fails("process not found: " .. pid, "NOT_FOUND", process.terminate(pid))
    end
    support.eventually(function() return process.host_info(stuck).abandoned == 0 end)
  end)

  it("P-19 does not end the wait for another child that was started since", function()
    local results = support.result_of([[
      local host = ...
      local list = {}
      for i = 1, 50 do
        local first = process.spawn(function() process.inbox():receive() end, host)
        local looked = process.wait(0)
        process.send(first, "end")
        -- Nothing here takes mail.
        repeat local there = process.terminate(first) until not there
        local second = process.spawn(function() process.inbox():receive() end, host)
        list[i] = tostring(looked) .. " " .. tostring(process.wait("1ms"))
        process.send(second, "end")
        process.wait()
      end
      return list
    ]], host)
    for _, result in ipairs(results) do
      assert.equal("false false", result)
    end
  end)

  it("P-19, C-30 does not end the wait of a coroutine while there is another child", function()
    local done, first = channel.new(1), support.spawn("process.inbox():receive()")
    coroutine.spawn(function()
      done:send(process.wait())
    end)
    time.sleep(0)
    process.send(first, "end")
    repeat
      local there = process.terminate(first)
    until not there
    local second = support.spawn("process.inbox():receive()")
    assert.is_true((support.silent(done)))
    process.send(second, "end")
    assert.is_true((support.receive(done)))
  end)
end)
