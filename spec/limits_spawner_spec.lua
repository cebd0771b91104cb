-- limits.md, bad input: exec, wait, functions as entries, the spawn builder, process.ctx. Nothing is left half done.
local process = require "process"
local channel = require "process.channel"
local support = require "spec.support"
local code = support.code
local host = support.host

local plain = process.with_context({})
local nothing = support.entry("")
local forms = { "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "exec" }

-- Calls every form of spawning, of the module and of a builder: check(name, fn).
local function each_form(builder, check)
  for _, form in ipairs(forms) do
    check(form, process[form])
    check(form, function(...)
      return builder[form](builder, ...)
    end)
  end
end

describe("bad arguments", function()
  before_each(support.reset)

  it("B-2 B-30 exec says what is missing, in its own name, and so do the builder's methods", function()
    each_form(plain, function(form, fn)
      support.fails(form .. ": entry and host are missing", "INVALID", fn())
      support.fails(form .. ": host is missing", "INVALID", fn(nothing))
      support.fails(form .. ": host is missing", "INVALID", fn(1))
    end)
  end)

  it("B-1 the entry must be a string or a function, the host a string", function()
    each_form(plain, function(_, fn)
      for _, value in ipairs({ 1, true, {} }) do
        local text = ("(string expected, got %s)"):format(type(value))
        assert.are.equal("#1 " .. text, support.bad_argument(fn, value, host))
        assert.are.equal("#2 " .. text, support.bad_argument(fn, nothing, value))
      end
      assert.are.equal("#1 (string expected, got nil)", support.bad_argument(fn, nil, host))
      assert.are.equal("#2 (string expected, got nil)", support.bad_argument(fn, nothing, nil))
    end)
  end)

  it("B-1 E-2 what exec and wait raise has the position of the call", function()
    local line = debug.getinfo(1, "l").currentline
    local calls = {
      function() process.exec(1, host) end,
      function() process.exec(nothing, 1) end,
      function() plain:exec(1, host) end,
      function() plain.exec(1, nothing, host) end,
      function() process.wait("soon") end,
    }
    for number, call in ipairs(calls) do
      local _, message = pcall(call)
      assert.are.equal(line + 1 + number, tonumber(tostring(message):match("^[^:]*:(%d+): ")), tostring(message))
    end
  end)

  it("B-31 B-32 B-35 B-36 references, entries and hosts are checked as by spawn", function()
    assert(process.define_host("spec.limits:one", { max_processes = 1, workers = support.workers }))
    local only = support.keep(process.spawn(support.entry(support.parked), "spec.limits:one"))
    each_form(plain, function(_, fn)
      support.fails("not an entry reference (namespace:name): x", "INVALID", fn("x", host))
      support.fails("not a host reference (namespace:name): y", "INVALID", fn(nothing, "y"))
      support.fails("not a host reference (namespace:name): y", "INVALID", fn(code(function() end), "y"))
      local text = "entry not found: no.such:entry (no no/such/entry.lua on package.path)"
      local err = support.fails(text, "NOT_FOUND", fn("no.such:entry", host))
      assert.is_table(err:details().tried)
      support.fails("host not found: no.such:host", "NOT_FOUND", fn(nothing, "no.such:host"))
      err = support.fails("host is full: spec.limits:one (limit 1)", "UNAVAILABLE", fn(nothing, "spec.limits:one"))
      assert.is_true(err:retryable())
    end)
    support.finish()
    assert.is_nil(process.send(only, "x"))
  end)

  it("B-20 B-25 arguments that cannot cross are counted in the call, without the builder", function()
    each_form(plain, function(_, fn)
      support.fails("cannot send a userdata (argument 3)", "INVALID", fn(nothing, host, io.stderr))
      support.fails("cannot send a userdata (argument 4, .log)", "INVALID", fn(nothing, host, 1, { log = io.stderr }))
      support.fails("cannot send a channel (argument 4)", "INVALID", fn(code(function() end), host, 1, channel.new()))
      local file = io.stderr
      support.fails("cannot send a userdata (argument 1, local file)", "INVALID", fn(function()
        return file
      end, host))
    end)
  end)

  it("B-3 a call that fails starts nothing", function()
    local before = process.host_info(host).processes
    each_form(plain:with_name("spec.limits.name"):with_message("t"), function(_, fn)
      fn("no.such:entry", host)
      fn(nothing, "no.such:host")
      fn(nothing, host, io.stderr)
      fn(print, host)
    end)
    assert.are.equal(before, process.host_info(host).processes)
    assert.is_true(process.wait(0))
    assert.is_nil(process.registry.lookup("spec.limits.name"))
    assert.is_nil(support.waiting(process.events()))
  end)
end)

describe("bad input of the builder", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-1 P-81 with_context takes a table with string keys", function()
    for _, with in ipairs({
      process.with_context,
      function(...)
        return plain:with_context(...)
      end,
    }) do
      assert.are.equal("#1 (table expected, got no value)", support.bad_argument(with))
      assert.are.equal("#1 (table expected, got string)", support.bad_argument(with, "x"))
      assert.are.equal("#1 (keys must be strings)", support.bad_argument(with, { "x" }))
      assert.are.equal("#1 (keys must be strings)", support.bad_argument(with, { [{}] = 1 }))
    end
  end)

  it("B-1 B-61 P-82 with_options takes a table of whole numbers, and knows three", function()
    for _, with in ipairs({
      process.with_options,
      function(...)
        return plain:with_options(...)
      end,
    }) do
      assert.are.equal("#1 (table expected, got no value)", support.bad_argument(with))
      assert.are.equal("unknown option: workers", support.raised(with, { workers = 1 }))
      assert.are.equal("unknown option: 1", support.raised(with, { 5 }))
      assert.are.equal("unknown option: a\\000b", support.raised(with, { ["a\0b"] = 5 }))
      for _, bad in ipairs({ -1, 1.5, "1", true, 0 / 0, 2 ^ 70, {} }) do
        for _, option in ipairs({ "mailbox_limit", "memory_limit" }) do
          local text = ("option %s must be a whole number of at least 0"):format(option)
          assert.are.equal(text, support.raised(with, { [option] = bad }))
        end
      end
      local text = "option stack_size must be a whole number of at least the default"
      assert.are.equal(text, support.raised(with, { stack_size = 4096 }))
    end
  end)

  it("B-1 B-71 P-83 with_name takes what can be registered", function()
    local function with(...)
      return plain:with_name(...)
    end
    assert.are.equal("#1 (string expected, got no value)", support.bad_argument(with))
    assert.are.equal("#1 (string expected, got number)", support.bad_argument(with, 5))
    assert.are.equal("name cannot be empty", support.raised(with, ""))
    assert.are.equal("name must not look like a PID: {x}", support.raised(with, "{x}"))
    assert.are.equal("name too long (65536 bytes, limit 65535)", support.raised(with, ("n"):rep(65536)))
  end)

  it("B-1 B-12 B-13 B-14 P-84 with_message takes what can be sent to", function()
    local function with(...)
      return plain:with_message(...)
    end
    assert.are.equal("#1 (string expected, got no value)", support.bad_argument(with))
    assert.are.equal("#1 (string expected, got number)", support.bad_argument(with, 5))
    assert.are.equal("empty topic", support.raised(with, ""))
    assert.are.equal("reserved topic (begins with @): @x", support.raised(with, "@x"))
    assert.are.equal("topic too long (65536 bytes, limit 65535)", support.raised(with, ("t"):rep(65536)))
  end)

  it("B-1 methods on another object raise", function()
    for _, name in ipairs({ "with_context", "with_options", "with_name", "with_message", support.unpack(forms) }) do
      for _, other in ipairs({ 1, {}, io.stderr, channel.new() }) do
        local message = support.raised(plain[name], other, "x")
        assert.is_truthy(message:find("bad self (spawner expected, got ", 1, true), message)
      end
      assert.is_truthy(support.raised(plain[name]):find("bad self (spawner expected, got no value)", 1, true))
    end
  end)

  it("B-20 P-81 P-84 values that cannot cross are told by the call that spawns, every time", function()
    local contexts = plain:with_context({ fine = 1, log = io.stderr })
    local messages = plain:with_message("topic", 1, { log = io.stderr })
    local file = io.stderr
    local functions = plain:with_message("topic", function()
      return file
    end)
    for _ = 1, 2 do
      for _, form in ipairs(forms) do
        support.fails("cannot send a userdata (context, .log)", "INVALID", contexts[form](contexts, nothing, host))
        support.fails(
          "cannot send a userdata (argument 3, .log)",
          "INVALID",
          messages[form](messages, nothing, host)
        )
        support.fails(
          "cannot send a userdata (argument 2, local file)",
          "INVALID",
          functions[form](functions, nothing, host)
        )
      end
    end
    assert.is_true(process.wait(0))
  end)

  it("B-20 P-80 a builder made from one that was given a bad value has it too; the first bad value is told", function()
    local bad = plain:with_context({ k = io.stderr })
    local mended = bad:with_context({ k = 1 }):with_message("t", channel.new())
    support.fails("cannot send a userdata (context, .k)", "INVALID", mended:spawn(nothing, host))
    assert.are.equal("", (plain:exec(code(function()
      return next(require("process.ctx").all()) or ""
    end), host)))
  end)

  it("B-3 B-22 P-82 P-84 more first messages than the mailbox takes: nothing is started or registered", function()
    local before = process.host_info(host).processes
    local builder = process
      .with_options({ mailbox_limit = 1 })
      :with_name("spec.limits.full")
      :with_message("a")
      :with_message("b")
    each_form(builder, function(form, fn)
      if fn ~= process[form] then
        local _, err = fn(nothing, host)
        assert.is_truthy(tostring(err):find("^mailbox full: {.*} %(limit %d+%)$"))
        assert.are.equal("RateLimited", err:kind())
        assert.is_true(err:retryable())
      end
    end)
    assert.are.equal(before, process.host_info(host).processes)
    assert.is_nil(process.registry.lookup("spec.limits.full"))
    assert.is_true(process.wait(0))
  end)

  it("B-3 B-22 P-83 more messages than the owner of the name takes: none is delivered", function()
    local owner = support.keep(process
      .with_options({ mailbox_limit = 3 })
      :with_name("spec.limits.owner")
      :spawn(support.entry(support.parked), host))
    assert(process.send(owner, "x"))
    local builder = plain:with_name("spec.limits.owner"):with_message("a"):with_message("b"):with_message("c")
    support.fails(("mailbox full: %s (limit 3)"):format(owner), "RATE_LIMITED", builder:spawn(nothing, host))
    assert(process.send(owner, "x"))
    assert(process.send(owner, "x"))
    support.fails(("mailbox full: %s (limit 3)"):format(owner), "RATE_LIMITED", process.send(owner, "x"))
  end)

  it("B-3 B-36 P-83 a full host: the name stays free", function()
    assert(process.define_host("spec.limits:full", { max_processes = 1, workers = support.workers }))
    support.keep(process.spawn(support.entry(support.parked), "spec.limits:full"))
    local builder = plain:with_name("spec.limits.nobody"):with_message("t")
    support.fails("host is full: spec.limits:full (limit 1)", "UNAVAILABLE", builder:spawn(nothing, "spec.limits:full"))
    assert.is_nil(process.registry.lookup("spec.limits.nobody"))
  end)

  it("P-83 P-15 a bad entry or host is an error even if the name is taken", function()
    local owner = support.keep(plain:with_name("spec.limits.taken"):spawn(support.entry(support.parked), host))
    local builder = plain:with_name("spec.limits.taken"):with_message("t")
    local text = "entry not found: no.such:entry (no no/such/entry.lua on package.path)"
    support.fails(text, "NOT_FOUND", builder:spawn("no.such:entry", host))
    support.fails("host not found: no.such:host", "NOT_FOUND", builder:spawn(nothing, "no.such:host"))
    assert.are.equal(owner, builder:spawn(nothing, host))
  end)

  it("V-13 B-37 P-82 a process that has no memory to begin with ends at once", function()
    for _, limit in ipairs({ 1, 1000, 10000 }) do
      local builder = process.with_options({ memory_limit = limit })
      support.fails("not enough memory", "INTERNAL", builder:exec(nothing, host))
    end
  end)
end)

describe("bad input of process.ctx", function()
  it("B-1 B-80 the key is a string", function()
    local ctx = require "process.ctx"
    assert.are.equal("#1 (string expected, got no value)", support.bad_argument(ctx.get))
    assert.are.equal("#1 (string expected, got number)", support.bad_argument(ctx.get, 1))
    support.fails("context key not found: " .. ("k"):rep(100) .. "...", "NOT_FOUND", ctx.get(("k"):rep(1000)))
    support.fails("context key not found: a\\000b", "NOT_FOUND", ctx.get("a\0b"))
  end)
end)
