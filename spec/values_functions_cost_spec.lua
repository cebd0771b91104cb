-- values.md and convenience.md: the cost of sending and keeping a function, besides its bytes.
local process = require "process"
local support = require "spec.support"
local code = support.code
local host = support.host

describe("a call that has to do with functions", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Lua source: `leaves(act)` calls `act` so often that a collector which begins a step each time would come round;
  -- tells whether it has not, though there is garbage. What is allocated meanwhile is far less than what it waits for.
  local LEAVES = [[
    local TIMES = 5000
    local function garbage(note)
      local object
      if newproxy then
        object = newproxy(true)
        getmetatable(object).__gc = note
      else
        object = setmetatable({}, { __gc = note })
      end
    end
    local ballast = {}
    for i = 1, 200000 do
      ballast[i] = { i }
    end
    local function leaves(act)
      collectgarbage()
      collectgarbage()
      local collected = false
      garbage(function()
        collected = true
      end)
      local text
      for i = 1, TIMES do
        act()
        text = "text " .. i
      end
      local left = not collected and text
      collectgarbage()
      collectgarbage()
      return left and collected and #ballast
    end
  ]]

  local function run_in(options, act)
    local builder = process.with_options(options)
    local source = LEAVES .. "local process, parent = process, ... local send, id = process.send, process.id\n" .. act
    local got, err = builder:exec(support.entry(source), host, process.pid())
    return got, err and tostring(err)
  end

  it("V-14 V-20 leaves the collector as it was", function()
    local sink = support.keep(process.spawn_monitored(support.entry(support.parked), host))
    local source = LEAVES .. [[
      local process, sink = process, ...
      local send = process.send
      local k, key = 1, { [{}] = 1 }
      local function f() return k end
      local kept = leaves(function() send(sink, "t", f) end)
      return { kept, leaves(function() send(sink, "t", key) end), leaves(function() send(sink, "t", print) end) }
    ]]
    for _, mode in ipairs({ "", "collectgarbage('incremental') ", "collectgarbage('generational') " }) do
      if mode == "" or not support.jit then
        local got, err = process.exec(support.entry(mode .. source), host, sink)
        assert.is_nil(err)
        assert.are.same({ 200000, 200000, 200000 }, got, mode)
      end
    end
  end)

  it("H-27 V-14 leaves the collector as it was in a process with a limit of memory", function()
    assert.are.equal(200000, (run_in({ memory_limit = 2 ^ 30 }, "return leaves(function() id() end)")))
  end)

  it("V-14 leaves a collector stopped that its user has stopped", function()
    local got = run_in({ memory_limit = 2 ^ 30 }, [[
      collectgarbage("stop")
      local before = collectgarbage("count")
      local function f() return parent end
      for _ = 1, 2000 do
        send(process.pid(), "t", f)
        id()
        local _ = { process.inbox():receive() }
      end
      local isrunning = collectgarbage("count") < before
      collectgarbage("restart")
      return not isrunning
    ]])
    assert.is_true(got)
  end)

  it("V-20 leaves nothing behind of the many tables that it has put aside", function()
    local got, err = process.exec(code(function()
      local keys = {}
      for i = 1, 50000 do
        keys[{}] = i
      end
      assert(process.send(process.pid(), "t", keys))
      process.inbox():receive()
      keys = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end), host)
    assert.is_nil(err)
    assert.is_true(got < 1000, tostring(got))
  end)
end)

describe("what a process was started from", function()
  before_each(support.reset)
  after_each(support.finish)

  -- How many MiB more the program has while a process started in this way lives. Runs in a program of its own.
  local function kept(before, start)
    local script = [[
      local process = require "process"
      local BIG = 40 * 2 ^ 20 -- more than what the C library keeps for itself
      local function resident()
        local file = io.open("/proc/self/statm")
        local pages = file:read("*a"):match("^%d+ (%d+)")
        file:close()
        return tonumber(pages) * 4096 / 2 ^ 20
      end
      BEFORE
      collectgarbage() collectgarbage()
      local base = resident()
      local pid = START
      assert(process.inbox():receive():payload() == "ready")
      collectgarbage() collectgarbage()
      io.write(math.floor(resident() - base))
      process.send(pid, "end")
      process.events():receive()
    ]]
    local out = support.output_of((script:gsub("BEFORE", before):gsub("START", function()
      return start
    end)))
    return tonumber(out)
  end

  it("V-29 P-18 is kept without the arguments", function()
    local more = kept("local big = ('x'):rep(BIG)", [[process.spawn_monitored(function(parent, text)
      local length = #text
      text = nil
      collectgarbage() collectgarbage()
      process.send(parent, "t", "ready")
      process.inbox():receive()
      return length
    end, "app:processes", process.pid(), big)]])
    assert.is_true(more < 20, tostring(more))
  end)

  it("V-29 P-18 has long captured strings once", function()
    local more = kept("local big = { ('x'):rep(BIG), ('y'):rep(BIG) }", [[process.spawn_monitored(function(parent)
      process.send(parent, "t", "ready")
      process.inbox():receive()
      return #big[1]
    end, "app:processes", process.pid())]])
    assert.is_true(more < 120, tostring(more))
  end)

  it("V-29 P-56 starts anew from what it was, whatever has become of it", function()
    local long, list, starts = ("long"):rep(5000), {}, 0
    for i = 1, 3000 do
      list[i] = "item " .. i
    end
    list.long = long
    local function main(parent, n, text)
      starts = starts + 1
      local seen = { starts, #list, list.long == long, #long, list[3000], text and #text, n }
      long, list, starts = "short", {}, 100 -- luacheck: ignore
      if n == 0 then
        return seen
      end
      process.send(parent, "seen", seen)
      process.upgrade(nil, parent, n - 1, ("t"):rep(n * 10000))
    end
    local pid = support.keep(process.spawn_monitored(code(main), host, process.pid(), 2, ("t"):rep(20000)))
    for n = 2, 1, -1 do
      local seen = support.receive(process.inbox()):payload()
      assert.are.same({ 1, 3000, true, 20000, "item 3000", 20000, n }, seen)
    end
    assert.are.same({ 1, 3000, true, 20000, "item 3000", 10000, 0 }, support.event_of(pid).result)
  end)

  it("V-29 B-20 P-56 goes on if an argument of the upgrade cannot cross", function()
    local got = process.exec(code(function(again)
      if again then
        return again
      end
      local ok, err = process.upgrade(nil, 1, io.stderr)
      assert(not ok)
      process.upgrade(nil, tostring(err))
    end), host)
    assert.are.equal("cannot send a userdata (argument 3)", got)
  end)
end)
