-- process.md: the spawn builder: options, names and first messages for later spawns.
local process = require "process"
local support = require "spec.support"
local code = support.code
local host = support.host
local shown = support.context

local plain = process.with_context({})

-- A child that lives until it is told to end, and returns the topics of the messages before that.
local listening = code(function()
  local topics = {}
  for msg in
    function()
      return process.inbox():receive()
    end
  do
    if msg:topic() == "end" then
      return table.concat(topics, " ")
    end
    topics[#topics + 1] = msg:topic()
  end
end)

-- The number of messages that a process takes until its mailbox is full.
local function room(pid)
  local count = 0
  while process.send(pid, "x") do
    count = count + 1
    assert.is_true(count < 1000)
  end
  return count
end

describe("the spawn builder", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-80 spawns as the module's functions do, in every form", function()
    local entry = support.entry("return ...")
    local pid = support.keep(plain:spawn(listening, host))
    assert.is_true(process.send(pid, "end"))
    pid = plain:spawn_monitored(entry, host, "monitored")
    assert.are.equal("monitored", support.event_of(pid).result)
    assert.are.equal("executed", (plain:exec(entry, host, "executed")))
    process.set_options({ trap_links = true })
    local failing = support.entry("error('broken', 0)")
    pid = plain:spawn_linked(failing, host)
    assert.are.equal("broken", tostring(support.event_of(pid, process.event.LINK_DOWN).error))
    pid = plain:spawn_linked_monitored(failing, host)
    assert.are.equal("broken", tostring(support.event_of(pid).error))
    assert.are.equal("broken", tostring(support.event_of(pid, process.event.LINK_DOWN).error))
  end)

  it("P-11 P-80 hands on arguments with nil in the middle and at the end", function()
    local count = support.entry("return select('#', ...) .. tostring((select(2, ...)))")
    assert.are.equal("4nil", (plain:exec(count, host, 1, nil, 3, nil)))
  end)

  it("P-80 is immutable: every with_ method returns a new one", function()
    local first = process.with_context({ x = 1 })
    local second = first:with_context({ x = 2, y = 3 })
    local third = first:with_name("spec.spawner.third")
    local fourth = first:with_message("topic")
    local fifth = first:with_options({ mailbox_limit = 1 })
    for _, other in ipairs({ second, third, fourth, fifth }) do
      assert.are_not.equal(first, other)
    end
    assert.are.equal("x=1", (first:exec(shown, host)))
    assert.are.equal("x=2, y=3", (second:exec(shown, host)))
    local pid = support.keep(first:spawn(listening, host))
    assert.is_nil(process.registry.lookup("spec.spawner.third"))
    assert(process.send(pid, "a"))
    assert(process.send(pid, "b"))
    assert(process.monitor(pid))
    process.send(pid, "end")
    assert.are.equal("a b", support.event_of(pid).result)
  end)

  it("P-80 can be used any number of times, and from what it was made of before", function()
    local builder = process.with_context({ x = 1 }):with_message("hello")
    collectgarbage()
    collectgarbage()
    for _ = 1, 3 do
      assert.are.equal("hello", (builder:exec(support.entry("return process.inbox():receive():topic()"), host)))
    end
  end)

  it("V-1 P-80 copies what it is given", function()
    local values, payload = { list = { 1 } }, { 1 }
    local builder = process.with_context(values):with_message("topic", payload)
    values.list[1], values.more, payload[1] = 2, true, 2
    assert.are.same({ 1, "nil", 1 }, (builder:exec(code(function()
      local get = require("process.ctx").get
      return { get("list")[1], tostring((get("more"))), process.inbox():receive():payload()[1] }
    end), host)))
  end)

  it("P-85 has no with_actor and no with_scope; a name and messages are given to a builder only", function()
    for _, name in ipairs({ "with_actor", "with_scope" }) do
      assert.is_nil(process[name])
      assert.is_nil(plain[name])
    end
    for _, name in ipairs({ "with_context", "with_options", "with_name", "with_message" }) do
      assert.is_function(plain[name])
    end
  end)

  it("B-25 P-80 is an object of this process and does not cross", function()
    support.fails("cannot send a spawner (argument 3)", "INVALID", process.send(process.pid(), "t", plain))
    assert.is_false(pcall(function()
      plain.field = 1
    end))
  end)
end)

describe("options of the builder", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-82 P-25 limit the mailbox of this process only", function()
    local parked = support.entry(support.parked)
    local small = support.keep(process.with_options({ mailbox_limit = 2 }):spawn(parked, host))
    local other = support.keep(process.spawn(parked, host))
    assert.are.equal(2, room(small))
    local full = support.fails(("mailbox full: %s (limit 2)"):format(small), "RATE_LIMITED", process.send(small, "x"))
    assert.is_true(full:retryable())
    for _ = 1, 10 do
      assert(process.send(other, "x"))
    end
  end)

  it("P-82 H-27 limit the memory of this process only", function()
    local big = support.entry("return #('x'):rep(20000000)")
    support.fails("not enough memory", "INTERNAL", process.with_options({ memory_limit = 8000000 }):exec(big, host))
    assert.are.equal(20000000, (process.exec(big, host)))
  end)

  -- Whether the program has a piece of memory of this size in bytes, such as the stack of a thread.
  local has_piece = [[
    local wanted = ...
    for line in io.lines("/proc/self/maps") do
      local from, to = line:match("^(%x+)-(%x+) rw")
      if from and tonumber(to, 16) - tonumber(from, 16) >= wanted then
        return true
      end
    end
    return false
  ]]

  it("P-82 H-24 give this process a bigger C stack on a thread host", function()
    local builder = process.with_options({ stack_size = 300 * 1024 * 1024 })
    local threads = "spec.spawner:threads"
    assert(process.define_host(threads, {}))
    local looks = support.entry(has_piece)
    assert.is_false((process.exec(looks, threads, 300 * 1024 * 1024)))
    assert.is_true((builder:exec(looks, threads, 300 * 1024 * 1024)))
    assert.are.equal("fits", (builder:exec(
      support.entry("local function f(n) if n == 0 then return 'fits' end return (f(n - 1)) end return f(5000)"),
      threads
    )))
  end)

  it("P-82 H-24 give this process a smaller C stack than its host has", function()
    local roomy = "spec.spawner:roomy"
    assert(process.define_host(roomy, { stack_size = 500 * 1024 * 1024 }))
    local least = process.host_info("app:processes").stack_size
    local looks = support.entry(has_piece)
    assert.is_false((process.with_options({ stack_size = least }):exec(looks, roomy, 500 * 1024 * 1024)))
    assert.is_true((process.exec(looks, roomy, 500 * 1024 * 1024)))
  end)

  it("P-82 B-61 B-3 H-31 refuse a bigger C stack where it cannot be given", function()
    local least = process.host_info("app:processes").stack_size
    local libs = { "base" }
    local hosts = {
      ["spec.spawner:pool"] = { workers = 1, stack_size = 2 * least },
      ["spec.spawner:jail"] = {
        libs = libs, stack_size = 2 * least, max_processes = 9, mailbox_limit = 9, memory_limit = 4000000,
      },
    }
    process.define("spec.spawner:seven", "return { main = function() return 7 end }")
    for name, options in pairs(hosts) do
      assert(process.define_host(name, options))
      local text = ("option stack_size must be a whole number of at most %d on host %s"):format(2 * least, name)
      local big = process.with_options({ stack_size = 2 * least + 1 })
      support.fails(text, "INVALID", big:spawn("spec.spawner:seven", name))
      support.fails(text, "INVALID", big:exec("spec.spawner:seven", name))
      for _, fits in ipairs({ least, 2 * least }) do
        assert.are.equal(7, (process.with_options({ stack_size = fits }):exec("spec.spawner:seven", name)))
      end
    end
  end)

  it("P-80 P-82 merge", function()
    local parked = support.entry(support.parked)
    local builder = process.with_options({ mailbox_limit = 5, memory_limit = 8000000 })
      :with_options({ mailbox_limit = 2 })
      :with_options({})
    assert.are.equal(2, room(support.keep(builder:spawn(parked, host))))
    local big = support.entry("return #('x'):rep(20000000)")
    support.fails("not enough memory", "INTERNAL", builder:exec(big, host))
  end)

  it("P-82 H-31 only lower the host's limits", function()
    local limited = "spec.spawner:limited"
    local settings = { mailbox_limit = 2, memory_limit = 8000000, workers = support.workers }
    assert(process.define_host(limited, settings))
    local parked, big = support.entry(support.parked), support.entry("return #('x'):rep(20000000)")
    for _, options in ipairs({ { mailbox_limit = 10, memory_limit = 1e9 }, { mailbox_limit = 0, memory_limit = 0 } }) do
      local builder = process.with_options(options)
      assert.are.equal(2, room(support.keep(builder:spawn(parked, limited))))
      support.fails("not enough memory", "INTERNAL", builder:exec(big, limited))
    end
    assert.are.equal(1, room(support.keep(process.with_options({ mailbox_limit = 1 }):spawn(parked, limited))))
  end)
end)

describe("the name of the builder", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-83 is registered before the child runs", function()
    local builder = plain:with_name("spec.spawner.first")
    assert.is_true(builder:exec(code(function()
      return process.registry.lookup("spec.spawner.first") == process.pid()
    end), host))
    local pid = support.keep(builder:spawn(listening, host))
    assert.are.equal(pid, process.registry.lookup("spec.spawner.first"))
  end)

  it("P-83 of a live process: nothing is started, and the owner gets the messages", function()
    local owner = support.keep(plain:with_name("spec.spawner.owner"):spawn_monitored(listening, host))
    local before = process.host_info(host).processes
    local builder = plain:with_name("spec.spawner.owner"):with_message("first", 1):with_message("second")
    local never = code(function()
      error("this must not run")
    end)
    for _, form in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "exec" }) do
      assert.are.equal(owner, (builder[form](builder, never, host)), form)
    end
    assert.are.equal(before, process.host_info(host).processes)
    process.send(owner, "end")
    local ev = support.event_of(owner)
    assert.are.equal("first second first second first second first second first second", ev.result)
    assert.is_nil(support.waiting(process.events()))
  end)

  it("P-83 L-42 of a live process: no link and no monitor is set up", function()
    assert(process.define_host("spec.spawner:silent", { report = false, workers = support.workers }))
    local owner = support.keep(process.spawn(code(function()
      process.registry.register("spec.spawner.alone")
      process.inbox():receive()
      error("broken", 0)
    end), "spec.spawner:silent"))
    support.eventually(function()
      return process.registry.lookup("spec.spawner.alone") == owner
    end)
    local builder = plain:with_name("spec.spawner.alone"):with_message("fail")
    assert.are.equal(owner, builder:spawn_linked_monitored(listening, host))
    assert.is_true(process.wait("20s"))
    assert.is_nil(support.waiting(process.events()))
  end)

  it("P-83 may belong to the caller, who then gets the messages", function()
    assert(process.registry.register("spec.spawner.me"))
    local pid = plain:with_name("spec.spawner.me"):with_message("hello", 5):spawn(listening, host)
    process.registry.unregister("spec.spawner.me")
    assert.are.equal(process.pid(), pid)
    local msg = support.receive(process.inbox())
    assert.are.same({ "hello", 5, process.pid() }, { msg:topic(), msg:payload(), msg:from() })
  end)

  it("P-76 P-83 of a process that has ended is free", function()
    local builder = plain:with_name("spec.spawner.again")
    local first = builder:exec(support.entry("return process.pid()"), host)
    local second = builder:exec(support.entry("return process.pid()"), host)
    assert.is_string(second)
    assert.are_not.equal(first, second)
    assert.is_nil(process.registry.lookup("spec.spawner.again"))
  end)

  it("L-1 P-83 of a process that is ending is free: nobody is sent to it any more", function()
    local owner = support.keep(process.spawn_monitored(
      support.entry([[
        local parent = ...
        local function busy()
          local start = os.clock()
          while os.clock() - start < 0.1 do end
        end
        if newproxy then
          keep = newproxy(true)
          getmetatable(keep).__gc = busy
        else
          keep = setmetatable({}, { __gc = busy })
        end
        process.registry.register("spec.spawner.ending")
        process.send(parent, "ready")
        process.inbox():receive()
      ]]),
      host,
      process.pid()
    ))
    support.receive(process.inbox())
    process.terminate(owner)
    local heir = support.keep(plain:with_name("spec.spawner.ending"):spawn(listening, host))
    assert.are_not.equal(owner, heir)
    assert.are.equal(heir, process.registry.lookup("spec.spawner.ending"))
    support.event_of(owner)
    assert.are.equal(heir, process.registry.lookup("spec.spawner.ending"))
  end)

  it("P-77 P-83 asked for by many at once: one process is started, the others send to it", function()
    local start = code(function()
      process.inbox():receive()
      return (process
        .with_context({})
        :with_name("spec.spawner.race")
        :with_message("hello")
        :spawn(listening, host))
    end)
    local starters = {}
    for number = 1, 8 do
      starters[number] = support.keep(process.spawn_monitored(start, host))
    end
    for _, pid in ipairs(starters) do
      process.send(pid, "go")
    end
    local winners = {}
    for _ = 1, #starters do
      local ev = support.receive(process.events())
      assert.is_nil(ev.error)
      winners[ev.result] = true
    end
    local winner = next(winners)
    assert.is_nil(next(winners, winner))
    support.keep(winner)
    assert(process.monitor(winner))
    process.send(winner, "end")
    assert.are.equal(("hello "):rep(8):sub(1, -2), support.event_of(winner).result)
  end)
end)

describe("the messages of the builder", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-84 are in the mailbox first, in order, from the caller, before any other", function()
    local me = process.pid()
    local builder = plain:with_message("x", 1):with_message("x", 2, nil):with_message("y")
    local got = builder:exec(code(function()
      process.send(process.pid(), "later")
      local list = {}
      for number = 1, 4 do
        local msg = process.inbox():receive()
        local payload = msg:payload()
        payload = type(payload) == "table" and payload.n or payload
        list[number] = ("%s %s %s"):format(msg:topic(), tostring(payload), msg:from() == me and "caller" or "self")
      end
      return list
    end), host)
    assert.are.same({ "x 1 caller", "x 2 caller", "y nil caller", "later nil self" }, got)
  end)

  it("P-31 P-84 belong to listeners like any other message", function()
    local entry = support.entry("return process.listen('start'):receive()")
    assert.are.equal(7, (plain:with_message("start", 7):exec(entry, host)))
  end)

  it("P-84 V-15 are copied for each process that is spawned", function()
    local builder = plain:with_message("list", { 1 })
    local change = code(function()
      local list = process.inbox():receive():payload()
      list[#list + 1] = 2
      return #list
    end)
    assert.are.equal(2, (builder:exec(change, host)))
    assert.are.equal(2, (builder:exec(change, host)))
  end)

  it("P-30 P-84 may be a thousand", function()
    local builder = plain
    for number = 1, 1000 do
      builder = builder:with_message("n", number)
    end
    local sum = builder:exec(code(function()
      local sum, numbers = 0, process.listen("n")
      for _ = 1, 1000 do
        sum = sum + numbers:receive()
      end
      return sum
    end), host)
    assert.are.equal(500500, sum)
  end)
end)
