local process = require "process"
local supervisor = require "process.supervisor"
local errors = require "process.errors"
local time = require "process.time"
local support = require "spec.support"
local supervised = require "spec.support.supervised"

local child = supervised.child

describe("supervisor:", function()
  after_each(function()
    support.finish()
    supervised.reset()
  end)

  it("S-1 spawn returns when the children have been started, in this order", function()
    local sup = assert(supervised.spawn { children = { child("a"), child("b"), child("c") } })
    assert.are.equal(3, supervisor.count(sup).running)
    local ids, pids = {}, {}
    for place, one in ipairs(supervisor.children(sup)) do
      ids[place], pids[one.id] = one.id, one.pid
    end
    assert.are.same({ "a", "b", "c" }, ids)
    for _ = 1, 3 do
      local id, pid = supervised.born()
      assert.are.equal(pids[id], pid)
    end
  end)

  it("S-1 a supervisor that is spawned is linked to the caller", function()
    process.set_options { trap_links = true }
    local sup = assert(supervised.spawn {})
    process.terminate(sup)
    assert.are.equal("process terminated", tostring(support.event_of(sup, process.event.LINK_DOWN).error))
  end)

  it("S-1 a start that fails ends what was started, and leaves no link and no event", function()
    process.set_options { trap_links = true }
    local sup, err = supervised.spawn {
      children = { child("a"), child("b"), child("bad", { entry = "spec:nowhere" }) },
    }
    support.fails("entry not found: spec:nowhere (no spec/nowhere.lua on package.path)", "NOT_FOUND", sup, err)
    local order = { supervised.cancelled(), supervised.cancelled() }
    assert.are.same({ "b", "a" }, order)
    for _, pid in pairs(supervised.all_born(2)) do
      support.eventually(function()
        return supervised.is_gone(pid)
      end)
    end
    assert.is_true(process.wait("20s"))
    assert.is_true(support.silent(process.events()))
  end)

  it("S-1 run makes a supervisor of an entry, so trees are built by naming them as children", function()
    local here = process.pid()
    local branch = support.code(function(entry, host)
      return require("process.supervisor").run {
        on_event = function() end,
        children = { { id = "leaf", entry = entry, host = host, args = { here, "leaf" } } },
      }
    end)
    local sup = assert(supervised.spawn {
      children = {
        { id = "branch", entry = branch, host = support.host, args = { supervised.entry("steady"), support.host },
          ready = "20s", shutdown = false },
      },
    })
    local id, leaf = supervised.born()
    assert.are.equal("leaf", id)
    process.monitor(sup)
    process.cancel(sup)
    assert.is_nil(support.event_of(sup).error)
    assert.are.equal("leaf", supervised.cancelled())
    assert.is_true(supervised.is_gone(leaf))
  end)

  it("S-1 run traps links, and returns true when it was cancelled", function()
    local out = support.output_of([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      process.cancel(process.pid())
      print(supervisor.run {})
      print(process.get_options().trap_links)
      process.cancel(process.pid())
      print(supervisor.run { children = { { id = "a", entry = "x:y" } } })
      print(supervisor.run { intensity = -1 })
    ]])
    assert.are.equal("true\tnil\ntrue\ntrue\tnil\n"
      .. "nil\tsupervisor: intensity: whole number of at least 0 expected, got -1\n", out)
  end)

  it("S-1 run in the main process starts, serves and ends", function()
    local out = support.output_of([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      local here = process.pid()
      coroutine.spawn(function()
        print(supervisor.count(here).running)
        print(supervisor.stop_child(here, "a"))
        print(supervisor.count(here).running)
        process.cancel(here)
      end)
      local fn = function() process.events():receive() end
      print(supervisor.run { children = { { id = "a", entry = fn }, { id = "b", entry = fn } } })
      print(process.wait("5s"))
      print(supervisor.run { children = { { id = "a", entry = "nobody:home" } } })
      print(pcall(function()
        coroutine.spawn(function() process.cancel(here) end)
        return supervisor.run {}
      end))
    ]])
    local missing = "entry not found: nobody:home (no nobody/home.lua on package.path)"
    assert.are.equal("2\ntrue\n1\ntrue\tnil\ntrue\nnil\t" .. missing .. "\ntrue\ttrue\tnil\n", out)
  end)

  it("S-1 one supervisor runs in a process at a time", function()
    local out = support.output_of([[
      local process = require "process"
      local supervisor = require "process.supervisor"
      coroutine.spawn(function()
        print(pcall(supervisor.run, {}))
        process.cancel(process.pid())
      end)
      print(supervisor.run {})
    ]])
    assert.are.equal("false\tsupervisor: already running in this process\ntrue\tnil\n", out)
  end)

  it("S-1 restricted processes spawn none, and run one with entries of their own host", function()
    local options = { max_processes = 20, mailbox_limit = 100, memory_limit = 32 * 1024 * 1024, report = false }
    for place, libs in ipairs { { "base" }, { "base", "string", "math", "table", "coroutine" } } do
      options.libs = libs
      local host = "spec:jail" .. place
      assert(process.define_host(host, options))
      local spawns = support.entry([[
        local pid, err = require("process.supervisor").spawn { children = {} }
        return pid, err
      ]])
      local _, err = process.exec(spawns, host)
      support.fails("not allowed on host " .. host .. ": spawn_linked", "PERMISSION_DENIED", nil, err)
      local runs = support.entry([[
        local here, entry, host = ...
        return require("process.supervisor").run {
          children = { { id = "a", entry = entry, host = host, args = { here, "a" } } },
        }
      ]])
      local pid = support.keep(process.spawn_monitored(runs, host, process.pid(), supervised.entry("steady"), host))
      supervised.born()
      assert.are.same({ specs = 1, running = 1, restarts = 0 }, supervisor.count(pid))
      process.cancel(pid)
      assert.is_true(support.event_of(pid).result)
      -- Another host is not its own.
      pid = support.keep(process.spawn_monitored(runs, host, process.pid(), supervised.entry("steady"), support.host))
      err = support.event_of(pid).error
      assert.are.equal("not allowed on host " .. host .. ": spawn_linked_monitored", tostring(err))
    end
  end)

  it("S-2 the supervisor has its name before its children run; one that is taken is B-70", function()
    local entry = support.entry([[
      local parent = ...
      process.send(parent, "child", "named", process.registry.lookup("spec.boss"))
      process.events():receive()
    ]])
    local sup = assert(supervised.spawn {
      name = "spec.boss", children = { { id = "a", entry = entry, host = support.host, args = { process.pid() } } },
    })
    local _, owner = supervised.born()
    assert.are.equal(sup, owner)
    assert.are.equal(1, supervisor.count("spec.boss").specs)
    local err = support.fails("name already registered: spec.boss", "ALREADY_EXISTS",
      supervised.spawn { name = "spec.boss" })
    assert.are.equal(sup, err:details().existing_pid)
    support.fails("name must not look like a PID: {x}", "INVALID", supervised.spawn { name = "{x}" })
  end)

  it("S-3 context, options, name and arguments reach the child, nil among them", function()
    local entry = support.entry([[
      local parent = ...
      local ctx = require "process.ctx"
      local seen = { select("#", ...), process.registry.lookup("spec.kid"), process.pid() }
      process.send(parent, "child", ctx.get("shop"), seen)
      process.events():receive()
    ]])
    local sup = assert(supervised.spawn { children = { {
      id = "a", entry = entry, host = support.host, name = "spec.kid", context = { shop = "tea" },
      options = { mailbox_limit = 7 }, args = { process.pid(), nil, nil, n = 3 },
    } } })
    local shop, seen = supervised.born()
    assert.are.equal("tea", shop)
    assert.are.equal(3, seen[1])
    assert.are.equal(seen[2], seen[3])
    assert.are.equal(seen[3], supervisor.children(sup)[1].pid)
    -- The limit is the child's.
    local err
    for _ = 1, 8 do
      _, err = process.send(seen[3], "flood")
    end
    assert.are.equal(("mailbox full: %s (limit 7)"):format(seen[3]), tostring(err))
  end)

  it("S-3 a name that another process has is a failed start", function()
    local owner = support.spawn(support.parked)
    assert(process.registry.register("spec.taken", owner))
    local err = support.fails("name already registered: spec.taken", "ALREADY_EXISTS",
      supervised.spawn { children = { child("a", { name = "spec.taken" }) } })
    assert.are.equal(owner, err:details().existing_pid)
    local sup = assert(supervised.spawn { name = "spec.own" })
    support.fails("name already registered: spec.own", "ALREADY_EXISTS",
      supervisor.start_child(sup, child("a", { name = "spec.own" })))
    assert.is_true(support.silent(process.listen("child")))
    -- A child keeps its name over a restart.
    local pid = assert(supervisor.start_child(sup, child("b", { name = "spec.again" })))
    supervised.born()
    process.terminate(pid)
    local _, again = supervised.born()
    assert.are.equal(again, process.registry.lookup("spec.again"))
  end)

  it("S-3, B-134 the next child starts when this one is ready; one that is not in time is a failed start", function()
    local here = process.pid()
    local slow = support.entry([[
      local parent, id = ...
      process.send(parent, "child", id, process.pid())
      process.listen("go"):receive()
      require("process.supervisor").ready()
      process.events():receive()
    ]])
    local done = process.listen("done")
    support.spawn_linked([[
      local here, first, second, host = ...
      local supervisor = require "process.supervisor"
      local sup = assert(supervisor.spawn({ name = "spec.slow", on_event = function() end, children = {
        { id = "slow", entry = first, host = host, args = { here, "slow" }, ready = "20s" },
        { id = "next", entry = second, host = host, args = { here, "next" } },
      } }, host))
      process.send(here, "done", sup)
      channel.new():receive()
    ]], here, slow, supervised.entry("steady"), support.host)
    local id, pid = supervised.born()
    assert.are.equal("slow", id)
    assert.is_true(support.silent(process.listen("child")))
    assert.is_true(support.silent(done, "1ms"))
    -- It answers meanwhile.
    assert.are.same({ slow = "running", next = "restarting" }, supervised.states("spec.slow"))
    process.send(pid, "go")
    assert.are.equal("next", (supervised.born()))
    local sup = support.receive(done)

    support.fails("supervisor: child not ready within 30ms: late", "TIMEOUT",
      supervisor.start_child(sup, child("late", { ready = "30ms" })))
    support.fails("supervisor: child not ready within 20s: brief", "TIMEOUT",
      supervisor.start_child(sup, child("brief", { ready = "20s", entry = support.entry("return 1") })))
    support.fails("dead at once", "INTERNAL", supervisor.start_child(sup, child("dead", { ready = "20s" }, "dead")))
    support.fails("supervisor: child not ready within 30ms: late", "TIMEOUT",
      supervised.spawn { children = { child("late", { ready = "30ms" }) } })
    assert.are.equal(2, supervisor.count(sup).specs)
  end)

  it("S-3 ready does nothing where nobody waits for it", function()
    assert.is_nil((supervisor.ready()))
    local parent = support.entry([[
      local pid = process.spawn_monitored(function()
        require("process.supervisor").ready()
      end, ...)
      process.events():receive()
      local got = channel.select { process.inbox():case_receive(), default = true }
      return got.default
    ]])
    assert.is_true(process.exec(parent, support.host, support.host))
  end)

  it("B-130 a bad spec, whatever is wrong with it", function()
    local function bad(text, spec)
      support.fails("supervisor: " .. text, "INVALID", supervisor.spawn(spec))
      support.fails("supervisor: " .. text, "INVALID", supervisor.run(spec))
    end
    local function bad_child(text, fields)
      local one = { id = "a", entry = "x:y" }
      for key, value in pairs(fields) do
        one[key] = value
      end
      bad("children[2]." .. text, { children = { { id = "z", entry = "x:y" }, one } })
    end
    bad("spec: table expected, got no value", nil)
    bad("spec: table expected, got string", "x")
    bad("colour: unknown field", { colour = 1 })
    bad("1: unknown field", { "x" })
    bad("strategy: one_for_one, one_for_all or rest_for_one expected, got one", { strategy = "one" })
    bad("strategy: one_for_one, one_for_all or rest_for_one expected, got table", { strategy = {} })
    bad("intensity: whole number of at least 0 expected, got 1.5", { intensity = 1.5 })
    bad("intensity: whole number of at least 0 expected, got string", { intensity = "3" })
    bad("period: invalid duration: soon", { period = "soon" })
    bad("period: invalid duration: table", { period = {} })
    bad("period: duration must be greater than zero", { period = "0s" })
    bad('period: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND', { period = 5 })
    bad("children: table expected, got string", { children = "x" })
    bad("children: array expected, got the key id", { children = { id = "a" } })
    bad("children[1]: table expected, got string", { children = { "a" } })
    bad("children[1]: table expected, got no value", { children = { [2] = { id = "a", entry = "x:y" } } })
    bad("children[2].id: already taken: a", { children = { { id = "a", entry = "x:y" }, { id = "a", entry = "x:y" } } })
    bad("name: string expected, got number", { name = 1 })
    bad("on_event: function expected, got table", { on_event = {} })
    bad("children: not with a template", { template = { entry = "x:y" }, children = {} })
    bad("strategy: not with a template", { template = { entry = "x:y" }, strategy = "one_for_all" })
    bad("template: table expected, got string", { template = "x:y" })
    bad("template.id: not in a template", { template = { entry = "x:y", id = "a" } })
    bad("template.name: not in a template", { template = { entry = "x:y", name = "a" } })
    bad("template.restart: permanent, transient or temporary expected, got no",
      { template = { entry = "x:y", restart = "no" } })
    bad("children[1].id: string expected, got number", { children = { { id = 1, entry = "x:y" } } })
    bad("children[1].entry: string or function expected, got no value", { children = { { id = "a" } } })
    bad_child("restart: permanent, transient or temporary expected, got always", { restart = "always" })
    bad_child("host: string expected, got boolean", { host = true })
    bad_child("args: table expected, got string", { args = "x" })
    bad_child("args: array expected, got the key x", { args = { x = 1 } })
    bad_child("args.n: whole number of at least 0 expected, got -1", { args = { n = -1 } })
    bad_child("shutdown: invalid duration: never", { shutdown = "never" })
    bad_child("shutdown: invalid duration: true", { shutdown = true })
    bad_child("backoff: table expected, got boolean", { backoff = true })
    bad_child("backoff.factor: unknown field", { backoff = { factor = 2 } })
    bad_child("backoff.max: less than initial", { backoff = { initial = "2s", max = "1s" } })
    bad_child("ready: invalid duration: false", { ready = false })
    bad_child("name: string expected, got number", { name = 1 })
    bad_child("name: name cannot be empty", { name = "" })
    bad_child("context: table expected, got string", { context = "x" })
    bad_child("context: keys must be strings", { context = { "x" } })
    bad_child("options: table expected, got string", { options = "x" })
    bad_child("options: unknown option: colour", { options = { colour = 1 } })
    bad_child("options: option memory_limit must be a whole number of at least 0", { options = { memory_limit = "x" } })
    bad_child("\\007: unknown field", { ["\7"] = 1 })
    local sup = assert(supervised.spawn {})
    support.fails("supervisor: spec: table expected, got no value", "INVALID", supervisor.start_child(sup))
    support.fails("supervisor: restart: permanent, transient or temporary expected, got no", "INVALID",
      supervisor.start_child(sup, { id = "a", entry = "x:y", restart = "no" }))
    assert.are.equal(0, supervisor.count(sup).specs)
  end)

  it("S-1 what cannot cross is refused, and nothing is started", function()
    local file = io.stderr
    local sup, err = supervisor.spawn { on_event = function() file:write("x") end }
    assert.is_nil(sup)
    assert.is_truthy(tostring(err):find("cannot send a userdata (argument ", 1, true))
    assert.are.equal(errors.INVALID, err:kind())
    support.fails("host not found: spec:none", "NOT_FOUND", supervisor.spawn({}, "spec:none"))
    assert.is_true(process.wait("20s"))
  end)

  it("S-4 a supervisor whose caller fails during the start ends with what it has started", function()
    local here = process.pid()
    local caller = support.spawn([[
      local here, entry, host = ...
      require("process.supervisor").spawn({ on_event = function() end, children = {
        { id = "a", entry = entry, host = host, args = { here, "a" } },
        { id = "b", entry = entry, host = host, args = { here, "b" }, ready = "60s" },
      } }, host)
    ]], here, supervised.entry("steady"), support.host)
    local pids = supervised.all_born(2)
    local start = time.now()
    process.terminate(caller)
    assert.are.same({ "b", "a" }, { supervised.cancelled(), supervised.cancelled() })
    support.eventually(function()
      return supervised.is_gone(pids.a) and supervised.is_gone(pids.b)
    end)
    assert.is_true(time.now():sub(start):seconds() < 20)
  end)
end)
