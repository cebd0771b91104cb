-- The inside of a new process: its state, its output, its end.
local support = require "spec.support"
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"

local finalizers = support.FINALIZER

-- Defines `libraries()`: the names in every library of the interpreter, as a set.
local libraries = [[
  local function libraries()
    local names = {}
    for _, library in ipairs { "_G", "bit", "coroutine", "debug", "io", "jit", "math", "os", "package", "string",
      "table", "utf8" } do
      for name in pairs(package.loaded[library] or {}) do names[library .. "." .. tostring(name)] = true end
    end
    return names
  end
]]

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

describe("a new process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-50 H-40 H-51 has the libraries of the interpreter, the globals of this one, and no arg", function()
    support.output_of(libraries .. ([[
      local expected = libraries()
      assert(expected["_G.arg"])
      expected["_G.arg"] = nil
      for _, name in ipairs { "_G.process", "_G.channel", "_G.time", "_G.errors", "coroutine.spawn" } do
        expected[name] = true
      end
      local process = require "process"
      assert(process.define("spec:libraries", %q))
      assert(process.spawn_monitored("spec:libraries", "app:processes"))
      local found = assert(process.events():receive().result)
      for name in pairs(expected) do assert(found[name], name .. " is missing") end
      for name in pairs(found) do assert(expected[name], name .. " is too much") end
    ]]):format(libraries .. "return libraries"))
  end)

  it("H-50 does not see what the spawner did to its own libraries and metatables", function()
    support.output_of([[
      local process = require "process"
      assert(process.define("spec:clean", [=[
        return function()
          return math.floor(1.5) == 1 and ("ab"):rep(2) == "abab" and table.concat({ 1, 2 }) == "12"
            and string.extra == nil and leaked == nil and package.loaded.leaked == nil and getmetatable(_G) == nil
            and debug.getmetatable(nil) == nil
        end
      ]=]))
      leaked, package.loaded.leaked, string.extra = 1, 1, 1
      setmetatable(_G, { __index = function() return "from the spawner" end })
      debug.setmetatable(nil, { __index = function() return "from the spawner" end })
      getmetatable("").__index = nil
      math, table.concat, string.rep, package.loaded.math = nil, nil, nil, nil
      assert(process.spawn_monitored("spec:clean", "app:processes"))
      local event = process.events():receive()
      assert(event.result == true, event.error)
    ]])
  end)

  it("H-50 shows its globals to no other process", function()
    local first = support.spawn_monitored([[
      mark, string.mark = 1, 1
      process.send(..., "marked")
      process.inbox():receive()
    ]], process.pid())
    support.receive(process.listen("marked"))
    assert.same({ true, true }, support.result_of("return { mark == nil, string.mark == nil }"))
    assert.is_nil(rawget(_G, "mark"))
    assert(process.send(first, "stop"))
    assert.is_nil(support.event_of(first).error)
  end)

  if support.jit then
    it("H-50 has bit, ffi and jit", function()
      assert.same({ 6, 4, "table" }, support.result_of(
        "return { bit.bor(2, 4), require('ffi').sizeof('int'), type(jit.opt) }"))
    end)
  end

  it("H-51 loads a C rock again", function()
    local here = require("lfs").currentdir()
    local code = "local before = package.loaded.lfs return { before == nil, require('lfs').currentdir() }"
    for _ = 1, 3 do
      assert.same({ true, here }, support.result_of(code))
    end
  end)
end)

describe("the output of a process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-52 keeps the lines of print and of one io.write whole", function()
    local writers, rounds = 8, 200
    local out = support.output_of(([[
      local process = require "process"
      local writers, rounds = %d, %d
      assert(process.define("spec:writer", [=[
        return function(writer, rounds)
          local text = ("x"):rep(700 + writer)
          for round = 1, rounds do
            print(writer, round, text)
            io.write(writer .. "\t" .. round .. "\t" .. text .. "\n")
          end
        end
      ]=]))
      for writer = 1, writers do
        assert(process.spawn_monitored("spec:writer", "app:processes", writer, rounds))
      end
      for _ = 1, writers do assert(process.events():receive().error == nil) end
    ]]):format(writers, rounds))
    local seen = {}
    for _, line in ipairs(lines_of(out)) do
      local writer, round, text = line:match("^(%d+)\t(%d+)\t(x+)$")
      assert(writer, "mixed line: " .. line)
      assert.equal(700 + writer, #text)
      local key = writer .. " " .. round
      seen[key] = (seen[key] or 0) + 1
    end
    local complete = 0
    for _, times in pairs(seen) do
      assert.equal(2, times)
      complete = complete + 1
    end
    assert.equal(writers * rounds, complete)
  end)

  it("H-52 L-14 is not lost when it ends", function()
    assert.equal("no newline", support.output_of([[
      local process = require "process"
      assert(process.define("spec:writer", "return function() io.write('no newline') end"))
      assert(process.spawn_monitored("spec:writer", "app:processes"))
      process.events():receive()
    ]]))
    support.with_folder({ ["notes/empty"] = "" }, function(folder)
      local name = folder .. "/notes/left_open"
      support.result_of("left_open = io.open(..., 'w') left_open:write('every word')", name)
      local file = assert(io.open(name))
      assert.equal("every word", file:read("*a"))
      file:close()
    end)
  end)
end)

describe("os.exit in a process", function()
  -- Runs a script whose child runs this code; the main process waits, and would say so if it went on.
  local function run_child(code)
    return support.run(finalizers .. ([[
      local process = require "process"
      keep = finalizer(function() print("a finalizer of the main process") end)
      assert(process.define("spec:leaving", %q))
      assert(process.spawn_monitored("spec:leaving", "app:processes"))
      process.events():receive()
      print("the main process went on")
    ]]):format(finalizers .. "return function() " .. code .. " end"))
  end

  it("H-53 ends the program with its code and runs nothing more", function()
    local codes = {
      ["os.exit(7)"] = 7,
      ["os.exit(8, true)"] = 8,
      ["os.exit()"] = 0,
      ["os.exit(true)"] = 0,
      ["os.exit(false)"] = 1,
      ["pcall(os.exit, 9) print('returned')"] = 9,
      ["coroutine.wrap(os.exit)(10) print('returned')"] = 10,
      ["coroutine.spawn(os.exit, 11) time.sleep('20s') print('returned')"] = 11,
    }
    for code, expected in pairs(codes) do
      local ran = run_child(code)
      assert.same({ expected, "", "" }, { ran.code, ran.out, ran.err }, code)
    end
  end)

  it("H-53 takes one code when many leave at once", function()
    local ran = run_child([[
      process.define("spec:next", "return function(code) os.exit(code) end")
      for code = 101, 120 do process.spawn("spec:next", "app:processes", code) end
      channel.new():receive()
    ]])
    assert.is_true(ran.code > 100 and ran.code <= 120, "code " .. ran.code)
    assert.same({ "", "" }, { ran.out, ran.err })
  end)
end)

describe("the end of a process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-54 B-56 L-14 runs its finalizers, which may use the library but not wait", function()
    local pid = support.spawn_monitored(finalizers .. [[
      local parent = ...
      keep = finalizer(function()
        local _, sleep = pcall(time.sleep, "1ms")
        local _, receive = pcall(function() return process.inbox():receive() end)
        process.send(parent, "closing", process.pid(), sleep, receive)
      end)
    ]], process.pid())
    assert.is_nil(support.event_of(pid).error)
    local values, ok = support.waiting(process.listen("closing"))
    assert.is_true(ok)
    assert.equal(pid, values[1])
    for i = 2, 3 do
      assert.is_truthy(values[i]:find("cannot wait in a finalizer", 1, true))
    end
  end)

  local in_collection = finalizers .. [[
    local texts = {}
    local function drop()
      finalizer(function()
        local ch = channel.new()
        for i, wait in ipairs {
          function() time.sleep("1ms") end,
          function() ch:receive() end,
          function() ch:send(1) end,
          function() channel.select { ch:case_receive() } end,
        } do
          local ok, err = pcall(wait)
          texts[i] = not ok and err:match("cannot wait in a finalizer") or "waited"
        end
        texts[5] = process.pid()
      end)
    end
    drop()
    collectgarbage()
    collectgarbage()
    return texts
  ]]

  it("H-54 B-56 a finalizer that runs earlier may not wait either", function()
    local refusal = "cannot wait in a finalizer"
    local pid = support.spawn_monitored(in_collection)
    assert.same({ refusal, refusal, refusal, refusal, pid }, support.event_of(pid).result)
    local main = assert((loadstring or load)("local process, channel, time = ... " .. in_collection))
    assert.same({ refusal, refusal, refusal, refusal, process.pid() }, main(process, channel, time))
  end)

  it("H-54 runs the finalizers of a process that failed or was terminated", function()
    local closing = process.listen("closing")
    local keep = finalizers .. [[
      local parent = ...
      keep = finalizer(function() process.send(parent, "closing", process.pid()) end)
      process.send(parent, "ready")
    ]]
    local failing = support.spawn_monitored(keep .. "error('no stock')", process.pid())
    assert.is_truthy(support.event_of(failing).error)
    assert.equal(failing, (support.waiting(closing)))
    local waiting = support.spawn_monitored(keep .. "channel.new():receive()", process.pid())
    local ready = process.listen("ready")
    support.receive(ready)
    support.receive(ready)
    process.terminate(waiting)
    assert.equal("process terminated", tostring(support.event_of(waiting).error))
    assert.equal(waiting, (support.waiting(closing)))
    process.unlisten(ready)
    process.unlisten(closing)
  end)

  it("H-55 leaves no descriptor of the library to a program that a process starts", function()
    local descriptors = [[
      local function descriptors()
        local list = assert(io.popen("ls /proc/self/fd"))
        local text = list:read("*a")
        list:close()
        return text
      end
    ]]
    support.output_of(descriptors .. ([[
      local before = descriptors()
      local process = require "process"
      assert(process.define("spec:parked", "return function() channel.new():receive() end"))
      for _ = 1, 5 do assert(process.spawn("spec:parked", "app:processes")) end
      process.time.sleep("1ms")
      assert(descriptors() == before)
      assert(process.define("spec:listing", %q))
      assert(process.spawn_monitored("spec:listing", "app:processes"))
      assert(process.events():receive().result == before)
    ]]):format(descriptors .. "return descriptors"))
  end)
end)
