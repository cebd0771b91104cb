-- Bad input to the functions of `process`: which calls raise, and which return which error.
local process = require "process"
local channel = require "process.channel"
local support = require "spec.support"

local me, host = process.pid(), support.host
local registry = process.registry
local long = ("x"):rep(65536)

-- Every function that takes a destination, called with one.
local to = {
  send = function(dest)
    return process.send(dest, "topic")
  end,
}
for _, name in ipairs({ "terminate", "cancel", "monitor", "unmonitor", "link", "unlink" }) do
  to[name] = process[name]
end

-- Checks that a call returned this error, which is not retryable.
local function refused(text, kind, ...)
  local err = support.fails(text, kind, ...)
  assert.is_false(err:retryable())
end

describe("arguments", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Calls that lack an argument, or have nil for one, and are not among those of B-2: function, number of arguments,
  -- arguments.
  local lacking = {
    { "#1 (string expected, got no value)", process.listen, 0 },
    { "#1 (string expected, got nil)", process.listen, 1, nil },
    { "#2 (table expected, got string)", process.listen, 2, "orders", "message" },
    { "#1 (channel expected, got no value)", process.unlisten, 0 },
    { "#1 (channel expected, got nil)", process.unlisten, 1, nil },
    { "#1 (channel expected, got string)", process.unlisten, 1, "orders" },
    { "#1 (string expected, got no value)", registry.register, 0 },
    { "#1 (string expected, got no value)", registry.lookup, 0 },
    { "#1 (string expected, got no value)", registry.unregister, 0 },
    { "#1 (string expected, got nil)", process.send, 2, nil, "topic" },
    { "#2 (string expected, got nil)", process.send, 2, me, nil },
    { "#1 (string expected, got nil)", process.spawn, 2, nil, host },
    { "#2 (string expected, got nil)", process.spawn, 2, "a:b", nil },
    { "#1 (string expected, got nil)", process.monitor, 1, nil },
  }
  it("B-1 raise if they are missing without a default, or nil", function()
    for _, row in ipairs(lacking) do
      assert.are.equal(row[1], support.bad_argument(row[2], support.unpack(row, 4, 3 + row[3])))
    end
  end)

  it("B-16 listen raises for an option that it does not know, and opens nothing", function()
    support.raises("listen: unknown option mesage", process.listen, "spec.orders", { mesage = true })
    support.raises("listen: unknown option a\\000b", process.listen, "spec.orders", { message = true, ["a\0b"] = 1 })
    support.raises("listen: unknown option 1", process.listen, "spec.orders", { true })
    assert(process.send(process.pid(), "spec.orders", 1))
    assert.are.equal("spec.orders", support.receive(process.inbox()):topic())
  end)

  it("B-16 B-1 listen raises for a message mode that is no boolean, and opens nothing", function()
    support.raises("bad argument #2 to ", process.listen, "spec.orders", { message = 1 })
    support.raises("boolean expected, got number", process.listen, "spec.orders", { message = 1 })
    process.send(me, "spec.orders", 1)
    assert.are.equal(1, support.waiting(process.inbox()):payload())
  end)

  local missing = {
    { "send", "send: destination and topic are missing" },
    { "send", "send: topic is missing", me },
  }
  for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" }) do
    table.insert(missing, { name, name .. ": entry and host are missing" })
    table.insert(missing, { name, name .. ": host is missing", "a:b" })
  end
  for _, name in ipairs({ "monitor", "unmonitor", "link", "unlink", "terminate", "cancel" }) do
    table.insert(missing, { name, name .. ": destination is missing" })
  end
  for _, row in ipairs(missing) do
    it("B-2 B-30 returns " .. row[2], function()
      refused(row[2], "INVALID", process[row[1]](support.unpack(row, 3)))
    end)
  end
end)

describe("destinations", function()
  before_each(support.reset)
  after_each(support.finish)

  for name, call in pairs(to) do
    it("B-10 " .. name .. " returns an error for a name that is not registered", function()
      for _, dest in ipairs({ "nobody", "", " ", "{nobody", "nobody}" }) do
        refused("destination not found: " .. dest, "NOT_FOUND", call(dest))
      end
    end)
  end

  local function register(pid)
    return registry.register("spec.gone", pid)
  end

  for name, call in pairs({ send = to.send, terminate = to.terminate, cancel = to.cancel, monitor = to.monitor,
    link = to.link, ["registry.register"] = register }) do
    it("B-11 " .. name .. " returns an error for a PID of no live process, well-formed or not", function()
      local gone = support.exit_of("return").from
      for _, dest in ipairs({ gone, "{}", "{nonsense}", "{app:processes|}", "{|1}", "{" .. me .. "}" }) do
        refused("process not found: " .. dest, "NOT_FOUND", call(dest))
      end
    end)
  end

  it("B-5 B-10 show control bytes as \\ddd, and cut long values", function()
    refused("destination not found: a\\010b\\000", "NOT_FOUND", process.monitor("a\nb\0"))
    local err = select(2, process.monitor(long))
    assert.is_truthy(err:find("^destination not found: x+%.%.%.$"))
    assert.is_true(#err < 130)
    err = select(2, process.monitor("{" .. long .. "}"))
    assert.is_truthy(err:find("^process not found: {x+%.%.%.$"))
  end)

  it("B-6 E-9 a full mailbox and a full host may be retried", function()
    assert(process.define_host("spec.limits:full", { max_processes = 1, mailbox_limit = 1 }))
    local parked = support.entry(support.parked)
    local pid = assert(process.spawn(parked, "spec.limits:full"))
    assert(process.send(pid, "topic", 1))
    local text = ("mailbox full: %s (limit 1)"):format(pid)
    local full = support.fails(text, "RATE_LIMITED", process.send(pid, "topic", 2))
    local crowded = support.fails("host is full: spec.limits:full (limit 1)", "UNAVAILABLE",
      process.spawn(parked, "spec.limits:full"))
    assert.is_true(full:retryable())
    assert.is_true(crowded:retryable())
    support.kill(pid)
  end)

  it("B-19 terminate returns an error for the main process, called by its name too", function()
    assert(registry.register("spec.main"))
    for _, dest in ipairs({ me, "spec.main" }) do
      refused("not possible for the main process", "INVALID", process.terminate(dest))
    end
    assert(registry.unregister("spec.main"))
  end)

  it("B-24 monitor returns an error for oneself", function()
    refused("cannot monitor own process", "INVALID", process.monitor(me))
  end)
end)

describe("topics", function()
  before_each(support.reset)
  after_each(support.finish)

  local function send(topic)
    return process.send(me, topic, 1)
  end

  for name, call in pairs({ ["B-12 B-13 B-14 send"] = send, ["B-15 B-13 B-14 listen"] = process.listen }) do
    it(name .. " returns an error for a reserved, too long or empty topic", function()
      refused("reserved topic (begins with @): @news", "INVALID", call("@news"))
      refused("reserved topic (begins with @): @", "INVALID", call("@"))
      refused("topic too long (65536 bytes, limit 65535)", "INVALID", call(long))
      refused("empty topic", "INVALID", call(""))
      assert.is_nil(support.waiting(process.inbox()))
    end)
  end

  it("B-13 takes the longest topic", function()
    local topic = long:sub(2)
    local ch = assert(process.listen(topic))
    assert.is_true(send(topic))
    assert.are.equal(1, (support.receive(ch)))
    assert.is_true(process.unlisten(ch))
  end)

  it("B-17 B-18 listen and unlisten return an error for the wrong state of a topic", function()
    local ch = process.listen("spec.orders", { message = true })
    refused("already listening to spec.orders with message = true", "CONFLICT", process.listen("spec.orders"))
    assert.is_true(process.unlisten(ch))
    for _, closed in ipairs({ ch, channel.new(), process.inbox(), process.events() }) do
      assert.is_false((process.unlisten(closed)))
      refused("channel is not an open listener", "NOT_FOUND", process.unlisten(closed))
    end
  end)
end)

describe("values", function()
  before_each(support.reset)
  after_each(support.finish)

  local function own_message()
    process.send(me, "greeting", "hello")
    return support.receive(process.inbox())
  end

  it("B-20 B-25 send names the type of what cannot cross", function()
    local ch = channel.new()
    local types = {
      ["function"] = ("x"):gmatch("x"),
      thread = coroutine.create(print),
      userdata = io.stdout,
      channel = ch,
      ["select case"] = ch:case_receive(),
      message = own_message(),
      cdata = support.jit and require("ffi").new("int[1]") or nil,
    }
    for name, value in pairs(types) do
      refused(("cannot send a %s (argument 3)"):format(name), "INVALID", process.send(me, "topic", value))
    end
    refused("cannot send a channel (argument 3)", "INVALID", process.send(me, "topic", process.inbox()))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("B-20 B-25 send and spawn name the place, counted in the call, with the path within tables", function()
    local places = {
      { "argument 4", { 1, io.stdout } },
      { "argument 5", { nil, nil, io.stdout } },
      { "argument 3, [1]", { { io.stdout } } },
      { "argument 3, .log", { { log = io.stdout } } },
      { "argument 3, [1].on_sale", { { { on_sale = io.stdout } } } },
      { "argument 4, .shop.shelves[3].log", { 1, { shop = { shelves = { {}, {}, { log = io.stdout } } } } } },
      { "argument 3, key of [2]", { { 1, { [io.stdout] = 1 } } } },
    }
    local entry = support.entry("")
    for _, row in ipairs(places) do
      local text = ("cannot send a userdata (%s)"):format(row[1])
      refused(text, "INVALID", process.send(me, "topic", support.unpack(row[2], 1, 3)))
      refused(text, "INVALID", process.spawn(entry, host, support.unpack(row[2], 1, 3)))
    end
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("B-23 send tells what to do about an uncalled message field", function()
    local msg = own_message()
    local text = "cannot send a message field (%s): call it, as in msg:topic()"
    for _, field in ipairs({ "topic", "payload", "from" }) do
      refused(text:format("argument 3"), "INVALID", process.send(me, "topic", msg[field]))
      refused(text:format("argument 4, .field"), "INVALID", process.send(me, "topic", 1, { field = msg[field] }))
    end
  end)
end)

describe("options and exits", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-60 B-4 set_options returns false and an error without a table", function()
    for _, arguments in ipairs({ { n = 0 }, { n = 1 }, { n = 1, 5 }, { n = 1, "trap_links" }, { n = 1, true } }) do
      assert.is_false((process.set_options(support.unpack(arguments, 1, arguments.n))))
      refused("set_options: options must be a table", "INVALID",
        process.set_options(support.unpack(arguments, 1, arguments.n)))
    end
  end)

  it("B-61 B-4 set_options returns false and an error for a bad option", function()
    local bad = {
      ["option trap_links must be a boolean"] = { trap_links = 1 },
      ["unknown option: trap_link (did you mean trap_links?)"] = { trap_link = true },
      ["unknown option: 1"] = { "trap_links" },
    }
    for text, options in pairs(bad) do
      assert.is_false((process.set_options(options)))
      refused(text, "INVALID", process.set_options(options))
    end
  end)

  it("B-62 B-64 exits by terminate and without a main have these errors", function()
    local exit = support.exit_of("process.terminate(process.pid())")
    refused("process terminated", "CANCELED", exit.result, exit.error)
    assert(process.define("spec.limits:empty", "return {}"))
    exit = support.event_of(assert(process.spawn_monitored("spec.limits:empty", host)))
    refused("entry spec.limits:empty: no function main", "NOT_FOUND", exit.result, exit.error)
  end)

  it("B-65 B-66 in a chain of links the error names the neighbour and quotes the first failure once", function()
    -- Each member of the chain starts the next one, linked; the last one fails.
    assert(process.define("spec.limits:chain", [[
      local function main(parent, left)
        process.send(parent, "member", left)
        if left == 0 then
          process.inbox():receive()
          error("no stock", 0)
        end
        process.spawn_linked("spec.limits:chain", "app:processes", parent, left - 1)
        channel.new():receive()
      end
      return { main = main }
    ]]))
    assert(process.spawn_monitored("spec.limits:chain", host, me, 3))
    local members = {}
    for left = 3, 0, -1 do
      local msg = support.receive(process.inbox())
      assert.are.equal(left, msg:payload())
      members[left] = msg:from()
      process.monitor(members[left])
    end
    process.send(members[0], "fail")

    local exits = {}
    for _ = 0, 3 do
      local ev = support.receive(process.events())
      exits[ev.from] = ev
    end
    for left = 1, 3 do
      local exit, neighbour = exits[members[left]], members[left - 1]
      refused("linked process failed: " .. neighbour .. ": no stock", "INTERNAL", exit.result, exit.error)
      assert.are.same({ from = neighbour, origin = members[0], reason = "no stock" }, exit.error:details())
    end
  end)
end)

describe("names", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-70 register returns an error that tells the owner of the name", function()
    local owner = support.spawn(support.parked)
    assert(registry.register("spec.taken", owner))
    refused("name already registered: spec.taken", "ALREADY_EXISTS", registry.register("spec.taken"))
    local err = select(2, registry.register("spec.taken", me))
    assert.are.same({ existing_pid = owner }, err:details())
  end)

  it("B-71 register returns an error for an empty, too long or PID-like name", function()
    refused("name cannot be empty", "INVALID", registry.register(""))
    refused("name too long (65536 bytes, limit 65535)", "INVALID", registry.register(long))
    for _, name in ipairs({ "{}", "{app:processes|1}", "{nobody}" }) do
      refused("name must not look like a PID: " .. name, "INVALID", registry.register(name))
    end
  end)

  it("B-72 register and unregister return an error for every scope but LOCAL", function()
    local function register(scope)
      return registry.register("spec.scoped", me, scope)
    end
    local function unregister(scope)
      return registry.unregister("spec.scoped", scope)
    end
    for _, call in ipairs({ register, unregister }) do
      for _, scope in ipairs({ registry.EVENTUAL, registry.CONSISTENT, registry.STRONG }) do
        local first, err = call(scope)
        assert.is_truthy(err:find("^scope not available: .+ %(single node%)$"), tostring(err))
        refused(tostring(err), "UNAVAILABLE", first, err)
      end
      for _, scope in ipairs({ 4, -1 }) do
        refused("unknown scope: " .. scope, "INVALID", call(scope))
      end
    end
    refused("name not registered: spec.scoped", "NOT_FOUND", registry.lookup("spec.scoped"))
  end)

  it("B-73 register returns an error for a pid that is none", function()
    for _, pid in ipairs({ "", "nobody", "main|1", "{main|1" }) do
      refused("invalid pid: " .. pid, "INVALID", registry.register("spec.named", pid))
    end
  end)

  it("B-74 lookup returns an error for a name that nobody has", function()
    for _, name in ipairs({ "nobody", "", me }) do
      refused("name not registered: " .. name, "NOT_FOUND", registry.lookup(name))
    end
  end)
end)
