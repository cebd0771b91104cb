-- The module, PIDs and spawning: the beginning of the page `process`.
local process = require "process"
local errors = require "process.errors"
local time = require "process.time"
local support = require "spec.support"
local contexts = require "calls.contexts"
local tour = require "calls.tour"

describe("the module", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-1 holds these functions and tables, and nothing else", function()
    local kinds = {
      ["function"] = {
        "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "pid", "send", "listen", "unlisten",
        "inbox", "events", "monitor", "unmonitor", "link", "unlink", "terminate", "cancel", "set_options",
        "get_options", "define", "define_host", "host_info", "load", "exec", "wait", "id", "upgrade", "with_context",
        "with_options", "call", "await", "send_wait", "cpus", "list", "info", "stats", "trace", "on_report",
        "traceback", "pollfd", "step", "on", "poll", "dup", "signals", "shutdown",
      },
      table = { "registry", "event", "channel", "time", "errors", "ctx", "pg" },
      string = { "_VERSION" },
    }
    local known = {}
    for kind, names in pairs(kinds) do
      for _, name in ipairs(names) do
        known[name] = kind
        assert.are.equal(kind, type(process[name]), name)
      end
    end
    for name in pairs(process) do
      assert.is_not_nil(known[name], name .. " is not in the contract")
    end
  end)

  it("P-1 P-9 holds them in a spawned process too, each the same whenever it is asked for", function()
    local names = {}
    for name in pairs(process) do
      names[#names + 1] = name
    end
    for _, table in ipairs({ "registry", "event", "channel", "ctx", "pg" }) do
      for name in pairs(process[table]) do
        names[#names + 1] = table .. "." .. name
      end
    end
    assert.is_true(#names > 40)
    assert(process.define("calls:fields", [[
      local function of(name)
        local value = process
        for part in name:gmatch("[^.]+") do value = value[part] end
        return value
      end

      return function(names)
        local types = {}
        for _, name in ipairs(names) do
          local value = of(name)
          assert(value == of(name), name)
          types[name] = type(value)
        end
        assert(process.nothing == nil and process.registry.nothing == nil and process.channel.nothing == nil)
        for name in pairs(types) do
          local field = name:match("^[^.]+$")
          assert(not field or rawget(process, field) ~= nil, name)
        end
        return types
      end
    ]]))
    local exit = support.event_of(assert(process.spawn_monitored("calls:fields", support.host, names)))
    assert.is_nil(exit.error)
    for _, name in ipairs(names) do
      local value = process
      for part in name:gmatch("[^.]+") do
        value = value[part]
      end
      assert.are.equal(type(value), exit.result[name], name)
    end
  end)

  it("P-2 W-7 names the kinds of events", function()
    local kinds = { EXIT = "pid.exit", LINK_DOWN = "pid.link.down", CANCEL = "pid.cancel", OUTDATED = "pid.outdated" }
    assert.are.same(kinds, process.event)
  end)

  it("P-9 shows a field of time and errors in pairs once it was used", function()
    for field, module in pairs({ sleep = time, NOT_FOUND = errors }) do
      local used, shown = module[field], nil
      for name, value in pairs(module) do
        shown = name == field and value or shown
      end
      assert.is_not_nil(used)
      assert.are.equal(used, shown)
    end
  end)

  for context in pairs(contexts) do
    it("P-3 works in " .. context .. ", in the main process and in a spawned one", function()
      assert.are.equal(42, tour.main(context))
      local pid = assert(process.spawn_monitored("calls:tour", support.host, context))
      local exit = support.event_of(pid)
      assert.is_nil(exit.error)
      assert.are.equal(42, exit.result)
    end)
  end
end)

describe("a destination", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-4 is a PID if it begins and ends with a brace, else a name", function()
    local pid = support.spawn(support.echo)
    assert(process.registry.register("a name}", pid))
    for _, dest in ipairs({ pid, "a name}" }) do
      assert.is_true(process.send(dest, "greeting", "hello"))
      assert.are.equal("hello", support.receive(process.inbox()):payload())
    end
    support.fails("destination not found: {a name", "NOT_FOUND", process.send("{a name", "greeting"))
    support.fails("process not found: {a name}", "NOT_FOUND", process.send("{a name}", "greeting"))
  end)

  it("P-4 a name is resolved once, at the moment of the call", function()
    local old, new = support.spawn(support.parked), support.spawn(support.parked)
    assert(process.registry.register("the.owner", old))
    assert(process.monitor("the.owner"))
    assert(process.registry.unregister("the.owner"))
    assert(process.registry.register("the.owner", new))
    process.terminate("the.owner")
    process.terminate(old)
    assert.are.equal(old, support.receive(process.events()).from)
  end)
end)

describe("a PID", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-5 is one string: in every call and coroutine, for the parent and for receivers", function()
    assert.are.equal("string", type(process.pid()))
    assert.are.equal(process.pid(), process.pid())
    assert.are.equal(process.pid(), coroutine.wrap(process.pid)())

    local pid = support.spawn("process.send(..., 'me', process.pid(), coroutine.wrap(process.pid)())", process.pid())
    local msg = support.receive(process.inbox())
    assert.are.equal(pid, msg:from())
    assert.are.same({ n = 2, pid, pid }, msg:payload())
  end)

  it("P-6 has the form {host|unique}", function()
    assert.is_truthy(process.pid():match("^{main|[^{|}]+}$"))
    assert.is_truthy(support.spawn(support.parked):match("^{app:processes|[^{|}]+}$"))
  end)

  it("P-7 is not used again, and the main process has one too", function()
    local seen = { [process.pid()] = true }
    local entry = support.entry("")
    for _ = 1, 200 do
      local pid = assert(process.spawn_monitored(entry, support.host))
      assert.is_nil(seen[pid])
      seen[pid] = true
      support.event_of(pid)
    end
  end)
end)

describe("spawn", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-10 starts a process that calls main, or the method defined, with the arguments", function()
    assert.are.equal("hello world", support.result_of("local a, b = ...; return a .. b", "hello ", "world"))

    assert(process.define("spec.spawn:method", { source = "return { run = function(n) return 2 * n end }",
      method = "run" }))
    local pid, err = process.spawn_monitored("spec.spawn:method", support.host, 21)
    assert.are.equal("string", type(pid))
    assert.is_nil(err)
    assert.are.equal(42, support.event_of(pid).result)
  end)

  it("P-11 keeps the position of every argument, nil in the middle and at the end included", function()
    local body = "return { n = select('#', ...), ... }"
    assert.are.same({ n = 5, 1, nil, "three", nil, nil }, support.result_of(body, 1, nil, "three", nil, nil))
    assert.are.same({ n = 0 }, support.result_of(body))
    assert.are.same({ n = 1 }, support.result_of(body, nil))
  end)

  it("P-12 copies the arguments at the call: later changes on either side are invisible", function()
    local order = { sku = 17 }
    local pid = support.spawn_monitored([[
      local order = ...
      process.inbox():receive()
      local seen = order.sku
      order.sku = 19
      return seen
    ]], order)
    order.sku = 18
    process.send(pid, "go")
    assert.are.equal(17, support.event_of(pid).result)
    assert.are.equal(18, order.sku)
  end)

  it("P-13 the process exists at once: it takes messages, monitors, links and names before main runs", function()
    assert(process.define("spec.spawn:closed", [[
      process.listen("open"):receive()
      return { main = function() return process.inbox():receive():payload() end }
    ]]))
    local pid = assert(process.spawn("spec.spawn:closed", support.host))
    assert.is_true(process.send(pid, "early", "waiting for main"))
    assert.is_true(process.monitor(pid))
    assert.is_true(process.link(pid))
    assert.is_true(process.registry.register("spec.closed", pid))
    assert.are.equal(pid, process.registry.lookup("spec.closed"))
    process.send(pid, "open")
    assert.are.equal("waiting for main", support.event_of(pid).result)
  end)

  it("P-14 the relation is set up before the child runs: no quick death is missed", function()
    process.set_options({ trap_links = true })
    local events = {
      spawn_monitored = { process.event.EXIT },
      spawn_linked = { process.event.LINK_DOWN },
      spawn_linked_monitored = { process.event.EXIT, process.event.LINK_DOWN },
    }
    for form, kinds in pairs(events) do
      for _ = 1, 50 do
        local pid = support[form]("return nil, 'dead'")
        for _, kind in ipairs(kinds) do
          local ev = support.receive(process.events())
          assert.are.same({ kind, pid, "dead" }, { ev.kind, ev.from, tostring(ev.error) })
        end
      end
    end
  end)

  it("P-15 B-3 refuses what it can detect itself, and starts nothing", function()
    local host = "spec.spawn:narrow"
    assert(process.define_host(host, { max_processes = 1 }))
    local broken = os.tmpname()
    support.write(broken, "return {")
    assert(process.define("spec.spawn:broken", { source = "file://" .. broken }))
    assert(process.define("spec.spawn:missing", { source = "file://" .. broken .. ".missing" }))

    local good = support.entry(support.parked)
    local refused = {
      ["too few arguments"] = { good },
      ["an ill-formed entry"] = { "no colon", host },
      ["an unknown entry"] = { "spec.spawn:unknown", host },
      ["an unreadable file"] = { "spec.spawn:missing", host },
      ["a syntax error"] = { "spec.spawn:broken", host },
      ["an ill-formed host"] = { good, "no colon" },
      ["an unknown host"] = { good, "spec.spawn:unknown" },
      ["an argument that cannot cross"] = { good, host, io.stdout },
    }
    for case, arguments in pairs(refused) do
      local pid, err = process.spawn(support.unpack(arguments))
      assert.is_nil(pid, case)
      assert.are.equal("userdata", type(err), case)
      assert.are.equal(0, process.host_info(host).processes, case)
    end
    os.remove(broken)

    local first = assert(process.spawn(good, host))
    support.fails("host is full: " .. host .. " (limit 1)", "UNAVAILABLE", process.spawn(good, host))
    assert.are.equal(1, process.host_info(host).processes)
    support.kill(first)
  end)

  it("P-15 reports what shows later as an abnormal exit of the child", function()
    local later = {
      ["a run-time error in the main chunk"] = { "error('in the chunk', 0)", "in the chunk" },
      ["a missing method"] = { "return {}", "entry spec.spawn:later: no function main" },
      ["a method that is no function"] = { "return { main = 7 }", "entry spec.spawn:later: no function main" },
    }
    for case, source in pairs(later) do
      assert(process.define("spec.spawn:later", source[1]))
      local pid = assert(process.spawn_monitored("spec.spawn:later", support.host))
      assert.are.equal(source[2], tostring(support.event_of(pid).error), case)
    end
  end)

  it("P-16 an unlinked child goes on when its parent ends", function()
    local child = support.result_of("return process.spawn(..., 'app:processes')", support.entry(support.echo))
    assert.is_true(support.answers(child))
    support.kill(child)
  end)

  it("P-17 any process may spawn, at any depth", function()
    assert(process.define("spec.spawn:nested", [[
      local function main(depth)
        if depth == 0 then return 0 end
        local child = assert(process.spawn_monitored("spec.spawn:nested", "app:processes", depth - 1))
        local exit = process.events():receive()
        assert(exit.from == child and not exit.error, exit.error)
        return exit.result + 1
      end
      return { main = main }
    ]]))
    local pid = assert(process.spawn_monitored("spec.spawn:nested", support.host, 25))
    assert.are.equal(25, support.event_of(pid).result)
  end)
end)
