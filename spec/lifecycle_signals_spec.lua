-- Signals: Ctrl-C ends a wait of the main script; the library itself uses one signal. Scripts of their own show it.
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

  -- The error raised out of a call, without position.
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
      -- A stop and a continue interrupt the wait without a handler.
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

  it("L-68 is one that can be used, or the module does not load", function()
    local script = "print(pcall(require, (...) or 'process.core'))"
    local function outcome(value)
      return support.output_of(script, 30, "PROCESS_SIGNAL='" .. value .. "'", true)
    end
    -- None; not to be caught; faults of a thread; answers to its own calls; none; the C library's own.
    for _, value in ipairs({ "0", "-1", "9", "19", "4", "6", "8", "11", "13", "100", "32", "4294967319", "USR2",
      "SIGUSR2", "12x", " ", "\255" }) do
      local shown = value:gsub("\255", "\\255")
      local text = "PROCESS_SIGNAL: not the number of a signal that can be used: " .. shown .. " "
      local out = outcome(value)
      assert.are.equal("false", out:match("^%a+"), value)
      assert.is_truthy(out:find(text, 1, true), out)
    end
    for _, value in ipairs({ "", "12", "10", "40" }) do
      assert.are.equal("true", outcome(value):match("^%a+"), value)
    end
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

-- The lines before a script of `support.run` that make a shell do something first.
local function after(command)
  return ("sh -c '%s; exec \"$@\"' -"):format(command)
end

-- A script in which a child writes to a program that has ended, and prints the outcome.
local into_nothing = [[
  local process = require "process"
  local child = [=[
    local program = io.popen("exec true", "w")
    local ok, text, number
    repeat
      ok, text, number = program:write(("x"):rep(100000))
    until not ok
    return text .. " " .. number
  ]=]
  local function outcome()
    assert(process.define("spec:writer", "return { main = function() " .. child .. " end }"))
    assert(process.spawn_monitored("spec:writer", "app:processes"))
    return process.events():receive().result
  end
]]

describe("what the system answers to a call of a child's", function()
  it("L-68 ends the program when nobody reads what a child prints", function()
    for _, call in ipairs({ "print('line')", "io.write('line\\n')" }) do
      local out = support.output_of(([[
        local name = os.tmpname()
        local file = io.open(name, "w")
        file:write(%q)
        file:close()
        os.execute(("{ timeout -s KILL 20 %%s %%s; echo $? >%%s.code; } | head -n 1"):format(%q, name, name))
        for line in io.lines(name .. ".code") do print(line) end
        os.remove(name .. ".code")
        os.remove(name)
      ]]):format(support.prelude .. [[
        local process = require "process"
        assert(process.define("spec:printer", [=[
          return { main = function() while true do ]] .. call .. [[ end end }
        ]=]))
        assert(process.spawn_monitored("spec:printer", "app:processes"))
        process.events():receive()
      ]], support.lua))
      assert.are.equal("line\n141\n", out)
    end
  end)

  it("L-68 ends the program as it would end a plain one", function()
    local ran = support.run(into_nothing .. "print(outcome())")
    assert.are.equal(141, ran.code)
    assert.are.equal("", ran.out)
  end)

  it("L-68 is an error of the call if the program ignores the signal", function()
    local out = support.output_of(into_nothing .. "print(outcome())", 30, after('trap "" PIPE'))
    assert.are.equal("Broken pipe 32\n", out)
  end)

  it("L-68 runs no handler of the program on a thread of a child's", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local out = support.output_of(native.source(folder) .. "native.catch(13)" .. into_nothing .. [[
        print(outcome())
        print(native.raise(13))
      ]])
      assert.are.equal("Broken pipe 32\n1\n", (out:gsub("%.0", "")))
    end)
  end)

  it("L-68 ends the program when a child's file becomes too large", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local ran = support.run(([[
        local process = require "process"
        assert(process.define("spec:writer", [=[return { main = function()
          local file = assert(io.open("%s/file", "w"))
          for _ = 1, 100 do file:write(("x"):rep(10000)) end
          return "written"
        end }]=]))
        process.spawn_monitored("spec:writer", "app:processes")
        print(process.events():receive().result)
      ]]):format(folder), 30, after("ulimit -c 0; ulimit -f 100"))
      assert.are.equal(128 + 25, ran.code)
      assert.are.equal("", ran.out)
    end)
  end)
end)
