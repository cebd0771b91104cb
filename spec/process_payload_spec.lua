-- The option `wrapped`, and the Payload objects that msg:payload() gives under it.
local process = require "process"
local support = require "spec.support"

local me = process.pid()

-- The message that arrives when these values are sent.
local function message_of(...)
  assert(process.send(me, "letter", ...))
  return support.receive(process.inbox())
end

-- The Payload object that wraps this value.
local function payload_of(value)
  return message_of(value):payload()
end

-- The values as the receiver sees them without `wrapped`, when they are sent.
local function arrived(...)
  local msg = message_of(...)
  process.set_options({ wrapped = false })
  local value = msg:payload()
  process.set_options({ wrapped = true })
  return value
end

describe("the option wrapped", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-60 P-64 is false to begin with, can be read, and stays until it is set again", function()
    assert.are.same(support.options { trap_links = false, wrapped = false }, process.get_options())
    assert.is_true(process.set_options({ wrapped = true }))
    assert.is_true(process.set_options({ trap_links = true }))
    assert.are.same(support.options { trap_links = true, wrapped = true }, process.get_options())
    assert.is_true(process.set_options({ wrapped = false }))
    assert.are.same(support.options { trap_links = true, wrapped = false }, process.get_options())
  end)

  it("P-64 belongs to one process: children begin without it", function()
    assert.is_true(process.set_options({ wrapped = true }))
    local pid = support.spawn("process.send(..., 'options', process.get_options().wrapped)", me)
    local msg = support.receive(process.inbox())
    assert.are.same({ pid, false }, { msg:from(), msg:payload():data() })
  end)

  it("P-64 B-61 is a boolean; a bad set changes nothing", function()
    for _, value in ipairs({ 1, "yes", {}, print }) do
      support.fails("option wrapped must be a boolean", "INVALID", process.set_options({ wrapped = value }))
    end
    support.fails("unknown option: wraped (did you mean wrapped?)", "INVALID",
      process.set_options({ trap_links = true, wrapped = true, wraped = true }))
    support.fails("option trap_links must be a boolean", "INVALID",
      process.set_options({ trap_links = 1, wrapped = true }))
    assert.are.same(support.options { trap_links = false, wrapped = false }, process.get_options())
  end)

  it("P-64 survives an upgrade", function()
    local after = support.entry("return process.get_options().wrapped")
    local exit = support.exit_of("process.set_options({ wrapped = true }); process.upgrade(...)", after)
    assert.is_true(exit.result)
  end)

  it("P-64 leaves raw listeners as they are: they yield values, whatever the option", function()
    local raw = process.listen("raw")
    process.set_options({ wrapped = true })
    for _, value in ipairs({ 42, "text", true }) do
      assert(process.send(me, "raw", value))
      assert.are.equal(value, (support.receive(raw)))
    end
    assert(process.send(me, "raw", 1, nil, 3))
    assert.are.same({ 1, nil, 3, n = 3 }, (support.receive(raw)))
    process.unlisten(raw)
  end)
end)

describe("a Payload object", function()
  before_each(function()
    support.reset()
    assert(process.set_options({ wrapped = true }))
  end)
  after_each(function()
    support.reset()
    support.finish()
  end)

  it("P-43 gives the value it wraps, whatever that is", function()
    for _, value in ipairs({ 42, -0.5, "text", "", true, false }) do
      local payload = payload_of(value)
      assert.are.equal("userdata", type(payload))
      assert.are.equal(value, payload:data())
      assert.are.equal(value, payload:unmarshal())
      assert.are.equal("lua/any", payload:get_format())
    end
    assert.are.same({ sku = 17, tags = { "new" } }, payload_of({ sku = 17, tags = { "new" } }):data())
  end)

  it("P-43 P-42 is the same each time it is asked for, and so is a table in it", function()
    local msg = message_of({ sku = 17 })
    local payload = msg:payload()
    assert.is_true(payload == msg:payload())
    assert.is_true(payload:data() == payload:data())
    assert.is_true(payload:data() == payload:unmarshal())
    payload:data().sku = 18
    assert.are.equal(18, msg:payload():data().sku)
  end)

  it("P-43 is nil for an empty message, and wraps nil for a message of one nil", function()
    assert.is_nil(message_of():payload())
    local payload = message_of(nil):payload()
    assert.are.equal("userdata", type(payload))
    assert.is_nil(payload:data())
  end)

  it("P-43 comes in an array for a message of several values, nil among them", function()
    local msg = message_of(1, nil, { "three" }, nil)
    local payloads = msg:payload()
    assert.are.equal(4, #payloads)
    assert.is_nil(payloads.n)
    local values = {}
    for i, payload in ipairs(payloads) do
      values[i] = payload:data()
    end
    assert.are.same({ 1, nil, { "three" } }, values)
    assert.is_true(payloads == msg:payload())
    assert.is_true(payloads[3]:data() == msg:payload()[3]:data())
  end)

  it("P-43 depends on the option as it is when payload is called; the values are the same ones", function()
    local one, several = message_of({ 1 }), message_of({ 1 }, { 2 })
    local wrapped, list = one:payload(), several:payload()
    process.set_options({ wrapped = false })
    assert.is_true(one:payload() == wrapped:data())
    assert.is_true(several:payload()[2] == list[2]:data())
    assert.are.equal(2, several:payload().n)
    process.set_options({ wrapped = true })
    assert.is_true(one:payload() == wrapped)
    assert.is_true(several:payload() == list)
  end)

  it("P-43 P-44 is what a call gives; without one msg.payload still shows as the value", function()
    local msg = message_of("hello")
    local payload = msg.payload
    assert.are.equal("hello", tostring(payload))
    assert.are.equal("got hello", "got " .. payload)
    assert.are.equal("hello", payload():data())
    assert.are.same({ me, "letter" }, { msg:from(), msg:topic() })
  end)

  it("P-43 shows what it wraps", function()
    assert.are.equal("process.Payload{data=42}", tostring(payload_of(42)))
    assert.are.equal("process.Payload{data=a\\010b}", tostring(payload_of("a\nb")))
    assert.matches("^process%.Payload{data=table: ", tostring(payload_of({})))
    assert.are.equal("process.Payload{data=nil}", tostring(message_of(nil):payload()))
    assert.are.equal(100, #tostring(payload_of(("x"):rep(200))):match("x+"))
  end)

  it("P-43 has no fields, takes none, and is equal only to itself", function()
    local payload = payload_of("text")
    assert.is_nil(payload.sku)
    assert.is_nil(payload[1])
    assert.is_false(pcall(function() payload.sku = 1 end))
    assert.is_false(pcall(function() return payload .. "!" end))
    assert.is_false(payload == payload_of("text"))
  end)

  it("P-43 lives as long as it is held, without its message", function()
    local payload = payload_of({ sku = 17 })
    for _ = 1, 3 do
      collectgarbage()
    end
    assert.are.same({ sku = 17 }, payload:data())
  end)

  it("P-43 B-1 refuses to work for anything else", function()
    local payload = payload_of(1)
    for _, name in ipairs({ "data", "unmarshal", "get_format" }) do
      local strangers = { "text", {}, io.stdout, process.inbox(), message_of(1) }
      for _, stranger in ipairs(strangers) do
        assert.matches(("^calling '%s' on bad self %%(payload expected, got .+%%)$"):format(name),
          support.raised(payload[name], stranger))
      end
      assert.matches("payload expected, got no value", support.raised(payload[name]))
      assert.matches("payload expected, got nil", support.raised(payload[name], nil))
    end
  end)
end)

describe("sending a Payload object", function()
  before_each(function()
    support.reset()
    assert(process.set_options({ wrapped = true }))
  end)
  after_each(function()
    support.reset()
    support.finish()
  end)

  it("V-12 P-27 sends what it wraps", function()
    for _, value in ipairs({ 42, "text", true, false, { sku = 17, { "nested" } } }) do
      assert.are.same(value, arrived(payload_of(value)))
    end
    assert.is_nil(arrived(message_of(nil):payload()))
    assert.are.same({ 1, nil, { 3 }, n = 3 }, arrived(payload_of(1), message_of(nil):payload(), payload_of({ 3 })))
  end)

  it("V-12 P-27 sends what they wrap anywhere in a table", function()
    local nothing = message_of(nil):payload()
    local value = {
      payload_of(1), payload_of({ 2, payload_of(3) }), nothing, payload_of("four"),
      name = payload_of("Ann"), nothing = nothing, deep = { { { payload_of({ deeper = payload_of(true) }) } } },
    }
    assert.are.same({ 1, { 2, 3 }, nil, "four", name = "Ann", deep = { { { { deeper = true } } } } }, arrived(value))
  end)

  it("V-12 replaces an array of them by an array of their values", function()
    assert.are.same({ "a", { "b" }, false }, arrived(message_of("a", { "b" }, false):payload()))
  end)

  it("V-12 replaces keys as well", function()
    assert.are.same({ name = 1, [2] = 2, [true] = 3 },
      arrived({ [payload_of("name")] = 1, [payload_of(2)] = payload_of(2), [payload_of(true)] = 3 }))
    local key = { "key" }
    local payload = payload_of(key)
    local copy = arrived({ [payload] = "found", key = payload })
    assert.are.equal("found", copy[copy.key])
    assert.are.same({ "key" }, copy.key)
  end)

  it("V-12 V-8 keeps what is shared shared, and cycles", function()
    local payload = payload_of({ sku = 17 })
    local table_in_it = payload:data()
    table_in_it.itself = payload
    local copy = arrived({ payload, payload, table_in_it, by = { [payload] = table_in_it } })
    assert.is_true(copy[1] == copy[2])
    assert.is_true(copy[1] == copy[3])
    assert.is_true(copy[1] == copy[1].itself)
    assert.is_true(copy.by[copy[1]] == copy[1])
    assert.are.equal(17, copy[1].sku)
    local alone = arrived(payload, table_in_it)
    assert.is_true(alone[1] == alone[2])
    assert.is_true(alone[1].itself == alone[1])
  end)

  it("V-12 sees through payloads in payloads, however they nest", function()
    local value = 0
    for _ = 1, 50 do
      local payload = payload_of({})
      payload:data()[1] = value
      value = payload
    end
    local copy = arrived(value)
    for _ = 1, 50 do
      assert.are.equal("table", type(copy))
      copy = copy[1]
    end
    assert.are.equal(0, copy)
  end)

  it("V-12 V-9 sees through them in tables nested 10,000 levels deep", function()
    local value = payload_of("bottom")
    for _ = 1, 10000 do
      value = { value }
    end
    local copy = arrived(value)
    for _ = 1, 10000 do
      copy = copy[1]
    end
    assert.are.equal("bottom", copy)
  end)

  it("V-12 works for arguments and results, and for details of errors", function()
    local result = support.result_of("return { select('#', ...), ... }", payload_of(1), payload_of({ 2 }))
    assert.are.same({ value = { 2, 1, { 2 } } }, result)
    local body = [[
      process.set_options({ wrapped = true })
      local payload = process.inbox():receive():payload()
      return ... and { payload } or payload
    ]]
    for _, nested in ipairs({ true, false }) do
      local pid = support.spawn_monitored(body, nested)
      assert(process.send(pid, "letter", { sku = 17 }))
      local expected = { sku = 17 }
      assert.are.same({ value = nested and { expected } or expected }, support.event_of(pid).result)
    end
    local err = process.errors.new({ message = "m", details = { payload_of("d"), p = payload_of({ 1 }) } })
    assert.are.same({ "d", p = { 1 } }, err:details())
  end)

  it("V-12 works for what a function has captured, and for functions inside", function()
    local payload, upper = payload_of({ sku = 17 }), payload_of(string.upper)
    local read = arrived(function(key) return payload[key] end)
    assert.are.equal(17, read("sku"))
    local copy = arrived({ upper, [payload_of(function() return "key" end)] = true })
    assert.is_true(copy[1] == string.upper)
    local key = next(copy, 1)
    assert.are.equal("key", key())
  end)

  it("V-12 V-10 B-20 refuses what cannot cross inside them, with its place", function()
    local payload = payload_of({ sku = 17 })
    payload:data().on_sale = io.stderr
    local place = "argument %d, .on_sale)"
    support.fails("cannot send a userdata (" .. place:format(3), "INVALID", process.send(me, "t", payload))
    support.fails("cannot send a userdata (" .. place:format(4), "INVALID", process.send(me, "t", "a", payload))
    support.fails("cannot send a userdata (argument 3, [1].x.on_sale)", "INVALID",
      process.send(me, "t", { { x = payload } }))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("V-12 B-20 refuses as a key what no table can have as its key", function()
    local nothing, nan = message_of(nil):payload(), payload_of(0 / 0)
    support.fails("cannot send a nil (argument 3, key of the table)", "INVALID",
      process.send(me, "t", { [nothing] = 1 }))
    support.fails("cannot send a NaN (argument 3, key of .x)", "INVALID",
      process.send(me, "t", { x = { [nan] = 1 } }))
    assert.is_nil(support.waiting(process.inbox()))
  end)

  it("V-12 works for context values and for messages of a spawn builder", function()
    local entry = support.entry("return { require('process.ctx').get('order'), process.inbox():receive():payload() }")
    local spawner = process.with_context({ order = payload_of({ sku = 17 }) }):with_message("letter", payload_of({ 1 }))
    local pid = assert(spawner:spawn_monitored(entry, support.host))
    assert.are.same({ value = { { sku = 17 }, { 1 } } }, support.event_of(pid).result)
  end)

  it("V-12 lets the echo worker of the seed page run in both modes", function()
    for _, mode in ipairs({ "false", "true" }) do
      local worker = support.spawn(("process.set_options({ wrapped = %s })"):format(mode) .. [[
        local m = process.inbox():receive()
        process.send(m:from(), "reply", m:payload())
      ]])
      assert(process.send(worker, "echo", { 1, { two = 2 } }))
      assert.are.same({ 1, { two = 2 } }, support.receive(process.inbox()):payload():data())
    end
  end)
end)
