-- PROCESS_DUMP: an OS signal has everything that runs written to standard error.
local support = require "spec.support"

-- A program with one process that computes and one that waits. Its main process does `what` and is signalled meanwhile.
local function program(what)
  return [[
    local process, time = require "process", require "process.time"
    local waiting = process.spawn(function()
      process.listen("orders"):receive()
    end, "app:processes")
    local spinning = process.spawn(function()
      -- What LuaJIT has compiled does not stop.
      if jit then jit.off() end
      local i = 0
      while i < math.huge do i = i + 1 tostring(i) end
    end, "app:processes")
    while process.info(waiting).state ~= "waiting" or process.info(spinning).state ~= "running" do
      time.sleep("1ms")
    end
    local pid = io.open("/proc/self/stat"):read("*n")
    os.execute("( sleep 0.3; kill -QUIT " .. pid .. " ) &")
  ]] .. what .. [[
    io.stderr:write("went on\n")
    process.terminate(waiting)
    process.terminate(spinning)
    process.wait()
  ]]
end

local function dump_of(what)
  local ran = support.run(program(what), 30, "PROCESS_DUMP=QUIT", true)
  assert.equal(0, ran.code, ran.err)
  return ran.err
end

describe("the dump", function()
  it("I-3 shows all processes, what they wait in and where, and the program goes on", function()
    local text = dump_of('time.sleep("1500ms")\n')
    assert.is_truthy(text:find("process dump: 3 processes\n", 1, true), text)
    assert.is_truthy(text:find("{main|1} main:main: waiting in sleep, mailbox 0", 1, true), text)
    assert.is_truthy(text:find("waiting in receive (orders), mailbox 0", 1, true), text)
    assert.is_truthy(text:find(": running, mailbox 0", 1, true), text)
    local _, stacks = text:gsub("\nmain\nstack traceback:\n", "")
    assert.equal(3, stacks, text)
    assert.is_truthy(text:find("went on", 1, true), text)
  end)

  it("I-3, L-63 comes while the main process computes, or is in a C function", function()
    local computing = [[
      local start = os.time()
      while os.time() < start + 3 do end
    ]]
    -- `system` of C ignores QUIT while it waits; `read` does not.
    for _, what in ipairs({ computing, 'io.popen("sleep 2"):read("*a")\n' }) do
      local text = dump_of(what)
      local main = text:find("{main|1} main:main: running", 1, true)
      local refusal = text:find("does not stop for a traceback", 1, true)
      local went_on = text:find("went on", 1, true)
      assert.is_truthy(main and refusal and went_on and main < refusal and refusal < went_on, text)
    end
  end)

  it("I-3 refuses what is no signal", function()
    for _, value in ipairs({ "NONE", "9", "0", "-3", "2x" }) do
      local text = support.run('require "process"', 30, "PROCESS_DUMP=" .. value, true).err
      local wanted = "PROCESS_DUMP: not a signal that can be used: " .. value .. " (QUIT or 3, for instance)"
      assert.is_truthy(text:find(wanted, 1, true), text)
    end
  end)
end)
