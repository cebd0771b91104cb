-- Runs every Lua block of the seed page: complete programs as they are, fragments inside the surroundings they assume.
local support = require "spec.support"

local page = "../shared/seed/processes-and-messaging.ko.txt"

-- The text before every script. The block under test is the entry "page:block".
local preamble = [[
package.path = "./spec/entries/?.lua;" .. package.path
local process = require "process"
local channel, time = process.channel, process.time
local unpack = table.unpack or unpack

local function take(ch)
  local late = time.after("20s")
  local got = channel.select { ch:case_receive(), late:case_receive() }
  assert(got.channel == ch, "nothing received within 20 s")
  return got.value
end

local function exit_of(pid)
  local event
  repeat event = take(process.events()) until event.from == pid and event.kind == process.event.EXIT
  return event
end

local function start(...) return assert(process.spawn_monitored("page:block", "app:processes", ...)) end
local function run(...) return exit_of(start(...)) end
]]

-- One entry for each block, in the order of the page:
--   line        a line that only this block has, without its indentation
--   name        the claim that the test proves
--   parameters  a fragment: it becomes the body of a `main` with these parameters ...
--   before      ... and this code before it
--   after       ... and this after it (for a program: the code it lacks)
--   script      runs the block and asserts its effects
--   out         the output of the block (default: nothing); `unordered`: in any order of lines
local surroundings = {
  {
    line = [[local pid, err = process.spawn("app.test.process:echo_worker", "app:processes", "hello")]],
    name = "P-10 P-5 H-1 H-2 H-20 starts a worker with an argument",
    parameters = "",
    after = "return pid",
    script = [[
      local worker = run().result
      assert(process.send(worker, "question", 42))
      local msg = take(process.inbox())
      local word, topic, payload = unpack(msg:payload())
      assert(msg:from() == worker and word == "hello" and topic == "question" and payload == 42)
    ]],
    out = "Started worker:\tPID\n",
  },
  {
    line = [[local my_pid = process.pid()]],
    name = "P-5 tells a process its own PID",
    parameters = "",
    after = "return my_pid",
    script = [[
      local event = run()
      assert(type(event.result) == "string" and event.result == event.from)
    ]],
  },
  {
    line = [[local sent, err = process.send(worker_pid, "messages", "hello from parent")]],
    name = "P-20 B-11 sends to a PID, and says why it cannot",
    parameters = "worker_pid",
    after = "return { sent = sent, err = err }",
    script = [[
      local result = run(process.pid()).result
      assert(result.sent == true and result.err == nil)
      assert(take(process.listen("messages")) == "hello from parent")
      local failed = run("{app:processes|gone}")
      assert(tostring(failed.error) == "send failed: process not found: {app:processes|gone}")
    ]],
  },
  {
    line = [[local ch = process.listen("messages")]],
    name = "P-30 P-32 P-37 receives by topic what was sent before it listened",
    script = [[
      local pid = start()
      assert(process.send(pid, "messages", "hello from parent"))
      assert(exit_of(pid).result == true)
    ]],
    out = "Received:\thello from parent\n",
  },
  {
    line = [[print("Inbox got:", msg.topic, msg.payload)]],
    name = "P-31 P-35 P-40 P-44 C-20 C-24 receives in the inbox what no listener takes",
    before = [[
      local stock = print
      local function print(...)
        stock(...)
        process.send("observer", "printed")
      end
    ]],
    after = "return { main = main }",
    script = [[
      assert(process.registry.register("observer"))
      local pid = start()
      assert(process.send(pid, "specific_topic", "not for the inbox"))
      assert(process.send(pid, "job", 42))
      assert(process.send(pid, "specific_topic", "nor this"))
      assert(process.send(pid, "greeting", "good morning"))
      local printed = process.listen("printed")
      take(printed)
      take(printed)
      assert(process.terminate(pid))
      assert(tostring(exit_of(pid).error) == "process terminated")
    ]],
    out = "Inbox got:\tjob\t42\nInbox got:\tgreeting\tgood morning\n",
  },
  {
    line = [[local ch = process.listen("echo", { message = true })]],
    name = "P-37 P-42 answers the sender of a message",
    script = [[
      local pid = start()
      assert(process.send(pid, "echo", { 1, { "two" } }))
      local msg = take(process.inbox())
      assert(msg:from() == pid and msg:topic() == "reply" and msg:payload()[2][1] == "two")
      assert(exit_of(pid).result == true)
    ]],
  },
  {
    line = [[print("Exit error:", event.error)]],
    name = "P-14 P-41 L-20 L-31 L-32 C-20 T-20 sees a monitored worker end, well and badly",
    parameters = "",
    after = "return { from_worker = event.from == worker_pid, result = event.result, failed = event.error ~= nil }",
    script = [[
      local well = run().result
      assert(well.from_worker and well.result == "done" and not well.failed)
      assert(process.define("app.test.process:events_exit_worker",
        "return { main = function() error('no luck', 0) end }"))
      local badly = run().result
      assert(badly.from_worker and badly.result == nil and badly.failed)
    ]],
    out = "Worker exited:\tPID\nWorker exited:\tPID\nExit error:\tno luck\n",
  },
  {
    line = [[local ok, monitor_err = process.monitor(worker_pid)]],
    name = "P-58 L-20 L-31 P-41 monitors a running worker",
    parameters = "",
    after = [[
      process.send(worker_pid, "stop")
      local event = events_ch:receive()
      return { ok = ok, from_worker = event.from == worker_pid, result = event.result }
    ]],
    script = [[
      local result = run().result
      assert(result.ok == true and result.from_worker and result.result == "stopped")
    ]],
  },
  {
    line = [[local ok, err = process.unmonitor(worker_pid)]],
    name = "P-58 L-24 sees no EXIT of a worker after unmonitor",
    parameters = "worker_pid, observer",
    before = "assert(process.monitor(worker_pid))",
    after = [[
      process.send(observer, "unmonitored")
      process.listen("over"):receive()
      local other = assert(process.spawn_monitored("app.test.process:events_exit_worker", "app:processes"))
      return { ok = ok, failed = err ~= nil, first_is_other = process.events():receive().from == other }
    ]],
    script = [[
      local worker = assert(process.spawn_monitored("app.test.process:long_worker", "app:processes"))
      local pid = start(worker, process.pid())
      take(process.listen("unmonitored"))
      assert(process.send(worker, "stop"))
      exit_of(worker)
      assert(process.send(pid, "over"))
      local result = exit_of(pid).result
      assert(result.ok == true and not result.failed and result.first_is_other)
    ]],
  },
  {
    line = [[local pid, err = process.spawn_linked("app.test.process:child_worker", "app:processes")]],
    name = "L-42 L-48 P-14 B-65 a parent that fails takes its linked child with it",
    parameters = "observer",
    after = [[
      process.send(observer, "child", pid)
      process.listen("fail"):receive()
      error("the parent fails", 0)
    ]],
    script = [[
      local parent = start(process.pid())
      local child = take(process.listen("child"))
      assert(process.monitor(child))
      assert(process.send(parent, "fail"))
      assert(tostring(exit_of(child).error) == "linked process failed: " .. parent .. ": the parent fails")
    ]],
  },
  {
    line = [[local ok, err = process.link(target_pid)]],
    name = "P-58 L-45 L-47 links and unlinks a running process",
    parameters = "target_pid",
    after = [[
      assert(process.monitor(target_pid))
      assert(process.terminate(target_pid))
      process.events():receive()
      return { ok = ok, failed = err ~= nil }
    ]],
    script = [[
      local target = assert(process.spawn("app.test.process:long_worker", "app:processes"))
      local result = run(target).result
      assert(result.ok == true and not result.failed)
      assert(tostring(run(target).error) == "link failed: process not found: " .. target)
    ]],
  },
  {
    line = [[local ok, err = process.set_options({ trap_links = true })]],
    name = "L-42 P-60 P-61 P-63 gets LINK_DOWN as an event",
    script = [[assert(run().result == true)]],
    out = "Linked process died:\tPID\n",
  },
  {
    line = [[local ok, err = process.registry.register(test_name)]],
    name = "P-71 P-74 P-76 registers a name, which is free again after the end",
    script = [[
      local before = os.time()
      assert(run().result == true)
      for second = before, os.time() do
        assert(process.registry.lookup("my_service_" .. second) == nil)
      end
    ]],
  },
  {
    line = [[local unregistered = process.registry.unregister(test_name)]],
    name = "P-74 P-75 gives a name back",
    parameters = "test_name, taken",
    before = "if taken then assert(process.registry.register(test_name)) end",
    after = "return { unregistered = unregistered, pid = pid, err = err }",
    script = [[
      local result = run("clerk", true).result
      assert(result.unregistered == true and result.pid == nil)
      assert(result.err:kind() == process.errors.NOT_FOUND)
      assert(run("nobody", false).result.unregistered == false)
    ]],
    out = "Name was not registered\n",
  },
  {
    line = [[local worker_count = 5]],
    name = "P-14 L-20 L-31 L-32 T-22 V-2 H-43 follows a pool of monitored workers, failures included",
    script = [[
      assert(run().result == true)
      assert(process.define("app.test.process:task_worker", [=[
        return { main = function(task) if task.task_id == 3 then error("no luck", 0) end return "again" end }
      ]=]))
      assert(run().result == true)
    ]],
    out = "Worker 1 completed:\t20\nWorker 1 completed:\tagain\nWorker 2 completed:\t40\nWorker 2 completed:\tagain\n"
      .. "Worker 3 completed:\t60\nWorker 3 failed:\tno luck\nWorker 4 completed:\t80\nWorker 4 completed:\tagain\n"
      .. "Worker 5 completed:\t100\nWorker 5 completed:\tagain\n",
    unordered = true,
  },
  {
    line = [[local result = task.value * 2]],
    name = "P-10 T-10 V-2 H-43 works on a task",
    script = [[assert(run({ task_id = 1, value = 21 }).result == 42)]],
  },
}

local function lua_blocks(text)
  local blocks = {}
  for block in text:gsub("\r\n", "\n"):gmatch("\n```lua\n(.-\n)```") do
    blocks[#blocks + 1] = block
  end
  return blocks
end

local function has_line(block, wanted)
  for line in block:gmatch("[^\n]+") do
    if line:match("^%s*(.-)%s*$") == wanted then
      return true
    end
  end
  return false
end

local function entry_source(block, around)
  local code = table.concat({ around.before or "", block, around.after or "" }, "\n")
  if around.parameters then
    code = ("return { main = function(%s)\n%s\nend }"):format(around.parameters, code)
  end
  return code
end

local function script_source(block, around)
  local definition = ("assert(process.define('page:block', %q))\n"):format(entry_source(block, around))
  return preamble .. definition .. around.script
end

local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch("[^\n]*\n") do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return table.concat(lines)
end

local function printed(block, around)
  local out = support.output_of(script_source(block, around)):gsub("{app:processes|[^}]*}", "PID")
  return around.unordered and sorted_lines(out) or out
end

describe("the seed page", function()
  local file = io.open(page, "rb")
  if not file then
    pending("is not beside the project: " .. page)
    return
  end
  local blocks = lua_blocks(file:read("*a"))
  file:close()

  for i = 1, math.max(#blocks, #surroundings) do
    local block, around = blocks[i], surroundings[i]
    it(around and around.name or "block " .. i, function()
      assert(around, "no surroundings for this block:\n" .. tostring(block))
      assert(block and has_line(block, around.line), "block " .. i .. " of the page has no line: " .. around.line)
      assert.equal(around.out or "", printed(block, around))
    end)
  end
end)
