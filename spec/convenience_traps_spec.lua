-- convenience.md: traps made loud.
local process = require "process"
local channel = require "process.channel"
local border = require "spec.support.border"
local support = require "spec.support"
local host = support.host

describe("traps", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-8 a duration as the reason of a cancel without deadline", function()
    local pid = support.spawn(support.parked)
    assert.are.equal(
      'cancel: "200ms" is the reason; the deadline is the third argument',
      support.raised(process.cancel, pid, "200ms")
    )
    assert.is_true(process.cancel(pid, "200ms", "20s"))
    assert.is_true(process.cancel(pid, "deploy"))
    assert.is_true(process.cancel(pid, nil))
  end)

  it("W-8 B-39 B-54 B-61 unknown names say which is near", function()
    local function meant(text, key, fn, ...)
      assert.are.equal(("%s (did you mean %s?)"):format(text, key), support.raised(fn, ...))
    end
    meant("listen: unknown option mesage", "message", process.listen, "x", { mesage = true })
    meant("call: unknown option timout", "timeout", process.call, process.pid(), "x", 1, { timout = "1s" })
    meant("trace: unknown option event", "events", process.trace, "/nowhere", { event = 1 })
    meant("pool: unknown option worker", "workers", require("process.pool").map, {}, print, { worker = 2 })
    meant("select: unknown key defualt", "default", channel.select, { defualt = true })
    meant("luv.attach: unknown option keepalive", "keep_alive", require("process.luv").attach, { keepalive = true })
    local ok, err = pcall(process.with_options, { mailbox_limt = 1 })
    assert.is_false(ok)
    assert.are.equal("unknown option: mailbox_limt (did you mean mailbox_limit?)", tostring(err))
    support.fails(
      "unknown option: trap_link (did you mean trap_links?)",
      "INVALID",
      process.set_options { trap_link = true }
    )
    support.fails(
      "worker: unknown option (did you mean workers?)",
      "INVALID",
      process.define_host("spec.traps:h", { worker = 1 })
    )
    assert.are.equal("listen: unknown option colour", support.raised(process.listen, "x", { colour = 1 }))
    support.fails("unknown option: x", "INVALID", process.set_options { x = true })
  end)

  it("W-8 B-32 an entry that is not there says what was looked for", function()
    local text = "entry not found: app:wroker (no app/wroker.lua on package.path)"
    support.fails(text, "NOT_FOUND", process.spawn("app:wroker", host))
    support.fails(
      "entry not found: a.b:c.d (no a/b/c/d.lua on package.path)",
      "NOT_FOUND",
      process.exec("a.b:c.d", host)
    )
  end)

  it("W-8 B-1 a host that is no string is shown one", function()
    local hint = '; a host, such as "app:processes"'
    for _, name in ipairs { "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "exec" } do
      assert.are.equal(
        ("bad argument #2 to '%s' (string expected, got table)%s"):format(name, hint),
        support.raised(process[name], support.parked, {})
      )
    end
  end)

  it("W-8 an error object that nobody catches says where the call stands", function()
    local script = "local process = require 'process'\nlocal function start()\n"
      .. "  assert(process.spawn('no:where', 'app:processes'))\nend\nstart()"
    local ran = support.run(script)
    assert.are.equal(1, ran.code)
    if support.jit then
      return
    end
    assert.is_truthy(ran.err:find("entry not found: no:where .+ %(/.-:3%)\n"), ran.err)
    local out = support.output_of([[
      local process = require "process"
      local _, err = process.spawn("no:where", "app:processes")
      print(tostring(err))
      print(select(2, xpcall(error, tostring, err)))
      print(("%s"):format(err))
      print(err)
    ]])
    local line = "entry not found: no:where (no no/where.lua on package.path)\n"
    assert.are.equal(line:rep(4), out)
  end)

  it("W-8 a table that ends a process is shown, raw and one level deep", function()
    local function shown(body)
      return tostring(support.exit_of("error(" .. body .. ")").error)
    end
    assert.are.equal("{ code = 7 }", shown "{ code = 7 }")
    assert.are.equal('{ "a", 2.5, true, b = {...}, c = "x\\"y", ["d e"] = function }',
      shown '{ "a", 2.5, true, c = "x\\"y", b = { 1 }, ["d e"] = print }')
    assert.are.equal("{}", shown "{}")
    assert.are.equal("{ x = 1 }", shown "setmetatable({ x = 1 }, { __index = error, __name = 'named' })")
    assert.are.equal("mine", shown "setmetatable({}, { __tostring = function() return 'mine' end })")
    local long = shown "{ ('x'):rep(300) }"
    assert.are.equal(203, #long)
    assert.are.equal("...", long:sub(-3))
  end)

  it("W-8 B-22 a full mailbox says by what", function()
    local limited = border.host { mailbox_limit = 2 }
    local pid = support.keep(assert(process.spawn(support.entry(support.parked), limited)))
    assert(process.send(pid, "x"))
    assert(process.send(pid, "x"))
    support.fails(("mailbox full: %s (limit 2)"):format(pid), "RATE_LIMITED", process.send(pid, "x"))
    support.fails(("mailbox full: %s (limit 2)"):format(pid), "RATE_LIMITED", process.send_wait(pid, "x", 1, "5ms"))
    local small = border.restricted { memory_limit = 1000000 }
    pid = support.keep(assert(process.spawn(support.entry(support.parked), small)))
    local big, err = ("x"):rep(200000), nil
    for _ = 1, 10 do
      _, err = process.send(pid, "x", big)
    end
    assert.are.equal(("mailbox full: %s (memory limit 1000000)"):format(pid), tostring(err))
  end)

  it("W-8 an endless recursion of a restricted process is a stack overflow", function()
    local small = border.restricted { memory_limit = 4000000 }
    local ended = border.exit_of(small, "local function f() return 1 + f() end return f()").error
    assert.is_truthy(tostring(ended):find("stack overflow", 1, true))
    ended = border.exit_of(small, "local t = {} for i = 1, 1e9 do t[i] = {} end").error
    assert.are.equal("not enough memory", tostring(ended))
  end)

  it("W-8 terminate leaves in the error where the process was", function()
    local waits = support.spawn_monitored("local function deep()\n  channel.new():receive()\nend\ndeep()")
    support.eventually(function()
      return process.info(waits).state == "waiting"
    end)
    process.terminate(waits)
    local err = support.event_of(waits).error
    assert.are.equal("process terminated", tostring(err))
    assert.is_truthy(err:stack():find(":3: in", 1, true), err:stack())
    if support.jit then
      return
    end
    local computes = support.spawn_monitored("process.send(..., 'begins')\nwhile true do\nend", process.pid())
    assert.are.equal("begins", support.receive(process.inbox()):topic())
    process.terminate(computes)
    assert.is_truthy(support.event_of(computes).error:stack():find("in function", 1, true))
  end)
end)
