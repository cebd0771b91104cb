-- The end of a process that begins in a finalizer, or at any other place where the VM is in the middle of something.
local support = require "spec.support"

-- The start of a child: `finalizer(fn)` makes a value whose finalizer is fn, `collect()` runs all that are due,
-- `stop()` ends the child.
local start = support.FINALIZER .. [[
  local function collect() collectgarbage() collectgarbage() end
  local function stop() process.terminate(process.pid()) end
]]

-- Bodies of children that end themselves at an odd moment.
local moments = {
  ["a finalizer"] = "finalizer(stop) collect()",
  ["a finalizer that catches errors"] = "finalizer(function() pcall(stop) end) collect()",
  ["a finalizer in a coroutine"] = "coroutine.wrap(function() finalizer(stop) collect() end)()",
  ["a coroutine in a finalizer"] = "finalizer(function() coroutine.wrap(stop)() end) collect()",
  ["a finalizer after an error in a coroutine"] = [[
    finalizer(function() coroutine.resume(coroutine.create(error)) for _ = 1, 100 do stop() end end) collect()]],
  ["a finalizer in a finalizer"] = [[
    finalizer(function() finalizer(stop) collect() end) collect() collect() stop()]],
  ["a finalizer that runs while tables are made"] = [[
    while true do finalizer(stop) for i = 1, 100 do local _ = { i } end end]],
  ["a finalizer that runs in a callback of gsub"] = [[
    while true do ("x"):rep(50):gsub("x", function() finalizer(stop) return ("y"):rep(9) end) end]],
  ["a finalizer after the collector was started in it"] = [[
    finalizer(function() collectgarbage("restart") stop() end) collect()]],
  ["a debug hook"] = "debug.sethook(stop, '', 1) while true do end",
  ["a debug hook in a finalizer's process"] = [[
    debug.sethook(function() finalizer(stop) collect() end, '', 1) while true do end]],
  ["tostring of the error that ends the process"] = "error(setmetatable({}, { __tostring = stop }))",
  ["tostring of an error of a coroutine"] = [[
    coroutine.spawn(function() error(setmetatable({}, { __tostring = stop })) end) channel.new():receive()]],
  ["a callback of gsub"] = "string.gsub('x', 'x', stop)",
  ["a message handler"] = "xpcall(error, stop)",
  ["a comparison of sort"] = "table.sort({ 3, 1, 2 }, stop)",
  ["a metamethod"] = "return setmetatable({}, { __concat = stop }) .. 'x'",
  ["an iterator"] = "for _ in stop do end",
  ["a chunk that is loaded"] = "(loadstring or load)(stop)",
  ["a managed coroutine while main waits in a callback"] = [[
    coroutine.spawn(stop) string.gsub('x', 'x', function() channel.new():receive() end)]],
}
if support.jit then
  moments["a finalizer of ffi"] = [[
    local ffi = require "ffi"
    while true do ffi.gc(ffi.new("int[4]"), stop) end]]
  moments["a finalizer of ffi that runs in compiled code"] = [[
    local ffi = require "ffi"
    local ended = 0
    local function count() ended = ended + 1 if ended > 1000 then stop() end end
    while true do for _ = 1, 1000 do ffi.gc(ffi.new("int[4]"), count) end end]]
  moments["a callback from C"] = [[
    local ffi = require "ffi"
    ffi.cdef "void qsort(void *, size_t, size_t, int (*)(const void *, const void *));"
    local array = ffi.new("int[8]")
    local callback = ffi.cast("int (*)(const void *, const void *)", function() stop() return 0 end)
    jit.off(true, true)
    ffi.C.qsort(array, 8, 4, callback)]]
else
  moments["a variable that is closed"] = [[
    assert(load("local stop = ... local x <close> = setmetatable({}, { __close = stop })"))(stop)]]
end

-- The exits of `count` children with this body, each as "error, abandoned", in a program of their own.
local function exits(body, count, options)
  return support.output_of(([[
    local process = require "process"
    %s
    process.define("spec:odd", "local process, channel = require 'process', require 'process.channel'\n" .. %q ..
      "\nreturn function(parent)\n" .. %q .. "\nend")
    process.define("spec:failing", "return function() error('broken', 0) end")
    for i = 1, %d do
      assert(process.spawn_monitored("spec:odd", "app:processes", process.pid()))
      local exit = process.events():receive()
      local details = exit.error and exit.error:details() or {}
      print(exit.error or exit.result, details.abandoned)
    end
  ]]):format(options or "", start, body, count), 60, nil, options ~= nil)
end

describe("a process that ends itself", function()
  for name, body in pairs(moments) do
    it("P-51 B-7 H-54 ends, and nobody else, in " .. name, function()
      assert.are.equal(("process terminated\tnil\n"):rep(5), exits(body, 5))
    end)
  end

  it("H-54 L-14 has its result if it does so while its state closes", function()
    assert.are.equal(("1\tnil\n"):rep(5), exits("keep = finalizer(stop) return 1", 5))
  end)

  it("H-54 B-56 cannot take other code in a finalizer", function()
    local body = [[
      local text
      finalizer(function() local _, err = pcall(process.upgrade, 'spec:failing') text = tostring(err) end)
      collect()
      return text:match("cannot wait in a finalizer")]]
    assert.are.equal(("cannot wait in a finalizer\tnil\n"):rep(5), exits(body, 5))
  end)

  it("H-53 ends the program by os.exit in a finalizer", function()
    for _, when in ipairs({ "finalizer(quit) collect()", "keep = finalizer(quit)" }) do
      local ran = support.run(([[
        local process = require "process"
        process.define("spec:quit", %q .. "local function quit() os.exit(7) end\nreturn function() " .. %q .. " end")
        process.spawn_monitored("spec:quit", "app:processes")
        process.channel.new():receive()
      ]]):format(start, when))
      assert.are.same({ 7, "" }, { ran.code, ran.err })
    end
  end)

  it("L-42 L-53 is ended by a link that fails while a finalizer runs", function()
    local body = [[
      finalizer(function()
        process.spawn_linked("spec:failing", "app:processes")
        local start = os.clock()
        repeat local n = 0 for i = 1, 1000 do n = n + i end until os.clock() > start + 0.05
      end)
      collect()
      while true do end]]
    local out = exits(body, 3)
    assert.are.equal(3, select(2, out:gsub("linked process failed: [^\n]-: broken\tnil\n", "")), out)
  end)
end)

describe("a finalizer that computes without end", function()
  local workers = support.workers > 0 and "workers = 2, " or ""
  local options = 'process.define_host("app:processes", { ' .. workers ..
    'terminate_grace = "100ms", report = false })'
  -- Compiled before, so that LuaJIT also runs it compiled in a finalizer.
  local spin = "local function spin(count) for _ = 1, count do end end for _ = 1, 5 do spin(1000) end\n"
  for name, body in pairs({
    ["as it is"] = "spin(1e18)",
    ["in a coroutine"] = "coroutine.wrap(spin)(1e18)",
    ["after an error in a coroutine"] = "coroutine.resume(coroutine.create(error)) spin(1e18)",
    ["after it has started the collector"] = "collectgarbage('restart') spin(1e18)",
    ["after it has stopped the collector"] = "collectgarbage('stop') spin(1e18)",
  }) do
    it("L-53 L-54 is given up, or ended, and harms nobody, " .. name, function()
      local finalizer = "finalizer(function() process.cancel(process.pid(), 'time', '1ms') " .. body .. " end)"
      local out = exits(spin .. finalizer .. " collect()", 3, options)
      assert.are.equal(3, select(2, out:gsub("cancel deadline passed\t%w+\n", "")), out)
    end)
  end
end)
