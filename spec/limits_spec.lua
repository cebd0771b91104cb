-- Rules that hold for every function: bad input never does harm, and failing calls leave no trace.
local support = require "spec.support"
local process = require "process"
local channel = require "process.channel"
local errors = require "process.errors"

local fails = support.fails

describe("bad input", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-7 E-2 E-9 never crashes, hangs or harms another process", function()
    local calls = tonumber(support.output_of("dofile 'spec/support/storm.lua'", 120))
    assert.is_true(calls > 50000, calls .. " calls")
  end)

  describe("of a wrong type", function()
    local arguments = {
      { "spawn", 1, "string" }, { "spawn", 2, "string", "a:b" },
      { "spawn_monitored", 1, "string" }, { "spawn_monitored", 2, "string", "a:b" },
      { "spawn_linked", 1, "string" }, { "spawn_linked", 2, "string", "a:b" },
      { "spawn_linked_monitored", 1, "string" }, { "spawn_linked_monitored", 2, "string", "a:b" },
      { "send", 1, "string" }, { "send", 2, "string", "nobody" },
      { "listen", 1, "string" }, { "listen", 2, "table", "topic" },
      { "terminate", 1, "string" },
      { "cancel", 1, "string" }, { "cancel", 2, "string", "nobody" },
      { "monitor", 1, "string" }, { "unmonitor", 1, "string" },
      { "link", 1, "string" }, { "unlink", 1, "string" },
      { "define", 1, "string" },
      { "define_host", 1, "string" }, { "define_host", 2, "table", "a:b" },
      { "host_info", 1, "string" }, { "load", 1, "string" },
      { "register", 1, "string", of = process.registry },
      { "register", 2, "string", "name", of = process.registry },
      { "register", 3, "number", "name", process.pid(), of = process.registry },
      { "lookup", 1, "string", of = process.registry },
      { "unregister", 1, "string", of = process.registry },
      { "unregister", 2, "number", "name", of = process.registry },
      { "new", 1, "number", of = channel },
      { "select", 1, "table", of = channel },
      { "spawn", 1, "function", of = coroutine },
    }
    local values = { 5, "5", true, {}, print, coroutine.create(print) }
    -- These take a function besides a string.
    local take_functions = { spawn = process, spawn_monitored = process, spawn_linked = process,
      spawn_linked_monitored = process }

    for _, row in ipairs(arguments) do
      local name, position, expected = row[1], row[2], row[3]
      it("B-1 E-2 raises for argument " .. position .. " of " .. name, function()
        local f = (row.of or process)[name]
        local lead = { support.unpack(row, 4) }
        for _, value in ipairs(values) do
          local taken = type(value) == "function" and position == 1 and take_functions[name] == (row.of or process)
          if type(value) ~= expected and not taken then
            lead[position] = value
            -- Too few arguments are another matter (B-2), so there are never fewer than two.
            lead[2] = lead[2] or "second"
            local text = ("#%d (%s expected, got %s)"):format(position, expected, type(value))
            assert.equal(text, support.bad_argument(f, support.unpack(lead, 1, math.max(position, 2))))
          end
        end
      end)
    end

    it("B-1 counts the arguments of a method from the first after its object", function()
      local start = process.time.now()
      support.raises("bad argument #1", function() start:sub(5) end)
    end)
  end)
end)

describe("a call that fails", function()
  before_each(support.reset)
  after_each(support.finish)

  it("B-3 P-23 V-10 starts, sends and monitors nothing", function()
    assert.is_true(process.define_host("spec.limits:host", {}))
    local entry = support.entry "return 1"
    for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" }) do
      fails("cannot send a userdata (argument 3)", "INVALID", process[name](entry, "spec.limits:host", io.stdout))
    end
    assert.equal(0, process.host_info("spec.limits:host").processes)
    fails("cannot send a userdata (argument 4)", "INVALID", process.send(process.pid(), "topic", 1, io.stdout))
    assert.is_nil((support.waiting(process.inbox())))
    assert.is_nil((support.waiting(process.events())))
  end)

  it("B-3 P-38 P-62 P-71 leaves listeners, options and names as they were", function()
    local other = support.spawn(support.parked)
    assert.is_true(process.registry.register("spec.limits", other))
    fails("name already registered: spec.limits", "ALREADY_EXISTS", process.registry.register("spec.limits"))
    assert.equal(other, process.registry.lookup("spec.limits"))
    local listener = process.listen("limits")
    fails("already listening to limits with message = false", "CONFLICT", process.listen("limits", { message = true }))
    assert.equal(listener, process.listen("limits"))
    local text = "unknown option: trap_link (did you mean trap_links?)"
    fails(text, "INVALID", process.set_options({ trap_links = true, trap_link = true }))
    assert.is_false(process.get_options().trap_links)
    process.unlisten(listener)
  end)

  it("B-4 E-1 returns nil and an error, set_options and unlisten false", function()
    local pid, no_entry = process.spawn("no.such:entry", support.host)
    local set, no_table = process.set_options()
    local closed, no_listener = process.unlisten(process.inbox())
    assert.is_nil(pid)
    assert.is_false(set)
    assert.is_false(closed)
    assert.is_true(errors.is(no_entry, errors.NOT_FOUND))
    assert.is_true(errors.is(no_table, errors.INVALID))
    assert.is_true(errors.is(no_listener, errors.NOT_FOUND))
  end)

  it("B-37 L-65 H-54 starts nothing once the main state is closing", function()
    local ran = support.run([[
      local process
      local function last()
        local pid, err = process.spawn("spec:entry", "app:processes")
        print(pid, err, err:kind() == process.errors.UNAVAILABLE, err:retryable())
      end
      if newproxy then
        keep = newproxy(true)
        getmetatable(keep).__gc = last
      else
        keep = setmetatable({}, { __gc = last })
      end
      process = require "process"
      assert(process.define("spec:entry", "return function() print('it runs') end"))
    ]], nil, nil, "bare")
    assert.equal("", ran.err)
    assert.equal(0, ran.code)
    assert.is_truthy(ran.out:match("^nil\tcannot start process: [^\t]+\ttrue\ttrue\n$"), ran.out)
  end)
end)
