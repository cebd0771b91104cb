-- convenience.md: exec with a time-out, process.registry.await, process.cpus.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local border = require "spec.support.border"
local support = require "spec.support"
local within = support.within
local host = support.host
local await = process.registry.await

describe("exec with a time-out", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-2 returns what exec returns if the process is in time", function()
    local patient = process.with_options { timeout = "20s" }
    local double = support.entry "return 2 * ..."
    assert.are.equal(8, patient:exec(double, host, 4))
    support.fails("no", "INTERNAL", patient:exec(support.entry "error('no', 0)", host))
  end)

  it("W-2 B-160 terminates the process when the time is over, and leaves nothing of it", function()
    local hasty = process.with_options { timeout = "30ms" }
    local begins = process.listen("begins")
    for _, body in ipairs { "channel.new():receive()", "while true do end" } do
      local entry = support.entry("process.send(..., 'begins', process.pid()) " .. body)
      local value, err = hasty:exec(entry, host, process.pid())
      local pid = within(begins)
      assert.is_nil(value)
      assert.are.equal("process has not ended within 30ms: " .. pid, tostring(err))
      assert.are.equal(require("process.errors").TIMEOUT, err:kind())
      support.eventually(function()
        return not process.send(pid, "gone?")
      end)
    end
    assert.is_true(process.wait("20s"))
    assert.is_nil(support.waiting(process.events()))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("W-2 B-61 B-40 B-42 is an option of exec alone, and a duration", function()
    local hasty = process.with_options { timeout = "1s" }
    local parked = support.entry(support.parked)
    for _, form in ipairs { "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" } do
      support.fails("unknown option: timeout", "INVALID", hasty[form](hasty, parked, host))
    end
    assert.is_truthy(support.raised(process.with_options, { timeout = "soon" }):find("invalid duration: soon"))
    assert.is_truthy(support.raised(process.with_options, { timeout = "0s" }):find("greater than zero"))
  end)
end)

describe("process.registry.await", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-4 returns the owner, at once or as soon as there is one", function()
    local pid = support.start(function()
      channel.new():receive()
    end)
    process.registry.register("spec.await.there", pid)
    assert.are.equal(pid, await("spec.await.there"))
    local answers = channel.new(3)
    for _, timeout in ipairs { "20s", false } do
      coroutine.spawn(function()
        answers:send((await("spec.await.coming", timeout)))
      end)
    end
    coroutine.spawn(function()
      answers:send((await("spec.await.coming")))
    end)
    time.sleep("5ms")
    assert.is_true(support.silent(answers, "5ms"))
    process.registry.register("spec.await.coming", pid)
    for _ = 1, 3 do
      assert.are.equal(pid, within(answers))
    end
  end)

  it("W-4 hears of names that a process is born with", function()
    local answers = channel.new(1)
    coroutine.spawn(function()
      answers:send((await("spec.await.born")))
    end)
    time.sleep("5ms")
    local pid = support.keep(process.with_options({}):with_name("spec.await.born")
      :spawn_monitored(support.entry(support.parked), host))
    assert.are.equal(pid, within(answers))
  end)

  it("W-4 works between processes", function()
    local found = process.listen("found")
    local pid = support.start(function(parent)
      process.send(parent, "found", (process.registry.await("spec.await.across", "20s")))
    end, process.pid())
    time.sleep("10ms")
    process.registry.register("spec.await.across")
    assert.are.equal(process.pid(), within(found))
    process.registry.unregister("spec.await.across")
    assert.is_nil(support.event_of(pid).error)
  end)

  it("W-4 B-161 returns when the time is over, and nothing is left of the wait", function()
    support.fails("name not registered within 20ms: spec.await.never", "TIMEOUT", await("spec.await.never", "20ms"))
    process.registry.register("spec.await.never")
    assert.is_nil(support.waiting(process.inbox()))
    assert.are.equal(process.pid(), await("spec.await.never"))
    process.registry.unregister("spec.await.never")
  end)

  it("W-4 B-1 B-40 B-41 B-42 B-71 refuses what cannot be waited for", function()
    assert.are.equal("#1 (string expected, got nil)", (support.bad_argument(await, nil)))
    support.fails("process.registry.await: invalid duration: soon", "INVALID", await("n", "soon"))
    support.fails("process.registry.await: duration must be greater than zero", "INVALID", await("n", "0s"))
    local _, err = await("n", 5)
    assert.is_truthy(tostring(err):find("^process.registry.await: 5 is 5 nanoseconds"))
    support.fails("name cannot be empty", "INVALID", await(""))
    support.fails("name must not look like a PID: {a:b|1}", "INVALID", await("{a:b|1}"))
  end)

  it("W-4 H-31 is there for restricted processes", function()
    process.registry.register("spec.await.open")
    assert.are.equal(process.pid(), border.run(border.restricted(), "return process.registry.await('spec.await.open')"))
    process.registry.unregister("spec.await.open")
  end)
end)

describe("process.cpus", function()
  it("W-5 counts the processors that the program may use", function()
    local count = process.cpus()
    assert.is_true(count >= 1 and count % 1 == 0)
    local output = support.run [[print(require("process").cpus())]]
    assert.are.equal(tostring(count), output.out:match("%d+"))
  end)

  it("W-5 counts affinity", function()
    local command = ("taskset -c 0 %s -e 'print(require(\"process.core\").cpus())'"):format(support.lua)
    local pipe = assert(io.popen(command))
    assert.are.equal("1", pipe:read("*l"))
    pipe:close()
  end)
end)
