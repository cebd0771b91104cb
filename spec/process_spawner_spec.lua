-- The spawn builder: name, context, first messages and limits of a process that is going to be spawned.
local process = require "process"
local errors = require "process.errors"
local support = require "spec.support"

describe("the spawn builder", function()
  before_each(support.reset)
  after_each(support.finish)

  local read_context = support.entry([[
    local ctx = require "process.ctx"
    return { all = ctx.all(), request = ctx.get("request") }
  ]])

  local function result_of(spawner, entry, ...)
    local pid = assert(spawner:spawn_monitored(entry, support.host, ...))
    local ev = support.event_of(pid)
    assert.is_nil(ev.error, tostring(ev.error))
    return ev.result
  end

  it("P-80 is immutable: every method returns a new one", function()
    local first = process.with_context({ request = "r-1" })
    local second = first:with_context({ request = "r-2", day = 3 })
    assert.is_true(first ~= second)
    assert.same({ request = "r-1" }, result_of(first, read_context).all)
    assert.same({ request = "r-2", day = 3 }, result_of(second, read_context).all)
  end)

  it("P-80 has the ways of spawning of the module", function()
    local spawner = process.with_context({})
    for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "exec" }) do
      assert.equal("function", type(spawner[name]), name)
    end
    assert.equal(42, spawner:exec(support.code(function(n) return 2 * n end), support.host, 21))
    process.set_options({ trap_links = true })
    local pid = assert(spawner:spawn_linked(support.code(function() error("oops", 0) end), support.host))
    assert.equal("oops", tostring(support.event_of(pid, process.event.LINK_DOWN).error))
  end)

  it("P-81 H-42 passes context on through generations; the builder's values win", function()
    local grandchild = process.with_context({ request = "r-9", day = 1 }):exec(support.code(function()
      return process.with_context({ day = 2 }):exec(function()
        return process.exec(function()
          return require("process.ctx").all()
        end, "app:processes")
      end, "app:processes")
    end), support.host)
    assert.same({ request = "r-9", day = 2 }, grandchild)
  end)

  it("P-81 B-80 gets values by key; an unknown key is an error", function()
    local ctx = require "process.ctx"
    assert.equal(process.ctx, ctx)
    support.fails("context key not found: nothing", "NOT_FOUND", ctx.get("nothing"))
    support.fails("context key cannot be empty", "INVALID", ctx.get(""))
    assert.same({}, ctx.all())
    assert.equal("#1 (string expected, got number)", support.bad_argument(ctx.get, 5))
    local found = process.with_context({ t = { 1, { 2 } } }):exec(support.code(function()
      local own = require "process.ctx"
      own.get("t")[1] = "changed"
      return own.get("t")
    end), support.host)
    assert.same({ 1, { 2 } }, found)
  end)

  it("P-84 puts the first messages into the new mailbox, in order, from the spawner", function()
    local spawner = process.with_context({}):with_message("start", { day = 3 }):with_message("more", 1, 2)
    local got = result_of(spawner, support.entry([[
      local seen = {}
      for i = 1, 2 do
        local msg = process.inbox():receive()
        seen[i] = { msg:topic(), msg:payload(), msg:from() }
      end
      return seen
    ]]))
    assert.same({ { "start", { day = 3 }, process.pid() }, { "more", { 1, 2, n = 2 }, process.pid() } }, got)
  end)

  it("P-83 registers the name before the process runs; a live owner gets the messages instead", function()
    local named = process.with_context({}):with_name("spec.builder"):with_message("hello", "you")
    local body = support.entry([[
      local seen = { process.registry.lookup("spec.builder") == process.pid() }
      for i = 1, 2 do
        seen[#seen + 1] = process.inbox():receive():payload()
      end
      return seen
    ]])
    local owner = assert(named:spawn_monitored(body, support.host))
    local again = assert(named:spawn_linked(body, support.host))
    assert.equal(owner, again)
    assert.same({ true, "you", "you" }, support.event_of(owner).result)
    local free = process.with_context({}):with_name("spec.builder")
    local fresh = assert(free:spawn(support.entry("return 1"), support.host))
    assert.is_true(fresh ~= owner)
  end)

  it("P-82 gives limits of its own, which can only be lower than those of the host", function()
    local ended = support.event_of(assert(process.with_options({ memory_limit = 8 * 1024 * 1024 })
      :spawn_monitored(support.entry("local s = 'x' while true do s = s .. s end"), support.host)))
    assert.equal("not enough memory", tostring(ended.error))
    local pid = assert(process.with_options({ mailbox_limit = 2 })
      :spawn(support.entry(support.parked), support.host))
    assert.is_true(process.send(pid, "t"))
    assert.is_true(process.send(pid, "t"))
    support.fails("mailbox full: " .. pid, "RATE_LIMITED", process.send(pid, "t"))
    support.kill(pid)
    assert(process.define_host("spec.builder:narrow", { mailbox_limit = 1 }))
    pid = assert(process.with_options({ mailbox_limit = 100 })
      :spawn(support.entry(support.parked), "spec.builder:narrow"))
    assert.is_true(process.send(pid, "t"))
    support.fails("mailbox full: " .. pid, "RATE_LIMITED", process.send(pid, "t"))
    support.kill(pid)
  end)

  it("P-80 B-1 B-12 B-14 B-61 B-71 raises for wrong arguments", function()
    local spawner = process.with_context({})
    assert.equal("#1 (table expected, got number)", support.bad_argument(process.with_context, 5))
    assert.equal("#1 (table expected, got no value)", support.bad_argument(process.with_options))
    assert.equal("#1 (string expected, got nil)", support.bad_argument(spawner.with_name, spawner, nil))
    assert.equal("#1 (string expected, got table)", support.bad_argument(spawner.with_message, spawner, {}))
    support.raises("keys must be strings", process.with_context, { 1 })
    support.raises("unknown option: surprise", process.with_options, { surprise = 1 })
    support.raises("option memory_limit must be a", process.with_options, { memory_limit = "9" })
    support.raises("option mailbox_limit must be a", process.with_options, { mailbox_limit = -1 })
    support.raises("option stack_size must be a", process.with_options, { stack_size = 1 })
    support.raises("name cannot be empty", spawner.with_name, spawner, "")
    support.raises("name must not look like a PID: {x}", spawner.with_name, spawner, "{x}")
    support.raises("empty topic", spawner.with_message, spawner, "")
    support.raises("reserved topic (begins with @): @t", spawner.with_message, spawner, "@t")
    support.raises("bad self", spawner.with_name, 5, "name")
  end)

  it("P-80 B-20 B-3 tells of values that cannot cross when it spawns, and starts nothing", function()
    assert(process.define_host("spec.builder:empty", {}))
    local entry = support.entry(support.parked)
    for text, spawner in pairs({
      ["cannot send a userdata (context, .db[1])"] = process.with_context({ db = { io.stdout } }),
      ["cannot send a userdata (argument 3, .x)"] =
        process.with_context({}):with_message("t", 1, { x = io.stdout }):with_name("spec.builder.never"),
    }) do
      support.fails(text, "INVALID", spawner:spawn(entry, "spec.builder:empty"))
      support.fails(text, "INVALID", spawner:exec(entry, "spec.builder:empty"))
    end
    support.fails("spawn: entry and host are missing", "INVALID", process.with_context({}):spawn())
    support.fails("exec: host is missing", "INVALID", process.with_context({}):exec(entry))
    assert.equal(0, process.host_info("spec.builder:empty").processes)
    assert.is_nil((process.registry.lookup("spec.builder.never")))
    support.fails("cannot send a spawner (argument 3)", "INVALID",
      process.send(process.pid(), "t", process.with_context({})))
  end)

  it("P-85 has neither actors nor security scopes", function()
    local spawner = process.with_context({})
    assert.is_nil(spawner.with_actor)
    assert.is_nil(spawner.with_scope)
    assert.is_nil(process.with_actor)
    assert.is_true(errors.is(select(2, spawner:spawn("no.such:entry", support.host)), errors.NOT_FOUND))
  end)
end)
