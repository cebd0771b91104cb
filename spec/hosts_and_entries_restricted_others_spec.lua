-- Restricted hosts: how their processes may affect others, and their limits.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local fails = support.fails
local restricted, run, is_refused = border.restricted, border.run, border.is_refused

describe("a restricted process and others", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-31 B-100 ends, cancels, links and monitors nobody but itself and what it has spawned", function()
    local host = restricted()
    local other = support.spawn(support.parked)
    local beside = assert(process.spawn("spec.restricted:idle", host))
    assert(process.registry.register("spec.restricted.named", other))
    for _, name in ipairs({ "terminate", "cancel", "link", "monitor" }) do
      for _, target in ipairs({ other, beside, process.pid(), "spec.restricted.named" }) do
        is_refused(host, name, "return process." .. name .. "(...)", target)
      end
    end
    is_refused(host, "cancel", "return process.cancel(..., 'why', '1h')", other)
    assert.is_true(process.terminate(beside))
    assert.is_true(process.terminate(other))
  end)

  it("H-31 B-10 B-11 B-30 are told first what is wrong with the call", function()
    local got = run(
      restricted(),
      [[
        local said = {}
        for _, name in ipairs({ "terminate", "cancel", "link", "monitor" }) do
          said[#said + 1] = tostring(select(2, process[name]("spec.restricted.nobody")))
          said[#said + 1] = tostring(select(2, process[name]()))
        end
        return said
      ]]
    )
    for position = 1, #got, 2 do
      assert.equal("destination not found: spec.restricted.nobody", got[position])
      assert.is_truthy(got[position + 1]:find(": destination is missing", 1, true))
    end
  end)

  it("H-31 ends, cancels, links and monitors what it has spawned, but not what that has spawned", function()
    local host = restricted()
    assert(process.define("spec.restricted:parent", [[
      return { main = function(host, to)
        process.send(to, "child", assert(process.spawn("spec.restricted:idle", host)))
        channel.new():receive()
      end }
    ]]))
    local got = run(
      host,
      [[
        local host = ...
        process.set_options({ trap_links = true })
        local said = {}
        local function ask(name, first, err)
          said[name] = first or tostring(err)
        end
        local child = assert(process.spawn("spec.restricted:idle", host))
        ask("link", process.link(child))
        ask("unlink", process.unlink(child))
        ask("monitor", process.monitor(child))
        ask("cancel", process.cancel(child))
        ask("terminate", process.terminate(child))
        said.event = process.events():receive().kind
        assert(process.spawn("spec.restricted:parent", host, host, process.pid()))
        local grandchild = process.inbox():receive():payload()
        for _, name in ipairs({ "link", "monitor", "cancel", "terminate" }) do
          ask(name .. " deeper", process[name](grandchild))
        end
        ask("cancel itself", process.cancel(process.pid()))
        ask("link itself", process.link(process.pid()))
        said.itself = process.events():receive().kind
        return said
      ]],
      host
    )
    for _, name in ipairs({ "link", "unlink", "monitor", "cancel", "terminate", "cancel itself", "link itself" }) do
      assert.is_true(got[name], name)
    end
    for _, name in ipairs({ "link", "monitor", "cancel", "terminate" }) do
      assert.equal(("not allowed on host %s: %s"):format(host, name), got[name .. " deeper"])
    end
    assert.equal(process.event.EXIT, got.event)
    assert.equal(process.event.CANCEL, got.itself)
    assert.equal("process terminated", tostring(border.exit_of(host, "process.terminate(process.pid())").error))
  end)

  it("H-31 B-100 gives names to itself and to what it has spawned, and takes away no other", function()
    local host = restricted()
    local other = support.spawn(support.parked)
    assert(process.registry.register("spec.restricted.other", other))
    is_refused(host, "register", "return process.registry.register('spec.restricted.mine', ...)", other)
    is_refused(host, "register", "return process.registry.register('spec.restricted.mine', ...)", process.pid())
    is_refused(host, "unregister", "return process.registry.unregister('spec.restricted.other')")
    assert.equal(other, process.registry.lookup("spec.restricted.other"))
    fails("name not registered: spec.restricted.mine", "NOT_FOUND", process.registry.lookup("spec.restricted.mine"))
    local got = run(
      host,
      [[
        local r = process.registry
        local child = assert(process.spawn("spec.restricted:idle", ...))
        local own, its = "spec.restricted.own", "spec.restricted.child"
        return {
          r.register(own), r.lookup(own) == process.pid(), r.unregister(own),
          r.register(its, child), r.lookup(its) == child, r.unregister(its), r.unregister("spec.restricted.nobody"),
        }
      ]],
      host
    )
    assert.same({ true, true, true, true, true, true, false }, got)
    local taken = run(host, "local _, err = process.registry.register('spec.restricted.other') return tostring(err)")
    assert.equal("name already registered: spec.restricted.other", taken)
  end)

  it("H-31 sends to anybody, and receives from anybody", function()
    local host = restricted()
    local pid = assert(process.spawn(support.entry(support.echo), host))
    assert.is_true(support.answers(pid))
    assert.is_true(process.terminate(pid))
  end)

  it("H-31 with_name of a name that is taken only sends to its owner", function()
    local host = restricted()
    assert(process.registry.register("spec.restricted.main"))
    local got = run(
      host,
      [[
        local builder = process.with_context({}):with_name("spec.restricted.main"):with_message("t", 1)
        return builder:spawn_linked("spec.restricted:idle", ...)
      ]],
      host
    )
    assert.equal(process.pid(), got)
    assert.equal(1, support.receive(process.inbox()):payload())
    assert.is_true(process.registry.unregister("spec.restricted.main"))
  end)

  it("H-31 V-23 its functions are refused by processes that have more libraries", function()
    local host = restricted()
    local sending = "local _, err = process.send(..., 't', function() end) return { tostring(err), err:kind() }"
    local text, kind = support.unpack(run(host, sending, process.pid()))
    assert.equal("cannot send a function (argument 3) to host main", text)
    assert.equal(process.errors.INVALID, kind)
  end)
end)

describe("the limits of a restricted host", function()
  before_each(support.reset)
  after_each(support.finish)

  local number = 0

  -- The answer of define_host to these options.
  local function refused(text, options)
    number = number + 1
    local host = "spec.restricted:refused" .. number
    fails(text, "INVALID", process.define_host(host, options))
    fails("host not found: " .. host, "NOT_FOUND", process.host_info(host))
  end

  local function with(changes)
    local options = { libs = { "base" }, max_processes = 1, mailbox_limit = 1, memory_limit = 1000000 }
    for name, value in pairs(changes) do
      options[name] = value
    end
    return options
  end

  it("H-31 B-39 must be set", function()
    for _, name in ipairs({ "max_processes", "mailbox_limit", "memory_limit" }) do
      refused(name .. ": must be set on a host with libs", with({ [name] = 0 }))
    end
    refused("max_processes: must be set on a host with libs", { libs = { "base" } })
    local two = { libs = { "base" }, max_processes = 1, mailbox_limit = 1 }
    refused("memory_limit: must be set on a host with libs", two)
  end)

  it("H-31 B-39 say what is wrong with libs", function()
    refused("libs: table expected, got string", with({ libs = "base" }))
    refused("libs: table expected, got boolean", with({ libs = true }))
    refused("libs: base must be among them", with({ libs = {} }))
    refused("libs: base must be among them", with({ libs = { "string", "table" } }))
    refused("libs: no such library: strin", with({ libs = { "base", "strin" } }))
    refused("libs: no such library: 1", with({ libs = { "base", 1 } }))
    refused("libs: no such library: table", with({ libs = { "base", {} } }))
    refused("libs: no such library: false", with({ libs = { "base", false } }))
    refused("libs: must be a list of names", with({ libs = { "base", x = "string" } }))
    for _, name in ipairs(support.jit and { "utf8" } or { "bit", "jit", "ffi" }) do
      refused("libs: no such library: " .. name, with({ libs = { "base", name } }))
    end
  end)

  it("H-31 H-32 B-39 say what is wrong with init and functions", function()
    refused("init: string expected, got number", { init = 1 })
    refused("init: needs the library package", with({ init = "some.module" }))
    refused("functions: boolean expected, got string", { functions = "no" })
  end)

  it("H-29 H-31 are shown by host_info, with the libraries", function()
    local libs = { "table", "base", "string", "package" }
    local host = restricted({ libs = libs, init = "some.module", functions = false })
    local info = process.host_info(host)
    assert.same({ "base", "string", "table", "package" }, info.libs)
    assert.equal("some.module", info.init)
    assert.is_false(info.functions)
    info = process.host_info(border.host({}))
    assert.is_true(info.functions)
    assert.is_nil(info.init)
    local all = { "base", "string", "table", "math", "utf8", "coroutine", "io", "os", "debug", "package" }
    if support.jit then
      all = { "base", "string", "table", "math", "coroutine", "io", "os", "debug", "package", "bit", "jit", "ffi" }
    end
    assert.same(all, info.libs)
  end)

  it("H-31 are only lowered by with_options, on every host", function()
    local parent = [[
      local entry, host, options = ...
      return (process.with_options(options):exec(entry, host))
    ]]
    local allocating = support.entry "local ok = pcall(string.rep, 'x', 3e6) return ok"
    for _, host in ipairs({
      restricted({ memory_limit = 2000000 }),
      border.host({ memory_limit = 2000000 }),
    }) do
      for _, memory in ipairs({ 0, 2000001, 1e12 }) do
        assert.is_false(run(host, parent, allocating, host, { memory_limit = memory }))
      end
    end
    local host = restricted({ mailbox_limit = 3 })
    for wanted, fit in pairs({ [0] = 3, [1] = 1, [1000] = 3 }) do
      local pid = assert(process.with_options({ mailbox_limit = wanted }):spawn("spec.restricted:idle", host))
      for _ = 1, fit do
        assert.is_true(process.send(pid, "t"))
      end
      fails(("mailbox full: %s (limit %d)"):format(pid, fit), "RATE_LIMITED", process.send(pid, "t"))
      assert.is_true(process.terminate(pid))
    end
  end)

  it("P-25 H-31 events are never refused, and do not count for a child that is asked to end", function()
    assert(process.define("spec.restricted:counts", [[
      return { main = function(go)
        local count = 0
        repeat time.sleep("1ms") until process.registry.lookup(go)
        while process.events():receive(0) do count = count + 1 end
        return count
      end }
    ]]))
    local host = restricted({ memory_limit = 8000000, mailbox_limit = 2 })
    local got = run(
      host,
      [[
        local host, go = ...
        local builder, text = process.with_options({ memory_limit = 1000000 }), ("x"):rep(10000)
        local child = assert(builder:spawn_monitored("spec.restricted:counts", host, go))
        assert(process.send(child, "t") and process.send(child, "t") and not process.send(child, "t"))
        for i = 1, 300 do
          assert(process.cancel(child, text))
        end
        process.registry.register(go)
        local exit = process.events():receive()
        return exit.error and tostring(exit.error) or exit.result
      ]],
      host,
      "spec.restricted.go"
    )
    assert.equal(300, got)
  end)

  it("P-25 H-31 whoever asks others to end pays for what it asks, as long as that waits", function()
    local host = restricted({ memory_limit = 4000000 })
    for _, target in ipairs({ "process.pid()", "process.spawn_linked('spec.restricted:idle', ...)" }) do
      local body = [[
        local target, text = %s, ("x"):rep(10000)
        for i = 1, 1e5 do assert(process.cancel(target, text)) end
      ]]
      local ev = border.exit_of(host, body:format(target), host)
      assert.matches("not enough memory$", tostring(ev.error))
    end
    local got = run(host, [[
      local text, events = ("x"):rep(10000), process.events()
      for i = 1, 2000 do
        assert(process.cancel(process.pid(), text))
        assert(events:receive().reason == text)
      end
      return "paid back"
    ]])
    assert.equal("paid back", got)
  end)

  it("H-31 B-36 hold for the processes it spawns", function()
    local host = restricted({ max_processes = 3 })
    local text = run(
      host,
      "local pid, err repeat pid, err = process.spawn('spec.restricted:idle', ...) until not pid return tostring(err)",
      host
    )
    assert.equal(("host is full: %s (limit 3)"):format(host), text)
  end)

  it("H-31 B-22 count the bytes that wait in a mailbox as memory", function()
    local host = restricted({ memory_limit = 1000000 })
    local pid = assert(process.spawn("spec.restricted:idle", host))
    local sent = 0
    local ok, err
    repeat
      ok, err = process.send(pid, "t", ("x"):rep(100000))
      sent = sent + (ok and 1 or 0)
    until not ok
    assert.equal(("mailbox full: %s (memory limit 1000000)"):format(pid), tostring(err))
    assert.is_true(err:retryable())
    assert.is_true(sent >= 8 and sent < 10, sent)
    assert.is_true(process.terminate(pid))
  end)

  it("H-31 count bytes no longer when they are received", function()
    local host = restricted({ memory_limit = 2000000 })
    local got = run(
      host,
      [[
        local me, inbox, text = process.pid(), process.inbox(), ("x"):rep(300000)
        for _ = 1, 100 do
          assert(process.send(me, "t", text))
          assert(inbox:receive():payload() == text)
        end
        return "done"
      ]]
    )
    assert.equal("done", got)
  end)

  for what, body in pairs({
    ["its timers"] = "kept[#kept + 1] = time.after('1h')",
    ["its tickers"] = "kept[#kept + 1] = time.ticker('1h')",
    ["its names"] = "kept[#kept + 1] = assert(process.registry.register('name' .. process.pid() .. #kept))",
    ["its listeners"] = "kept[#kept + 1] = process.listen('topic' .. #kept)",
    ["its channels"] = "kept[#kept + 1] = channel.new(1)",
    ["its errors"] = "kept[#kept + 1] = errors.new('x')",
    ["its messages"] = "process.send(process.pid(), 't') kept[#kept + 1] = process.inbox():receive()",
    ["its builders"] = "kept[#kept + 1] = process.with_context({ a = 1 })",
  }) do
    it("H-31 H-27 count " .. what .. " as memory", function()
      local host = restricted({ memory_limit = 1000000 })
      local count = run(
        host,
        ([[
          local kept, failed = {}, nil
          local ok, text = pcall(function()
            while true do %s end
          end)
          local count = #kept
          kept = nil
          collectgarbage()
          return { count, tostring(text) }
        ]]):format(body)
      )
      -- Each takes more than a hundred bytes.
      assert.is_true(count[1] > 500 and count[1] < 10000, count[1])
      assert.is_truthy(count[2]:find("not enough memory", 1, true))
    end)
  end

  it("H-31 count the context that it has inherited as memory", function()
    local host = restricted({ memory_limit = 1000000 })
    local entry = support.entry "return #process.ctx.get('big')"
    local function with_context(size)
      return process.with_context({ big = ("x"):rep(size) })
    end
    assert.equal(100000, (with_context(100000):exec(entry, host)))
    fails("cannot start process: not enough memory", "UNAVAILABLE", with_context(1100000):exec(entry, host))
    assert.equal(0, process.host_info(host).processes)
  end)
end)
