-- There is one way of reading a PID: the whole text decides, in every function that takes one.
local process = require "process"
local support = require "spec.support"

-- Texts that hold the number of a PID, or nearly, and are nobody's PID.
local forgeries = {
  function(pid) return (pid:gsub("^{.-|", "{x:y|")) end,
  function(pid) return (pid:gsub("^{.-|", "{|")) end,
  function(pid) return (pid:gsub("^{.-|", "{main|")) end,
  function(pid) return (pid:gsub("^{", "{ ")) end,
  function(pid) return (pid:gsub("|", "|0")) end,
  function(pid) return (pid:gsub("|", "|+")) end,
  function(pid) return (pid:gsub("}", " }")) end,
  function(pid) return (pid:gsub("}", "\0}")) end,
  function(pid) return "{" .. pid .. "}" end,
}

local function each_forgery(of, act)
  for _, forge in ipairs(forgeries) do
    local forged = forge(of)
    assert.are_not.equal(of, forged)
    act(forged)
  end
end

describe("a PID", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-4 P-7 B-11 of another text is nobody's, for all functions", function()
    local pid = support.spawn(support.parked)
    each_forgery(pid, function(forged)
      local text = "process not found: " .. forged:gsub("%z", "\\000")
      for _, name in ipairs({ "monitor", "link", "terminate", "cancel" }) do
        support.fails(text, "NOT_FOUND", process[name](forged))
      end
      support.fails(text, "NOT_FOUND", process.send(forged, "topic"))
      support.fails(text, "NOT_FOUND", process.registry.register("forged", forged))
    end)
  end)

  it("L-24 P-4 P-7 of another text undoes no monitor, made in any way, of a process that runs", function()
    local spawned, monitored = support.spawn_monitored(support.parked), support.spawn(support.parked)
    assert(process.monitor(monitored))
    for _, pid in ipairs({ spawned, monitored }) do
      each_forgery(pid, function(forged)
        assert.is_true(process.unmonitor(forged))
      end)
      process.terminate(pid)
      assert.are.equal(pid, support.event_of(pid).from)
    end
  end)

  it("L-24 P-4 P-7 of another text takes back no EXIT that waits", function()
    local pid = support.spawn_monitored(support.parked)
    support.kill(pid)
    process.wait()
    each_forgery(pid, function(forged)
      assert.is_true(process.unmonitor(forged))
    end)
    assert.are.equal(pid, (support.waiting(process.events()) or {}).from)
  end)

  it("L-47 P-4 P-7 of another text undoes no link, whether the process runs or has failed", function()
    process.set_options({ trap_links = true })
    local failed, running = support.spawn_linked("error('bad')"), support.spawn_linked(support.parked)
    support.kill(failed)
    for _, pid in ipairs({ failed, running }) do
      each_forgery(pid, function(forged)
        assert.is_true(process.unlink(forged))
      end)
      process.terminate(pid)
      assert.are.equal(pid, support.event_of(pid, process.event.LINK_DOWN).from)
    end
  end)

  it("L-24 L-47 B-10 of a process that is gone is no error, a name that nobody has is one", function()
    local pid = support.spawn(support.parked)
    assert(process.registry.register("gone soon", pid))
    assert.is_true(process.unmonitor("gone soon"))
    assert.is_true(process.unlink("gone soon"))
    support.kill(pid)
    for _, name in ipairs({ "unmonitor", "unlink" }) do
      assert.is_true(process[name](pid))
      support.fails("destination not found: gone soon", "NOT_FOUND", process[name]("gone soon"))
      support.fails("destination not found: ", "NOT_FOUND", process[name](""))
    end
  end)
end)
