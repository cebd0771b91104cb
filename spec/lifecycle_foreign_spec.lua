-- A jump never leaves coroutines that a C module has resumed: its records of them are on the C stack.
local native = require "spec.support.native"
local support = require "spec.support"

-- The start of a script with `ended(body)`, which runs a child that says `begin()` in a coroutine of such a module,
-- terminates it when it has said so, and prints how it ended.
local function prelude(folder)
  return native.source(folder) .. ([[
    local process = require "process"
    local library = %q
    local function child(body)
      process.define("spec:foreign", "local library = ...\n" .. %q .. "return function(parent)\n" ..
        "local function begin() process.send(parent, 'computing') end\n" .. body .. "\nend")
      return assert(process.spawn_monitored("spec:foreign", "app:processes", process.pid()))
    end
    local function exit()
      local exit = process.events():receive()
      local details = exit.error and exit.error:details() or {}
      print(exit.error or exit.result, details.abandoned, math.floor(native.torn()))
    end
    local function ended(body)
      local pid = child(body)
      process.inbox():receive()
      process.terminate(pid)
      exit()
    end
  ]]):format(folder, ([[
    local native = {}
    for _, name in ipairs({ "scheduler", "resume" }) do
      native[name] = assert(package.loadlib("%s/native.so", "native_" .. name))
    end
    local scheduler = native.scheduler()
    local function run(f) return native.resume(scheduler, f) end
    local function no_compiler() if jit then jit.off() end end
  ]]):format(folder))
end

local function output(script, environment)
  local out
  support.with_folder({ keep = "" }, function(folder)
    out = support.output_of(prelude(folder) .. script, 60, environment)
  end)
  return out
end

-- Bodies of children that compute, or wait, in a coroutine that a C module has resumed.
local loops = {
  ["a loop"] = "no_compiler() run(function() begin() while true do end end)",
  ["a loop that catches errors"] = [[
    no_compiler()
    run(function()
      local n = 0
      begin()
      while n < 100 do
        if not pcall(function() for _ = 1, 1e18 do end end) then n = n + 1 end
      end
    end)
    while true do end]],
  ["a loop after the coroutine has ended"] = "run(function() end) begin() while true do end",
  ["a callback of sort"] = [[
    no_compiler() run(function() table.sort({ 3, 1, 2 }, function() begin() while true do end end) end)]],
  ["a coroutine of the process's own inside"] = [[
    no_compiler() run(function() coroutine.wrap(function() begin() while true do end end)() end)]],
  ["a coroutine that was resumed inside before"] = [[
    no_compiler()
    run(function()
      coroutine.wrap(function() end)()
      collectgarbage()
      begin() while true do end
    end)]],
  ["one inside another"] = "no_compiler() run(function() run(function() begin() while true do end end) end)",
  ["one inside a coroutine of the process's own"] = [[
    no_compiler() coroutine.wrap(function() run(function() begin() while true do end end) end)()]],
  ["a wait"] = "run(function() begin() channel.new():receive() end)",
  ["a wait in a coroutine of the process's own inside"] = [[
    run(function() coroutine.wrap(function() begin() channel.new():receive() end)() end)]],
  ["a loop while another coroutine waits there"] = [[
    no_compiler()
    coroutine.spawn(function() begin() while true do end end)
    run(function() channel.new():receive() end)]],
  ["a finalizer that ends the process"] = [[
    run(function()
      local function stop() begin() process.terminate(process.pid()) end
      if newproxy then getmetatable(newproxy(true)).__gc = stop else setmetatable({}, { __gc = stop }) end
      collectgarbage() collectgarbage()
      while true do local _ = {} end
    end)]],
}

describe("a coroutine that a C module has resumed", function()
  for name, body in pairs(loops) do
    it("L-53 is ended by an error, and not left by a jump, in " .. name, function()
      local expected = ("process terminated\tnil\t0\n"):rep(3)
      assert.are.equal(expected, output(("for _ = 1, 3 do ended(%q) end"):format(body)))
    end)
  end

  it("L-53 L-52 L-54 is given up in compiled code, and costs nothing more then", function()
    -- It begins when the loop is compiled: before, an error could still end it.
    local body = "run(function() local n = 0 while true do n = n + 1 if n == 1e6 then begin() end end end)"
    local script = ([[
      process.define_host("app:processes", { terminate_grace = "300ms", workers = %d ~= 0 and 2 or nil })
      ended(%q)
      process.time.sleep("200ms")
      local before = os.clock()
      process.time.sleep("400ms")
      print(os.clock() - before < 0.2)
    ]]):format(support.workers, body)
    local expected = "process terminated\t" .. (support.jit and "true" or "nil") .. "\t0\ntrue\n"
    support.with_folder({ keep = "" }, function(folder)
      -- The host is defined here, with a short grace.
      assert.are.equal(expected, support.output_of(prelude(folder) .. script, 60, nil, true))
    end)
  end)

  it("L-53 B-7 ends with the process that ends itself there", function()
    assert.are.equal("process terminated\tnil\t0\n", output([[
      child("run(function() process.terminate(process.pid()) end) while true do end")
      exit()
    ]]))
  end)

  it("L-53 P-56 goes on with other code once nothing of the module is on the C stack", function()
    assert.are.equal("new code\tnil\t0\n", output([[
      process.define("spec:next", "return function() return 'new code' end")
      child("run(function() process.upgrade('spec:next') end) while true do end")
      exit()
    ]]))
  end)

  it("L-53 C-33 is told of the failure of another coroutine while it waits", function()
    assert.are.equal("the reason\tnil\t0\n", output([[
      child("coroutine.spawn(function() error('the reason', 0) end) run(function() channel.new():receive() end)")
      exit()
    ]]))
  end)

  it("C-1 T-10 waits where it is, and yields nothing of the library's to the module", function()
    assert.are.equal("true 0, true 0, true 2\tnil\t0\n", output([[
      child([=[
        local results = {}
        local function note(ok, yields) results[#results + 1] = tostring(ok) .. " " .. math.floor(yields) end
        note(run(function() time.sleep("1ms") end))
        note(run(function()
          local ch = channel.new()
          coroutine.spawn(function() time.sleep("1ms") ch:send(1) end)
          assert(coroutine.wrap(function() return ch:receive() end)() == 1)
        end))
        note(run(function()
          coroutine.wrap(function() end)()
          coroutine.yield()
          time.sleep("1ms")
          coroutine.yield()
        end))
        return table.concat(results, ", ")]=])
      exit()
    ]]))
  end)

  it("H-23 L-53 is not asked to give way by a yield", function()
    local busy = [[
      no_compiler()
      local sum = 0
      local ok, yields = run(function() for i = 1, 1e7 do sum = sum + i % 7 end end)
      return ("%s %d %d"):format(tostring(ok), yields, sum)]]
    local out = output(("for _ = 1, 4 do child(%q) end for _ = 1, 4 do exit() end"):format(busy))
    assert.are.equal(("true 0 29999997\tnil\t0\n"):rep(4), out)
  end)
end)

describe("cqueues", function()
  it("L-53 is closed in order when its loop is ended", function()
    local out = support.output_of([[
      if not pcall(require, "cqueues") then print("not there") os.exit(0, true) end
      local process = require "process"
      process.define_host("app:processes", { terminate_grace = "300ms" })
      for i = 1, 6 do
        local pid = assert(process.spawn_monitored(function(parent, compiled)
          local cqueues, socket = require "cqueues", require "cqueues.socket"
          if jit and not compiled then jit.off() end
          local queue = cqueues.new()
          local a, b = socket.pair()
          queue:wrap(function() b:write("x\n") process.send(parent, "computing") while true do end end)
          queue:wrap(function() a:read() end)
          assert(queue:loop())
        end, "app:processes", process.pid(), i > 4))
        process.inbox():receive()
        process.terminate(pid)
        local exit = process.events():receive()
        print(exit.error, i <= 4 and (exit.error:details() or {}).abandoned)
      end
    ]], 60, nil, true)
    if out ~= "not there\n" then
      assert.are.equal(("process terminated\tnil\n"):rep(4) .. ("process terminated\tfalse\n"):rep(2), out)
    end
  end)
end)
