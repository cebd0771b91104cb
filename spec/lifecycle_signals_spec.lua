-- Signals: Ctrl-C ends a wait of the main script; the library itself uses one signal. Shown by scripts of their own.
local support = require "spec.support"
local native = require "spec.support.native"

local SIGURG, SIGUSR2 = 23, 12

-- A script's beginning: flood(topic) starts a process that pours messages into the main one.
local prelude = [[
  local process = require "process"
  process.define("spec:flood", [=[
    return function(to, topic)
      while true do
        for _ = 1, 50 do process.send(to, topic, 1) end
        time.sleep("100us")
      end
    end
  ]=])
  process.define("spec:busy", "return function() local n = 0 while true do n = n + 1 end end")

  local function flood(topic)
    assert(process.spawn("spec:flood", "app:processes", process.pid(), topic))
  end

  -- Interrupts this program from outside after some time.
  local self = io.open("/proc/self/stat"):read("*n")
  local function interrupt_in(seconds)
    os.execute(("(sleep %s; kill -INT %d) >/dev/null 2>&1 &"):format(seconds, self))
  end

  -- What is raised out of a call, without position.
  local function raised(call, ...)
    local ok, err = pcall(call, ...)
    return not ok and tostring(err):match("[^ ]*$") or "nothing was raised"
  end
]]

-- signals(field, thread): a set of signals of the program or of one of its threads: a table of the numbers in it.
local signal_sets = [[
  local function signals(field, thread)
  local mask
  for line in io.lines(thread and "/proc/self/task/" .. thread .. "/status" or "/proc/self/status") do
    mask = line:match("^" .. field .. ":%s*(%x+)") or mask
  end
  local set = {}
  for position = 1, #mask do
    local digit = tonumber(mask:sub(-position, -position), 16)
    for bit = 0, 3 do
      if math.floor(digit / 2 ^ bit) % 2 == 1 then
        set[4 * (position - 1) + bit + 1] = true
      end
    end
  end
  return set
end
]]

describe("Ctrl-C", function()
  local waits = {
    ["a sleep"] = "print(raised(process.time.sleep, '20s'))",
    ["a receive while messages pour in"] = [[
      flood("x")
      print(raised(function() process.listen("y"):receive() end))
    ]],
    ["a receive while a managed coroutine takes messages"] = [[
      flood("x")
      coroutine.spawn(function() while true do process.inbox():receive() end end)
      print(raised(function() process.listen("y"):receive() end))
    ]],
    ["a wait in a plain coroutine"] = [[
      flood("x")
      print(raised(coroutine.wrap(function() process.listen("y"):receive() end)))
    ]],
    ["a select"] = [[
      flood("x")
      local never = channel.new()
      print(raised(channel.select, { never:case_receive(), process.events():case_receive() }))
    ]],
    ["a wait inside a callback"] = [[
      print(raised(string.gsub, "abc", ".", function() process.time.sleep("20s") end))
    ]],
  }

  for name, wait in pairs(waits) do
    it("L-68 raises at once out of " .. name, function()
      for _ = 1, 5 do
        local ran = support.run(prelude .. "interrupt_in(0.05)" .. wait)
        assert.are.equal("interrupted!\n", ran.out, ran.err)
        assert.are.equal(0, ran.code)
        assert.is_true(ran.seconds < 5, ran.seconds)
      end
    end)
  end

  it("L-68 uncaught ends the script with code 1", function()
    local ran = support.run(prelude .. "flood('x') interrupt_in(0.05) process.listen('y'):receive()")
    assert.is_truthy(ran.err:find("interrupted!", 1, true))
    assert.are.equal(1, ran.code)
  end)

  it("L-68 does not take a hook of the user's for it", function()
    local out = support.output_of(prelude .. [[
      local calls = 0
      local function hook() calls = calls + 1 end
      debug.sethook(hook, "", 1000000)
      local co = coroutine.create(function()
        for _ = 1, 10 do process.time.sleep("2ms") end
        return "slept"
      end)
      -- Stopping and going on interrupts the wait without a handler.
      os.execute(("(sleep 0.005; kill -STOP %d; kill -CONT %d) >/dev/null 2>&1 &"):format(self, self))
      print(coroutine.resume(co))
      print(debug.gethook() == hook, calls)
    ]])
    assert.are.equal("true\tslept\ntrue\t0\n", out)
  end)
end)

-- A script that prints which signals are caught since the module was loaded and a process spawned, and blocked in the
-- main thread; then it ends the process, which computes.
local inspection = signal_sets .. [[
  local caught, blocked = signals("SigCgt"), signals("SigBlk")
  local process = require "process"
  process.define("spec:busy", "return function() local n = 0 while true do n = n + 1 end end")
  local pid = assert(process.spawn_monitored("spec:busy", "app:processes"))

  for signal in pairs(signals("SigCgt")) do
    -- 32 and 33 are the C library's own, for threads.
    if not caught[signal] and signal ~= 32 and signal ~= 33 then print("caught", signal) end
  end
  for signal in pairs(signals("SigBlk")) do
    if not blocked[signal] then print("blocked", signal) end
  end
  print(process.terminate(pid))
  print(process.events():receive().error)
]]

describe("the library's signal", function()
  it("L-68 is SIGURG; no other disposition is changed, and no mask of the main thread", function()
    assert.are.equal("caught\t" .. SIGURG .. "\ntrue\nprocess terminated\n", support.output_of(inspection))
  end)

  it("L-68 is another one if the environment says so", function()
    local out = support.output_of(inspection, 30, "PROCESS_SIGNAL=" .. SIGUSR2)
    assert.are.equal("caught\t" .. SIGUSR2 .. "\ntrue\nprocess terminated\n", out)
  end)

  it("L-68 calls an earlier handler for signals it did not send", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local out = support.output_of(native.source(folder) .. "local SIGURG = " .. SIGURG .. [[
        native.catch(SIGURG)
        local process = require "process"
        process.define("spec:busy", "return function() local n = 0 while true do n = n + 1 end end")
        local pid = assert(process.spawn_monitored("spec:busy", "app:processes"))
        print(native.raise(SIGURG))
        print(process.terminate(pid))
        print(process.events():receive().error)
        print(native.raise(SIGURG))
      ]])
      assert.are.equal("1\ntrue\nprocess terminated\n2\n", (out:gsub("%.0", "")))
    end)
  end)
end)
