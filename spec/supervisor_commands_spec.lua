local process = require "process"
local supervisor = require "process.supervisor"
local time = require "process.time"
local support = require "spec.support"
local supervised = require "spec.support.supervised"

local child, born = supervised.child, supervised.born

describe("supervisor, commands:", function()
  after_each(function()
    support.finish()
    supervised.reset()
  end)

  it("S-6 start_child appends a child; nothing is kept of one that does not start", function()
    local sup = assert(supervised.spawn { name = "spec.sup", children = { child("a") } })
    local before = time.now()
    local pid = assert(supervisor.start_child("spec.sup", child("b", { restart = "transient" })))
    local list = supervisor.children(sup)
    assert.are.equal(2, #list)
    local b = list[2]
    assert.is_true(b.since:sub(before):milliseconds() >= 0)
    b.since = nil
    assert.are.same({ id = "b", pid = pid, restart = "transient", state = "running", restarts = 0 }, b)
    support.fails("entry not found: spec:nowhere (no spec/nowhere.lua on package.path)", "NOT_FOUND",
      supervisor.start_child(sup, child("c", { entry = "spec:nowhere" })))
    assert.are.same({ specs = 2, running = 2, restarts = 0 }, supervisor.count(sup))
    assert.is_string(supervisor.start_child(sup, child("c")))
    process.cancel(sup)
    assert.are.same({ "c", "b", "a" }, { supervised.cancelled(), supervised.cancelled(), supervised.cancelled() })
  end)

  it("S-6 stop, restart and delete a child", function()
    local sup = assert(supervised.spawn { children = { child("a"), child("b") } })
    local pids = supervised.all_born(2)
    assert.is_true(supervisor.stop_child(sup, "a"))
    assert.is_true(supervised.is_gone(pids.a))
    assert.are.equal("a", supervised.cancelled())
    assert.is_true(supervisor.stop_child(sup, "a"))
    assert.are.same({ a = "stopped", b = "running" }, supervised.states(sup))
    local pid = assert(supervisor.restart_child(sup, "a"))
    assert.are.same({ "a", pid }, { born() })
    assert.are.equal("a", supervisor.children(sup)[1].id)
    assert.is_true(supervisor.stop_child(sup, "a"))
    assert.is_true(supervisor.delete_child(sup, "a"))
    assert.are.same({ specs = 1, running = 1, restarts = 0 }, supervisor.count(sup))
    assert.is_string(supervisor.start_child(sup, child("a")))
  end)

  it("S-6 B-130 a child with more arguments than fit is refused, and ends nobody", function()
    local sup = assert(supervised.spawn { children = { child("a") } })
    local _, pid = born()
    for _, args in ipairs { { n = 1001 }, { n = 1e9 }, { [1e9] = 1 } } do
      support.fails("supervisor: args: more than 1000 arguments", "INVALID",
        supervisor.start_child(sup, child("b", { args = args })))
    end
    assert.are.equal(pid, supervisor.children(sup)[1].pid)
    assert.are.same({ specs = 1, running = 1, restarts = 0 }, supervisor.count(sup))
    local parent = process.pid()
    local counts = support.entry([[
      process.send((...), "counted", select("#", ...))
      process.events():receive()
    ]])
    assert.is_string(supervisor.start_child(sup, child("c", { entry = counts, args = { parent, n = 1000 } })))
    assert.are.equal(1000, support.receive(process.listen("counted")))
  end)

  it("S-7 B-130 requests for a child like the template that nobody's start_child sends", function()
    local sup = assert(supervised.spawn { template = {
      entry = supervised.entry("steady"), host = support.host, args = { process.pid(), "a" },
    } })
    local function ask(payload)
      return process.call(sup, "process.supervisor", payload, { timeout = "20s" })
    end
    local text = "supervisor: args.n: whole number of at least 0 expected, got "
    support.fails(text .. "string", "INVALID", ask { "start_child", n = "x" })
    support.fails(text .. "-5", "INVALID", ask { "start_child", n = -5 })
    support.fails("supervisor: args: more than 1000 arguments", "INVALID", ask { "start_child", n = 1e9 })
    assert.is_string(ask { "start_child" })
    assert.is_string(ask { "start_child", n = 0 })
    assert.are.same({ specs = 2, running = 2, restarts = 0 }, supervisor.count(sup))
  end)

  it("S-1 S-6 B-1 arguments of a wrong type are raised in the name of what was called", function()
    assert.are.equal("#2 (string expected, got number)", support.bad_argument(supervisor.spawn, {}, 7))
    for _, name in ipairs { "start_child", "restart_child", "stop_child", "delete_child", "children", "count" } do
      assert.are.equal("#1 (string expected, got no value)", support.bad_argument(supervisor[name]))
      local _, raised = pcall(supervisor[name], {})
      local text = "bad argument #1 to '" .. name .. "' (string expected, got table)"
      assert.are.equal(text, (tostring(raised):gsub("^.-: ", "", 1)))
    end
  end)

  it("B-132 an id that no child has", function()
    local sup = assert(supervised.spawn { children = { child("a") } })
    for _, name in ipairs { "restart_child", "stop_child", "delete_child" } do
      support.fails("supervisor: no child x\\000y", "NOT_FOUND", supervisor[name](sup, "x\0y"))
      support.fails("supervisor: no child nil", "NOT_FOUND", supervisor[name](sup))
      support.fails("supervisor: no child 7", "NOT_FOUND", supervisor[name](sup, 7))
    end
  end)

  it("B-133 an id that is taken, and a child that runs", function()
    local sup = assert(supervised.spawn { children = { child("a") } })
    support.fails("supervisor: child already exists: a", "ALREADY_EXISTS", supervisor.start_child(sup, child("a")))
    support.fails("supervisor: child is running: a", "CONFLICT", supervisor.restart_child(sup, "a"))
    support.fails("supervisor: child is running: a", "CONFLICT", supervisor.delete_child(sup, "a"))
    assert.is_true(supervisor.stop_child(sup, "a"))
    support.fails("supervisor: child already exists: a", "ALREADY_EXISTS", supervisor.start_child(sup, child("a")))
  end)

  it("S-6 what cannot cross, and who is no supervisor", function()
    local sup = assert(supervised.spawn {})
    local pid, err = supervisor.start_child(sup, child("a", { args = { io.stderr } }))
    assert.is_nil(pid)
    assert.is_truthy(tostring(err):find("^cannot send a userdata %(argument 3, "))
    support.fails("destination not found: spec.nobody", "NOT_FOUND", supervisor.count("spec.nobody"))
    support.fails("no handler for process.supervisor", "NOT_FOUND",
      process.call(sup, "process.supervisor", { "dance" }))
    support.fails("no handler for process.supervisor", "NOT_FOUND", process.call(sup, "process.supervisor", 7))
    support.fails("no handler for tea", "NOT_FOUND", process.call(sup, "tea", 7))
    process.send(sup, "process.supervisor", { "count" })
    process.send(sup, "stray")
    assert.are.same({ specs = 0, running = 0, restarts = 0 }, supervisor.count(sup))
  end)

  it("S-6 several stop the same child, and a start waits for a stop of others", function()
    local sup = assert(supervised.spawn { children = { child("a", { shutdown = "100ms" }, "deaf"), child("b") } })
    supervised.all_born(2)
    local answers = process.listen("answer")
    for _ = 1, 3 do
      support.spawn([[
        local here, sup = ...
        process.send(here, "answer", require("process.supervisor").stop_child(sup, "a"))
      ]], process.pid(), sup)
    end
    assert.is_string(supervisor.start_child(sup, child("c")))
    for _ = 1, 3 do
      assert.is_true(support.receive(answers))
    end
    assert.are.same({ a = "stopped", b = "running", c = "running" }, supervised.states(sup))
    process.unlisten(answers)
  end)

  it("S-6 a supervisor that ends answers what it knows, and starts nothing any more", function()
    local sup = assert(supervised.spawn { children = { child("a", { shutdown = "300ms" }, "deaf") } })
    process.cancel(sup)
    local pid, err = supervisor.start_child(sup, child("b"))
    assert.is_nil(pid)
    assert.are.equal("process ended before it replied: " .. sup .. ": ended normally", tostring(err))
  end)

  it("S-6 restricted processes command only supervisors on their own host", function()
    local host = "spec:cell"
    assert(process.define_host(host, {
      libs = { "base" }, max_processes = 10, mailbox_limit = 100, memory_limit = 32 * 1024 * 1024, report = false,
    }))
    local sup = assert(supervised.spawn { children = { child("a") } })
    local asks = support.entry([[
      local sup, command, id = ...
      return require("process.supervisor")[command](sup, id)
    ]])
    for _, command in ipairs { "start_child", "restart_child", "stop_child", "delete_child", "children", "count" } do
      support.fails("not allowed on host " .. host .. ": supervisor." .. command, "PERMISSION_DENIED",
        process.exec(asks, host, sup, command, "a"))
    end
    assert.are.equal(1, supervisor.count(sup).running)
    local runs = support.entry([[ return require("process.supervisor").run {} ]])
    local own = support.keep(process.spawn(runs, host))
    assert.are.same({ specs = 0, running = 0, restarts = 0 }, process.exec(asks, host, own, "count"))
    -- One that is not restricted commands it too.
    assert.are.equal(0, supervisor.count(own).specs)
  end)

  it("S-7 a pool starts children like the template, with their own arguments", function()
    local sup = assert(supervised.spawn { template = child(nil, { args = { process.pid() }, restart = "transient" }) })
    assert.are.equal(0, supervisor.count(sup).specs)
    local pids = {}
    for n = 1, 3 do
      pids[n] = assert(supervisor.start_child(sup, "job " .. n, nil, n))
      assert.are.same({ "job " .. n, pids[n] }, { born() })
    end
    local list = supervisor.children(sup)
    for n = 1, 3 do
      assert.are.equal(pids[n], list[n].pid)
      assert.is_string(list[n].id)
    end
    process.send(pids[1], "end", "broken")
    assert.are.equal("job 1", (born()))
    -- One that has done its work is forgotten.
    process.send(pids[2], "end", nil)
    support.eventually(function()
      return supervisor.count(sup).specs == 2
    end)
    assert.is_true(supervisor.stop_child(sup, list[3].id))
    assert.are.equal("stopped", supervised.states(sup)[list[3].id])
    assert.is_string(supervisor.restart_child(sup, list[3].id))
    assert.are.equal("job 3", (born()))
  end)

  it("S-7 at the end all are cancelled at once", function()
    local slow = support.entry([[
      process.events():receive()
      time.sleep("100ms")
    ]])
    local sup = assert(supervised.spawn { template = { entry = slow, host = support.host } })
    for _ = 1, 20 do
      assert(supervisor.start_child(sup))
    end
    process.monitor(sup)
    local start = time.now()
    process.cancel(sup)
    assert.is_nil(support.event_of(sup).error)
    assert.is_true(time.now():sub(start):milliseconds() < 1500)
    assert.is_true(process.wait("20s"))
  end)

  it("S-7 a child costs no more with many others than alone", function()
    local script = [[
      local process = require "process"
      local supervisor = require "process.supervisor"
      process.define_host("spec:many", { workers = 2 })
      local sup = assert(supervisor.spawn({
        template = { entry = function() process.inbox():receive() end, host = "spec:many", restart = "temporary" },
        on_event = function() end,
      }, "spec:many"))
      local function fill(count)
        local start = time.now()
        for _ = 1, count do
          assert(supervisor.start_child(sup))
        end
        return time.now():sub(start):seconds()
      end
      fill(200)
      local few = fill(500)
      fill(2500)
      local many = fill(500)
      print(supervisor.count(sup).running, many < 4 * few + 0.2)
      local start = time.now()
      for _, child in ipairs(supervisor.children(sup)) do process.send(child.pid, "go") end
      while supervisor.count(sup).specs > 0 do time.sleep("2ms") end
      print(time.now():sub(start):seconds() < 20)
    ]]
    assert.are.equal("3700\ttrue\ntrue\n", support.output_of(script, 120))
  end)
end)
