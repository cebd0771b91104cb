-- Deadlines and graces: the fate of processes that do not end when they are asked to.
local process = require "process"
local errors = require "process.errors"
local time = require "process.time"
local support = require "spec.support"

local hosts = 0

local function new_host(options)
  hosts = hosts + 1
  local host = "spec.deadlines:h" .. hosts
  assert(process.define_host(host, options))
  return host
end

describe("cancel with a deadline", function()
  before_each(support.reset)
  after_each(support.finish)

  local endless = {
    waits = "channel.new():receive()",
    computes = "while true do end",
  }
  for name, body in pairs(endless) do
    it("P-53 L-56 B-63 ends a process that " .. name .. " when the time is over, not before", function()
      local pid, start = support.spawn_monitored(body), time.now()
      assert.is_true(process.cancel(pid, "closing time", "50ms"))
      local event = support.event_of(pid)
      assert.is_true(time.now():sub(start):milliseconds() >= 50)
      assert.equal("process terminated: cancel deadline passed", tostring(event.error))
      assert.equal(errors.TIMEOUT, event.error:kind())
    end)
  end

  it("P-53 L-30 tells the process until when it may go on; one that obeys ends as it likes", function()
    local pid = support.spawn_monitored("return process.events():receive().deadline")
    local before = time.now()
    assert.is_true(process.cancel(pid, nil, "20s"))
    local event = support.event_of(pid)
    assert.is_nil(event.error)
    assert.is_true(event.result:after(before))
  end)

  it("P-53 shortens a deadline by an earlier one and ignores a later one", function()
    for _, spans in ipairs({ { "20s", "30ms" }, { "30ms", "20s" } }) do
      local pid = support.spawn_monitored(support.parked)
      for _, span in ipairs(spans) do
        assert.is_true(process.cancel(pid, nil, span))
      end
      assert.equal(errors.TIMEOUT, support.event_of(pid).error:kind())
    end
  end)

  it("P-59 B-19 is refused for a main process, which gets no event then", function()
    support.fails("not possible for the main process", "INVALID", process.cancel(process.pid(), "why", "1s"))
    assert.is_nil((support.waiting(process.events())))
  end)

  it("P-53 B-40 B-41 B-42 B-46 refuses what is no time to wait, and sends nothing", function()
    local pid = support.spawn(support.parked)
    support.fails("process.cancel: invalid duration: soon", "INVALID", process.cancel(pid, nil, "soon"))
    support.fails("process.cancel: duration must be greater than zero", "INVALID", process.cancel(pid, nil, 0))
    local result, err = process.cancel(pid, nil, 5)
    assert.is_nil(result)
    assert.matches("^process.cancel: 5 is 5 nanoseconds", tostring(err))
  end)
end)

describe("a process that cannot be interrupted", function()
  before_each(support.reset)

  it("L-53 L-54 is given up in a C function when the grace is over; nobody else waits for it", function()
    local host = new_host({ terminate_grace = "100ms" })
    local pid = assert(process.spawn_monitored(support.entry([[
      process.registry.register("spec.stuck")
      process.send(..., "stuck soon")
      os.execute("sleep 2")
    ]]), host, process.pid()))
    support.receive(process.inbox())
    time.sleep("20ms")
    assert.is_true(process.terminate(pid))
    assert.equal("answer", support.exit_of("return 'answer'").result)
    local event = support.event_of(pid)
    assert.equal("process terminated", tostring(event.error))
    assert.is_true(event.error:details().abandoned)
    assert.is_nil((process.registry.lookup("spec.stuck")))
    assert.is_nil((process.send(pid, "t", 1)))
    local info = process.host_info(host)
    assert.same({ 0, 1 }, { info.processes, info.abandoned })
    support.eventually(function()
      return process.host_info(host).abandoned == 0
    end)
    assert.equal(0, process.host_info(host).processes)
  end)

  -- A body that ends with `statement` and whose state takes 3 s to close.
  local function lingering(statement)
    return support.entry([[
      local done = os.time() + 3
      local function linger() while os.time() < done do end end
      if newproxy then
        keep = newproxy(true)
        getmetatable(keep).__gc = linger
      else
        keep = setmetatable({}, { __gc = linger })
      end
    ]] .. statement)
  end

  it("L-54 H-54 has the same grace for the closing of its state; the result it has counts", function()
    local host = new_host({ terminate_grace = "100ms" })
    local pid = assert(process.spawn_monitored(lingering("return 'as main left it'"), host))
    local event = support.event_of(pid)
    assert.is_nil(event.error)
    assert.equal("as main left it", event.result)
    assert.equal(1, process.host_info(host).abandoned)
  end)

  it("L-54 keeps the error it has, and says in its details that it was given up", function()
    local host = new_host({ terminate_grace = "100ms" })
    local failing = { ["error('out of stock', 0)"] = { abandoned = true } }
    failing["error(errors.new({ message = 'out of stock', details = { sku = 17 } }))"] = { abandoned = true, sku = 17 }
    for statement, details in pairs(failing) do
      local event = support.event_of(assert(process.spawn_monitored(lingering(statement), host)))
      assert.equal("out of stock", tostring(event.error))
      assert.same(details, event.error:details())
    end
  end)
end)

describe("the options of a host", function()
  before_each(support.reset)

  it("H-30 H-24 turn LuaJIT's compiler off; elsewhere they have no effect", function()
    local host = new_host({ jit = false })
    assert.is_false(process.host_info(host).jit)
    local body = support.entry("if not jit then return 'no compiler' end return (jit.status())")
    local off = support.event_of(assert(process.spawn_monitored(body, host))).result
    local on = support.event_of(assert(process.spawn_monitored(body, support.host))).result
    if support.jit then
      assert.same({ false, true }, { off, on })
    else
      assert.same({ "no compiler", "no compiler" }, { off, on })
    end
  end)
end)

describe("random numbers", function()
  before_each(support.reset)

  it("H-56 are seeded anew in every process", function()
    local seen, body = {}, support.entry("return math.random(2 ^ 30)")
    for _ = 1, 50 do
      local number = support.event_of(assert(process.spawn_monitored(body, support.host))).result
      assert.is_nil(seen[number])
      seen[number] = true
    end
  end)

  it("H-56 the thread of a process has the name of its entry, that of a pool the name of its host", function()
    local name = support.exit_of([[
      local file = io.open("/proc/thread-self/comm")
      return file and file:read()
    ]]).result
    if name and support.workers > 0 then
      assert.equal("app:processes", name)
      return
    end
    assert.is_truthy(name == nil or ("spec.inline:e"):find(name:sub(1, 8), 1, true) or name:find("inline:e", 1, true))
  end)
end)
