-- Ending computing code: whatever the loop, terminate ends it soon, and the child costs nothing more.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

-- How often each loop is ended, at random moments.
local times = tonumber(os.getenv("PROCESS_TEST_ENDINGS") or 200)

-- Bodies that never end; each calls begin() when it is about to loop.
local loops = {
  ["an empty loop"] = "begin() while true do end",
  ["a loop with arithmetic"] = "local n = 0 begin() while true do n = (n * 7 + 1) % 1001 end",
  ["a numeric for"] = "begin() for _ = 1, 1e18 do end",
  -- More than the processor has registers: compiled code keeps them on the C stack.
  ["a loop with many variables"] = (function()
    local names, steps = {}, {}
    for i = 1, 60 do
      names[i] = "v" .. i
      steps[i] = ("v%d = v%d * 0.5 + v%d"):format(i, i % 60 + 1, (i * 7) % 60 + 1)
    end
    local list = table.concat(names, ", ")
    return ("local %s = %s\nbegin() while true do %s end"):format(list, list:gsub("v", ""), table.concat(steps, " "))
  end)(),
  ["a callback with many variables"] = [[
    local a, b, c, d, e, f, g, h = 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5
    table.sort({ 3, 1, 2 }, function()
      local i, j, k, l, m, n, o, p, q, r, s, t = a, b, c, d, e, f, g, h, a + b, b + c, c + d, d + e
      begin()
      while true do
        a, b, c, d, e, f, g, h = b + 1, c + a, d + b, e + c, f + d, g + e, h + f, a + g
        i, j, k, l, m, n = j + a, k + b, l + c, m + d, n + e, i + f
        o, p, q, r, s, t = p + g, q + h, r + i, s + j, t + k, o + l
      end
    end)]],
  ["repeat until"] = "begin() repeat local done = false until done",
  ["calls"] = "local function f() return 1 end begin() while true do f() end",
  ["tail calls"] = "local function f(n) return f(n + 1) end begin() f(1)",
  ["recursion"] = [[
    local function down(n) if n > 0 then return 1 + down(n - 1) end return 0 end
    begin() while true do down(90) end]],
  ["pcall in a loop"] = "local function f() end begin() while true do pcall(f) end",
  ["errors caught in a loop"] = "begin() while true do pcall(error, 'again') end",
  ["a function that catches and restarts itself"] = [[
    local function f() while true do pcall(f) end end
    begin() f()]],
  ["a nest of pcalls that loop"] = [[
    local function f(n) if n == 0 then begin() while true do end end pcall(f, n - 1) while true do end end
    f(40)]],
  ["a message handler that loops"] = [[
    begin() while true do xpcall(error, function() while true do end end, 'x') end]],
  ["errors in a message handler"] = "begin() while true do xpcall(error, function(e) error(e) end, 'x') end",
  ["a coroutine made before"] = [[
    local co = coroutine.wrap(function() while true do for _ = 1, 999 do end coroutine.yield() end end)
    co() begin() while true do co() end]],
  ["coroutines made again and again"] = [[
    begin() while true do coroutine.wrap(function() coroutine.yield(1) end)() end]],
  ["coroutines that fail"] = [[
    begin() while true do coroutine.resume(coroutine.create(function() error('x') end)) end]],
  ["twenty coroutines inside each other"] = [[
    local function nest(n)
      if n == 0 then begin() while true do pcall(error) end end
      while true do pcall(coroutine.wrap(nest), n - 1) end
    end
    nest(20)]],
  ["generators of generators"] = [[
    local function generate(n)
      return coroutine.wrap(function()
        while true do coroutine.yield(n == 0 or generate(n - 1)()) end
      end)
    end
    begin() local g = generate(8) while true do g() end]],
  ["metamethods"] = [[
    local t = setmetatable({}, { __index = function(_, k) return k end, __add = function() return 1 end })
    begin() while true do local _ = t.x, t + 1 end]],
  ["a metamethod that loops"] = [[
    local t = setmetatable({}, { __index = function() begin() while true do end end })
    return t.x]],
  ["sorting"] = [[
    local t = {} begin()
    while true do
      for i = 1, 100 do t[i] = (i * 7919) % 211 end
      table.sort(t, function(a, b) return a < b end)
    end]],
  ["a comparison that loops"] = "table.sort({ 3, 1, 2 }, function() begin() while true do end end)",
  ["string.gsub"] = "local s = ('ab'):rep(500) begin() while true do s:gsub('b', function() return 'c' end) end",
  ["a callback of gsub that loops"] = "string.gsub('x', 'x', function() begin() while true do end end)",
  ["building strings"] = "begin() while true do local s = '' for i = 1, 300 do s = s .. i end end",
  ["making tables"] = "begin() while true do local t = {} for i = 1, 100 do t[i] = { i } end end",
  ["pairs"] = [[
    local t = {} for i = 1, 500 do t['k' .. i] = i end
    begin() while true do local n = 0 for _, v in pairs(t) do n = n + v end end]],
  ["collecting garbage"] = [[
    local t = {} for i = 1, 2000 do t[i] = {} end
    begin() while true do collectgarbage() end]],
  ["steps of the collector"] = "begin() while true do collectgarbage('step') local _ = {} end",
  ["load"] = "begin() while true do (loadstring or load)('return function() end')() end",
  ["sending to oneself"] = [[
    local me = process.pid()
    begin() while true do process.send(me, 'more', { 1 }) process.inbox():receive() end]],
  ["a debug hook of its own"] = [[
    local n = 0
    debug.sethook(function() n = n + 1 end, '', 10)
    begin() while true do end]],
  ["debug hooks set again and again"] = [[
    local function hook() end
    begin() while true do debug.sethook(hook, 'l') local _ = 1 debug.sethook() end]],
  ["everything at once"] = [[
    local function work()
      local t = {}
      for i = 1, 20 do t[i] = tostring(i) .. ('x'):rep(i) end
      table.sort(t)
      return table.concat(t)
    end
    begin() while true do pcall(work) coroutine.wrap(work)() end]],
}
if not support.jit then
  loops["a variable that loops while it is closed"] = [[
    assert(load("local begin = ... local x <close> = setmetatable({}, { __close = function() " ..
      "begin() while true do end end })"))(begin)]]
  loops["coroutine.close of a loop"] = [[
    local co = assert(load("local begin = ... return coroutine.create(function() local x <close> = setmetatable({}, " ..
      "{ __close = function() begin() while true do end end }) coroutine.yield() end)"))(begin)
    coroutine.resume(co) coroutine.close(co)]]
end

local begin = "local parent = ... local function begin() process.send(parent, 'computing') end\n"

-- Ends children with this body at random moments; returns the times it took, in milliseconds, sorted.
local function end_many(body, count)
  local entry, delays = support.entry(begin .. body), {}
  for i = 1, count do
    local pid = assert(process.spawn_monitored(entry, support.host, process.pid()))
    support.receive(process.inbox())
    if i % 2 == 0 then
      time.sleep(math.random(1000, 1000000))
    end
    local start = time.now()
    assert.is_true(process.terminate(pid))
    local event = support.event_of(pid)
    delays[i] = time.now():sub(start):nanoseconds() / 1e6
    assert.equal("process terminated", tostring(event.error))
  end
  table.sort(delays)
  return delays
end

describe("a process that computes", function()
  before_each(support.reset)

  local report = os.getenv("PROCESS_TEST_REPORT")
  for name, body in pairs(loops) do
    it("L-50 L-52 L-57 L-68 is ended by terminate in " .. name, function()
      local delays = end_many(body, times)
      if report then
        io.stderr:write(("%-48s median %6.2f ms, 99 %% %6.2f ms, longest %6.2f ms\n"):format(
          name, delays[math.ceil(#delays / 2)], delays[math.ceil(#delays * 0.99)], delays[#delays]))
      end
      assert.is_true(delays[math.ceil(#delays / 2)] < 200)
    end)
  end

  it("L-42 L-52 is ended by a failing link, whatever it catches", function()
    for _ = 1, 20 do
      local pid = support.spawn_monitored(begin .. [[
        process.spawn_linked("spec.endings:failing", "app:processes")
        while true do pcall(error) end
      ]], process.pid())
      local event = support.event_of(pid)
      assert.matches("^linked process failed: .*: broken$", tostring(event.error))
    end
  end)

  setup(function()
    assert(process.define("spec.endings:failing", "return { main = function() error('broken', 0) end }"))
  end)
end)
