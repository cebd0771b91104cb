-- What can be seen of processes from outside: list, info, stats.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"
local host = support.host
local code = support.code

local RESTRICTED = "spec:inspection_restricted"
assert(process.define_host(RESTRICTED, {
  libs = { "base", "table", "package" },
  max_processes = 10,
  mailbox_limit = 100,
  memory_limit = 4 * 1024 * 1024,
  workers = support.workers,
}))
local LIMITED = "spec:inspection_limited"
assert(process.define_host(LIMITED, { memory_limit = 8 * 1024 * 1024, workers = support.workers }))

local function has(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then
      return true
    end
  end
  return false
end

-- What info says of a process as soon as that is so.
local function info_when(pid, is_so)
  for _ = 1, 2000 do
    local info = assert(process.info(pid))
    if is_so(info) then
      return info
    end
    time.sleep("1ms")
  end
  error("it never was so")
end

local function waits(info)
  return info.state == "waiting"
end

-- A process that waits in `receive` of the topic.
local function listener(topic)
  return process.spawn(code(function(name)
    require("process").listen(name):receive()
  end), host, topic)
end

describe("seeing what runs", function()
  before_each(support.reset)
  after_each(support.finish)

  it("I-1 list has the live processes, the main ones included, and those of a host", function()
    local pid = assert(listener("go"))
    assert.is_true(has(process.list(), pid) and has(process.list(), process.pid()))
    assert.is_true(has(process.list(host), pid))
    assert.is_false(has(process.list(host), process.pid()))
    assert.same({ process.pid() }, process.list("main"))
    assert.same({}, process.list(LIMITED))
    process.terminate(pid)
    assert.is_true(process.wait("5s"))
    assert.is_false(has(process.list(), pid))
  end)

  it("I-1, B-31, B-35 list refuses hosts that are none", function()
    support.fails("host not found: spec:nowhere", "NOT_FOUND", process.list("spec:nowhere"))
    support.fails("not a host reference (namespace:name): nowhere", "INVALID", process.list("nowhere"))
  end)

  it("I-2, B-10, B-11 info of nobody is an error", function()
    support.fails("destination not found: spec.nobody", "NOT_FOUND", process.info("spec.nobody"))
    support.fails("process not found: {x:y|zz}", "NOT_FOUND", process.info("{x:y|zz}"))
    local pid = assert(process.spawn(code(function() end), host))
    assert.is_true(process.wait("5s"))
    support.fails("process not found: " .. pid, "NOT_FOUND", process.info(pid))
  end)

  it("I-2 info tells who it is, and by which names", function()
    local pid = assert(listener("go"))
    assert(process.registry.register("spec.b", pid))
    assert(process.registry.register("spec.a", pid))
    local info = assert(process.info("spec.a"))
    assert.equal(pid, info.pid)
    assert.equal(host, info.host)
    assert.equal(process.pid(), info.parent)
    assert.same({ "spec.a", "spec.b" }, info.names)
    assert.is_truthy(info.entry:find("inspection_info_spec", 1, true))
    local main = assert(process.info(process.pid()))
    assert.is_nil(main.parent)
    assert.same({ "main", "running" }, { main.host, main.state })
    process.terminate(pid)
  end)

  it("I-2 the parent is told when it is gone", function()
    local parent = process.spawn(code(function(main, where)
      local pid = process.spawn(function()
        require("process").listen("never"):receive()
      end, where)
      process.send(main, "child", pid)
    end), host, process.pid(), host)
    local child = support.receive(process.listen("child"))
    for _ = 1, 2000 do
      if not process.info(parent) then
        break
      end
      time.sleep("1ms")
    end
    assert.equal(parent, process.info(child).parent)
    process.terminate(child)
  end)

  it("I-2 a process that waits says in what, and on what", function()
    local cases = {
      receive = {
        on = "topic",
        run = function()
          require("process").listen("topic"):receive()
        end,
      },
      inbox = {
        call = "receive",
        on = "inbox",
        run = function()
          require("process").inbox():receive()
        end,
      },
      events = {
        call = "receive",
        on = "events",
        run = function()
          require("process").events():receive()
        end,
      },
      send = {
        on = "channel",
        run = function()
          require("process.channel").new():send(1)
        end,
      },
      select = {
        run = function()
          local channel = require "process.channel"
          channel.select({ process.inbox():case_receive(), process.events():case_receive() })
        end,
      },
      sleep = {
        run = function()
          require("process.time").sleep("1h")
        end,
      },
      wait = {
        run = function(where)
          process.spawn_linked(function()
            require("process").inbox():receive()
          end, where)
          process.wait()
        end,
      },
      frame = {
        call = "receive",
        on = "inbox",
        run = function()
          table.sort({ 1, 2, 3 }, function(a, b)
            require("process").inbox():receive()
            return a < b
          end)
        end,
      },
    }
    for name, case in pairs(cases) do
      local pid = assert(process.spawn(code(case.run), host, host))
      local info = info_when(pid, waits)
      assert.same({ name, case.call or name, case.on }, { name, info.waits_for, info.waiting_on })
      process.terminate(pid)
    end
  end)

  it("I-2 exec waits on its child, and monitors nothing", function()
    local pid = assert(process.spawn(code(function(where)
      require("process").exec(function()
        require("process").inbox():receive()
      end, where)
    end), host, host))
    local info = info_when(pid, function(info)
      return info.waits_for == "exec" and info.waiting_on
    end)
    assert.same({}, info.monitors)
    local child = assert(process.info(info.waiting_on))
    assert.same({ pid, {} }, { child.parent, child.monitored_by })
    process.terminate(child.pid)
    process.terminate(pid)
  end)

  it("I-2 a process that computes answers, and is running", function()
    local pid = assert(process.spawn(code(function()
      while true do
      end
    end), host))
    for _ = 1, 3 do
      assert(process.send(pid, "more", 1))
    end
    local info = info_when(pid, function(info)
      return info.state == "running" and info.processor_time > time.parse_duration("50ms")
    end)
    assert.is_nil(info.waits_for)
    assert.equal(3, info.mailbox)
    assert.is_true(info.age >= info.processor_time)
    process.terminate(pid)
  end)

  it("I-2 mail counts until it is taken, however much there is", function()
    local pid = assert(process.spawn(code(function()
      local go = process.listen("go")
      for _ = 1, 3 do
        go:receive()
      end
      process.listen("never"):receive()
    end), host))
    for _ = 1, 1000 do
      process.send(pid, "other", 1)
    end
    assert.equal(1000, info_when(pid, function(info)
      return waits(info) and info.mailbox == 1000
    end).mailbox)
    for _ = 1, 3 do
      process.send(pid, "go")
    end
    assert.equal(1000, info_when(pid, function(info)
      return info.waiting_on == "never"
    end).mailbox)
    process.terminate(pid)
  end)

  it("I-2 memory grows with what a computing process keeps, and the limit is told", function()
    local pid = assert(process.spawn(code(function()
      local kept = {}
      for i = 1, 20000 do
        kept[i] = { i }
      end
      while kept do
      end
    end), LIMITED))
    local info = info_when(pid, function(info)
      return info.memory > 500000
    end)
    assert.equal(8 * 1024 * 1024, info.memory_limit)
    assert.equal("running", info.state)
    process.terminate(pid)
    assert.equal(0, process.info(process.pid()).memory_limit)
    assert.is_true(process.info(process.pid()).memory > 0)
  end)

  it("I-2 resumed counts, coroutines and timers are as they are", function()
    local pid = assert(process.spawn(code(function()
      for _ = 1, 2 do
        coroutine.spawn(function()
          time.sleep("1h")
        end)
      end
      local timer = time.timer("1h")
      local stopped = time.timer("1h")
      stopped:stop()
      local go = process.listen("go")
      while timer do
        go:receive("1h")
      end
    end), host))
    local before = info_when(pid, waits)
    assert.same({ 2, 4 }, { before.coroutines, before.timers })
    process.send(pid, "go")
    local after = info_when(pid, function(info)
      return info.resumed > before.resumed and waits(info)
    end)
    assert.same({ before.resumed + 1, 4 }, { after.resumed, after.timers })
    process.terminate(pid)
  end)

  it("I-2 monitors, links and trap_links are told on both sides", function()
    local other = assert(listener("go"))
    local pid = assert(process.spawn(code(function(target)
      process.monitor(target)
      process.link(target)
      process.set_options({ trap_links = true })
      process.inbox():receive()
    end), host, other))
    local info = info_when(pid, waits)
    assert.same({ { other }, { other }, true }, { info.monitors, info.links, info.trap_links })
    local theirs = assert(process.info(other))
    assert.same({ { pid }, { pid }, false }, { theirs.monitored_by, theirs.links, theirs.trap_links })
    process.terminate(pid)
    process.terminate(other)
  end)

  it("I-4 stats count spawns, ends, failures, messages and names", function()
    assert.is_true(process.wait("20s"))
    local before = process.stats()
    local quiet = "spec:inspection_quiet"
    process.define_host(quiet, { report = false, workers = support.workers })
    local failed = assert(process.spawn_monitored(code(function()
      error("broken")
    end), quiet))
    assert.equal(failed, support.receive(process.events()).from)
    assert(process.exec(code(function()
      return 1
    end), quiet))
    assert(process.registry.register("spec.stats"))
    for _ = 1, 10 do
      process.send(process.pid(), "note", ("x"):rep(100))
    end
    local after = process.stats()
    assert.equal(2, after.spawned - before.spawned)
    assert.equal(2, after.ended - before.ended)
    assert.equal(1, after.failed - before.failed)
    assert.equal(10, after.messages - before.messages)
    assert.is_true(after.bytes - before.bytes >= 1000)
    assert.equal(1, after.names - before.names)
    assert.equal(#process.list(), after.processes)
    assert.is_true(after.memory > 0)
    local of = after.hosts[quiet]
    assert.same({ 2, 2, 1, 0 }, { of.spawned, of.ended, of.failed, of.processes })
    if support.workers > 0 then
      assert.equal(support.workers, of.workers)
      assert.is_true(of.busy >= 0 and of.queue >= 0)
    else
      assert.is_nil(of.workers)
    end
    process.registry.unregister("spec.stats")
  end)

  it("I-7, B-100 restricted processes see nobody but themselves", function()
    local result = assert(process.exec(code(function(main)
      local texts = {}
      for _, name in ipairs({ "list", "stats", "info", "traceback" }) do
        local _, err = process[name](main)
        texts[#texts + 1] = tostring(err) .. " " .. err:kind()
      end
      texts[#texts + 1] = tostring(process.info(process.pid()).pid == process.pid())
      return table.concat(texts, "\n")
    end), RESTRICTED, process.pid()))
    local expected = {}
    for _, name in ipairs({ "list", "stats", "info", "traceback" }) do
      expected[#expected + 1] = "not allowed on host " .. RESTRICTED .. ": " .. name .. " PermissionDenied"
    end
    expected[#expected + 1] = "true"
    assert.equal(table.concat(expected, "\n"), result)
  end)
end)

