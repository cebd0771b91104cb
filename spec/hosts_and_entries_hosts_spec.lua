-- Hosts: where processes run, and the limits they set.
local support = require "spec.support"
local process = require "process"
local errors = require "process.errors"

local fails = support.fails

local hosts = 0

-- Defines a new host with these options; returns its reference.
local function new_host(options)
  hosts = hosts + 1
  local host = "spec.hosts:h" .. hosts
  assert.is_true(process.define_host(host, options))
  return host
end

local parked = support.entry(support.parked)
local echoing = support.entry(support.echo)
local brief = support.entry "return 'done'"

local function live(host)
  return assert(process.host_info(host)).processes
end

describe("hosts", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-20 P-6 always has app:processes, and puts the host into the PID", function()
    local pid = assert(process.spawn_monitored(brief, "app:processes"))
    assert.is_truthy(pid:find("^{app:processes|"))
    assert.equal("done", support.event_of(pid).result)
  end)

  it("H-20 B-35 B-3 does not know a host that nobody defined", function()
    local text = "host not found: app:proceses"
    for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" }) do
      fails(text, "NOT_FOUND", process[name](brief, "app:proceses"))
    end
    fails(text, "NOT_FOUND", process.host_info("app:proceses"))
  end)

  it("H-20 B-31 B-3 refuses whatever is not namespace:name", function()
    for _, reference in ipairs({ "", "processes", ":x", "x:", "a:b:c", "a/b:c", "a..b:c" }) do
      local text = "not a host reference (namespace:name): " .. reference
      fails(text, "INVALID", process.spawn(brief, reference))
      fails(text, "INVALID", process.define_host(reference, {}))
      assert.is_nil((process.host_info(reference)))
    end
  end)

  it("H-21 H-24 runs processes that talk and watch on any host", function()
    local host = new_host({ max_processes = 5, mailbox_limit = 10 })
    local pid = assert(process.spawn_monitored(echoing, host))
    assert.is_truthy(pid:find("{" .. host .. "|", 1, true))
    assert.is_true(support.answers(pid))
    assert.is_true(process.terminate(pid))
    assert.equal("process terminated", tostring(support.event_of(pid).error))
  end)

  it("H-22 holds up no other process with a blocking C call", function()
    support.with_folder({ ["empty/file"] = "" }, function(folder)
      local pipe = folder .. "/pipe"
      os.execute(("mkfifo '%s'"):format(pipe))
      local blocked = support.spawn_monitored([[
        local parent, pipe = ...
        process.send(parent, "reading")
        return io.open(pipe):read("*l")
      ]], process.pid(), pipe)
      support.receive(process.listen("reading"))
      local other = support.spawn(support.echo)
      for _ = 1, 100 do
        assert.is_true(support.answers(other))
      end
      os.execute(("timeout 20 sh -c 'echo go on > %s'"):format(pipe))
      assert.equal("go on", support.event_of(blocked).result)
    end)
  end)

  it("H-24 H-29 has defaults without limits", function()
    local info = assert(process.host_info(new_host({})))
    assert.equal(0, info.max_processes)
    assert.equal(0, info.mailbox_limit)
    assert.equal((support.jit and 64 or 1) * 1024 * 1024, info.stack_size)
    assert.is_true(info.report)
    assert.equal(0, info.processes)
  end)

  it("H-29 tells the options and the number of live processes", function()
    local options = { max_processes = 3, mailbox_limit = 7, stack_size = 128 * 1024 * 1024, report = false }
    local host = new_host(options)
    local info = assert(process.host_info(host))
    for option, value in pairs(options) do
      assert.equal(value, info[option], option)
    end
    info.max_processes = 0
    assert.equal(3, process.host_info(host).max_processes)
    local pids = {}
    for i = 1, 3 do
      pids[i] = assert(process.spawn_monitored(parked, host))
      assert.equal(i, live(host))
    end
    for i, pid in ipairs(pids) do
      process.terminate(pid)
      support.event_of(pid)
      assert.equal(3 - i, live(host))
    end
  end)

  it("H-24 B-36 B-3 B-6 E-9 takes max_processes at a time, and the next when one has ended", function()
    local host = new_host({ max_processes = 2 })
    local first = assert(process.spawn_monitored(parked, host))
    local second = assert(process.spawn_monitored(parked, host))
    local full = ("host is full: %s (limit 2)"):format(host)
    assert.is_true(fails(full, "UNAVAILABLE", process.spawn(parked, host)):retryable())
    assert.equal(2, live(host))
    process.terminate(first)
    support.event_of(first)
    local third = assert(process.spawn_monitored(parked, host))
    fails(full, "UNAVAILABLE", process.spawn(parked, host))
    for _, pid in ipairs({ second, third }) do
      process.terminate(pid)
      support.event_of(pid)
    end
  end)

  it("H-26 H-24 limits the processes of that host only", function()
    local narrow, other = new_host({ max_processes = 1, mailbox_limit = 2 }), new_host({})
    local inside = assert(process.spawn_monitored(parked, narrow))
    local outside = assert(process.spawn_monitored(parked, other))
    assert.is_nil((process.spawn(parked, narrow)))
    assert.is_true(process.terminate(assert(process.spawn(parked, other))))
    for n = 1, 3 do
      local sent, err = process.send(inside, "job", n)
      assert.equal(n <= 2, sent == true)
      assert.equal(n > 2, errors.is(err, errors.RATE_LIMITED))
      assert.is_true(process.send(outside, "job", n))
    end
    process.terminate(inside)
    process.terminate(outside)
  end)

  it("H-24 L-16 reports a failure that nobody sees, unless the host says report = false", function()
    local script = [[
      local process = require "process"
      local time = process.time
      assert(process.define_host("spec:host", { report = %s }))
      assert(process.define("spec:failing", "return { main = function() error('no stock') end }"))
      assert(process.spawn("spec:failing", "spec:host"))
      while process.host_info("spec:host").processes > 0 do time.sleep("1ms") end
    ]]
    local loud, silent = support.run(script:format("true")), support.run(script:format("false"))
    assert.is_truthy(loud.err:find("spec:failing", 1, true))
    assert.is_truthy(loud.err:find("no stock", 1, true))
    assert.equal("", silent.err)
    assert.same({ 0, 0 }, { loud.code, silent.code })
  end)

  it("H-27 gives a process that exceeds its memory limit an error of its own, and nobody else", function()
    local host = new_host({ memory_limit = 4 * 1024 * 1024 })
    local hoard = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end"
    local neighbour = assert(process.spawn_monitored(support.entry("return process.inbox():receive():payload()"), host))
    for body, outcome in pairs({
      [hoard] = { error = "not enough memory" },
      ["return #('x'):rep(1e8)"] = { error = "not enough memory" },
      ["local _, err = pcall(function() " .. hoard .. " end) collectgarbage() return tostring(err)"] = {
        result = "not enough memory",
      },
    }) do
      local pid = assert(process.spawn_monitored(support.entry(body), host))
      local event = support.event_of(pid)
      assert.equal(outcome.error, event.error and tostring(event.error))
      assert.equal(outcome.result, event.result)
    end
    assert(process.send(neighbour, "end", "unharmed"))
    assert.equal("unharmed", support.event_of(neighbour).result)
  end)

  it("H-24 B-39 B-3 B-6 names a bad option and changes nothing", function()
    local host = new_host({ max_processes = 9 })
    local bad = {
      max_processes = { -1, "9", true },
      mailbox_limit = { -1, "9", true },
      stack_size = { -1, "9", true, 1024 },
      report = { 1, "true" },
      surprise = { 1 },
      workers = { -1, "2", true, 0.5, 1025 },
      memory_limit = { -1, "9", true },
      terminate_grace = { -1, "soon", true, 5 },
      exit_grace = { -1, "soon", true, 999 },
      jit = { 1, "false" },
      init = { 1, true },
      functions = { 1, "true" },
    }
    for option, values in pairs(bad) do
      for _, value in ipairs(values) do
        local options = { max_processes = 1 }
        options[option] = value
        local result, err = process.define_host(host, options)
        assert.is_nil(result)
        assert.equal("Invalid", err:kind())
        assert.is_false(err:retryable())
        assert.is_truthy(err:match("^" .. option .. ": ."), option .. " is not in " .. tostring(err))
      end
    end
    assert.is_nil((process.define_host(host, { "max_processes" })))
    assert.equal(9, process.host_info(host).max_processes)
  end)

  it("H-24 B-39 T-4 tells how a grace is written", function()
    local ok, err = process.define_host(new_host({}), { exit_grace = 5 })
    assert.is_nil(ok)
    assert.equal('exit_grace: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND', tostring(err))
  end)

  it("H-25 B-39 can be redefined until the first process was started there", function()
    local host = new_host({ max_processes = 1 })
    assert.is_true(process.define_host(host, { mailbox_limit = 4 }))
    local info = process.host_info(host)
    assert.same({ 0, 4 }, { info.max_processes, info.mailbox_limit })
    local pid = assert(process.spawn_monitored(brief, host))
    support.event_of(pid)
    fails("host already in use: " .. host, "INVALID", process.define_host(host, {}))
    assert.equal(4, process.host_info(host).mailbox_limit)
  end)

  it("H-25 B-39 B-36 lets a program redefine app:processes before it is used", function()
    support.output_of([[
      local process = require "process"
      assert(process.define("spec:parked", "return { main = function() channel.new():receive() end }"))
      assert(process.define_host("app:processes", { max_processes = 1 }))
      assert(process.spawn("spec:parked", "app:processes"))
      local pid, full = process.spawn("spec:parked", "app:processes")
      assert(pid == nil and tostring(full) == "host is full: app:processes (limit 1)")
      local ok, used = process.define_host("app:processes", {})
      assert(ok == nil and tostring(used) == "host already in use: app:processes")
    ]])
  end)

  it("H-24 B-37 B-3 B-6 E-9 starts nothing on a stack that no system grants", function()
    local host = new_host({ stack_size = 1024 * 1024 * 1024 * 1024 * 1024 })
    local pid, err = process.spawn(brief, host)
    assert.is_nil(pid)
    assert.equal("Unavailable", err:kind())
    assert.is_true(err:retryable())
    assert.is_truthy(err:match("^cannot start process: ."))
    assert.equal(0, live(host))
  end)

  it("H-24 gives the threads of a host the stack it names", function()
    support.output_of([[
      local process = require "process"
      assert(process.define_host("spec:deep", { stack_size = 2^30 }))
      assert(process.define("spec:largest_mapping", [=[
        return { main = function()
          local largest = 0
          for line in io.lines("/proc/self/maps") do
            local from, to = line:match("^(%x+)%-(%x+) ")
            largest = math.max(largest, tonumber(to, 16) - tonumber(from, 16))
          end
          return largest
        end }
      ]=]))
      local function largest_mapping(host)
        assert(process.spawn_monitored("spec:largest_mapping", host))
        return process.events():receive().result
      end
      assert(largest_mapping("app:processes") < 2^29)
      assert(largest_mapping("spec:deep") >= 2^29)
    ]])
  end)

  it("H-29 B-1 raises for what is no reference", function()
    support.raises("bad argument #1", process.host_info, 5)
    support.raises("bad argument #1", process.define_host, 5, {})
    support.raises("bad argument #2", process.define_host, "spec:host", "options")
  end)
end)
