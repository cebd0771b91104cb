-- Events in the form of the newer reference: `result` is a record.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local errors = require "process.errors"
local support = require "spec.support"

local function fields(ev)
  local names = {}
  for name in pairs(ev) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

describe("with the option wrapped", function()
  before_each(function()
    support.reset()
    assert(process.set_options({ wrapped = true }))
  end)
  after_each(function()
    support.reset()
    support.finish()
  end)

  it("L-33 a normal EXIT has result = { value = v }", function()
    for _, value in ipairs({ "42", "'text'", "false", "{ 1, { 2 } }", "{ value = 1 }", "{ error = 'no error' }" }) do
      local exit = support.exit_of("return " .. value)
      local expected = (loadstring or load)("return " .. value)()
      assert.are.same({ value = expected }, exit.result)
      assert.is_nil(exit.error)
      assert.are.same({ "at", "from", "kind", "result" }, fields(exit))
    end
  end)

  it("L-33 a normal EXIT without result has an empty record", function()
    for _, body in ipairs({ "", "return nil", "return nil, 42" }) do
      local exit = support.exit_of(body)
      assert.are.same({}, exit.result)
      assert.is_nil(exit.error)
    end
  end)

  it("L-33 an abnormal EXIT has result = { error = err }, and error as well", function()
    local bodies = {
      ["error('no stock', 0)"] = { "no stock", errors.INTERNAL },
      ["return nil, errors.new({ message = 'no stock', kind = 'Empty' })"] = { "no stock", "Empty" },
      ["process.terminate(process.pid())"] = { "process terminated", errors.CANCELED },
      ["return io.stderr"] = { "cannot send a userdata (result)", errors.INVALID },
    }
    for body, expected in pairs(bodies) do
      local exit = support.exit_of(body)
      assert.is_true(exit.error == exit.result.error)
      assert.is_nil(exit.result.value)
      assert.are.same(expected, { tostring(exit.error), exit.result.error:kind() })
      assert.are.same({ "at", "error", "from", "kind", "result" }, fields(exit))
    end
  end)

  it("L-33 a failure is seen by the test of the newer manual: event.result and event.result.error", function()
    local good, bad = support.exit_of("return 1"), support.exit_of("return nil, 'bad'")
    assert.is_nil(good.result and good.result.error)
    assert.are.equal("bad", tostring(bad.result and bad.result.error))
  end)

  it("L-33 LINK_DOWN has result = { error = err }, and error as well", function()
    assert(process.set_options({ trap_links = true }))
    local pid = support.spawn_linked("error('no stock', 0)")
    local down = support.event_of(pid, process.event.LINK_DOWN)
    assert.are.equal("no stock", tostring(down.error))
    assert.is_true(down.error == down.result.error)
    assert.are.same({ "at", "error", "from", "kind", "result" }, fields(down))
  end)

  it("L-33 CANCEL is as ever", function()
    local pid = support.spawn_monitored([[
      process.set_options({ wrapped = true })
      local ev = process.events():receive()
      return { ev.kind, ev.from, ev.reason, ev.result == nil, ev.error == nil }
    ]])
    assert(process.cancel(pid, "closing time"))
    assert.are.same({ value = { process.event.CANCEL, process.pid(), "closing time", true, true } },
      support.event_of(pid).result)
  end)

  it("L-33 the form is chosen when the event is received, not when it happened", function()
    process.set_options({ wrapped = false })
    local first, second = support.spawn_monitored("return 1"), support.spawn_monitored("return 2")
    support.eventually(function()
      return not process.send(first, "t") and not process.send(second, "t")
    end)
    process.set_options({ wrapped = true })
    local ev = support.receive(process.events())
    process.set_options({ wrapped = false })
    local other = support.receive(process.events())
    local results = { [ev.from] = ev.result, [other.from] = other.result }
    assert.are.same({ value = ev.from == first and 1 or 2 }, ev.result)
    assert.are.equal(other.from == first and 1 or 2, other.result)
    assert.is_truthy(results[first] and results[second])
  end)

  it("L-33 the form is the same through select and for waiting coroutines", function()
    local got = channel.new(1)
    coroutine.spawn(function()
      got:send((process.events():receive()))
    end)
    local pid = support.spawn_monitored("return 42")
    assert.are.same({ value = 42 }, support.receive(got).result)
    support.spawn_monitored("return 43")
    local late = time.after("20s")
    local chosen = channel.select({ process.events():case_receive(), late:case_receive() })
    assert.are.same({ value = 43 }, chosen.value.result)
    assert.is_string(pid)
  end)

  it("L-33 each receiver has its own form and its own record", function()
    local child = support.spawn("process.inbox():receive(); return { 1 }")
    local watchers = {}
    for _, wrapped in ipairs({ true, false }) do
      watchers[wrapped] = support.spawn_monitored([[
        local parent, child, wrapped = ...
        process.set_options({ wrapped = wrapped })
        process.monitor(child)
        process.send(parent, "watching")
        return process.events():receive().result
      ]], process.pid(), child, wrapped)
      support.receive(process.inbox())
    end
    assert(process.send(child, "end"))
    local results = {}
    for _ = 1, 2 do
      local ev = support.receive(process.events())
      results[ev.from] = ev.result
    end
    assert.are.same({ value = { value = { 1 } } }, results[watchers[true]])
    assert.are.same({ value = { 1 } }, results[watchers[false]])
  end)

  it("L-33 is no matter of the process that ended", function()
    process.set_options({ wrapped = false })
    local exit = support.exit_of("process.set_options({ wrapped = true }); return 1")
    assert.are.equal(1, exit.result)
  end)
end)
