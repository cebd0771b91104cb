-- The end of the program, in every way in which a script can leave. Each runs many times, at random moments, among
-- children of all kinds. There is no crash, no hang, the right code, and only the interpreter's own messages.
local ends = require "spec.support.ends"

-- The ways in which a script leaves when it is its turn.
local ways = {
  { "L-65 at its end", "" },
  { "L-65 by return", "do return 1 end" },
  { "L-65 by an error", "error('the script fails', 0)", code = 1, err = ends.traceback("the script fails") },
  { "L-65 by an error object", "error(process.errors.new('the script fails'))", code = 1,
    err = function(text) return text:find("^[^\n]*: the script fails\n") ~= nil end }, -- LuaJIT adds a traceback
  { "L-65 by an error in a managed coroutine", "coroutine.spawn(error, 'it fails', 0) time.sleep('20s')", code = 1,
    err = function(text) return text:find("it fails", 1, true) ~= nil end },
  { "L-63 L-65 by a linked process that fails", "process.define('spec:failing', 'return function() error(1) end') "
    .. "process.spawn_linked('spec:failing', 'spec:brief') time.sleep('20s')", code = 1,
    err = function(text) return text:find("linked process failed: ", 1, true) ~= nil end },
  { "L-65 by os.exit that closes", "os.exit(7, true)", code = 7 },
  { "L-65 by os.exit(true, true)", "os.exit(true, true)" },
  { "L-65 by os.exit(false, true)", "os.exit(false, true)", code = 1 },
  { "L-65 in a coroutine, closing", "coroutine.wrap(os.exit)(7, true)", code = 7 },
  { "L-65 in a managed coroutine while the script waits, closing",
    "coroutine.spawn(os.exit, 7, true) time.sleep('20s')", code = 7 },
  { "L-65 inside a wait inside a callback, closing", [[
      coroutine.spawn(function()
        string.gsub("x", "x", function()
          coroutine.spawn(function() time.sleep('1ms') os.exit(7, true) end)
          channel.new():receive()
        end)
      end)
      table.sort({ 1, 2 }, function() time.sleep('20s') end)]], code = 7 },
  { "L-66 by os.exit", "os.exit(7)", code = 7 },
  { "L-66 by os.exit()", "os.exit()" },
  { "L-66 by os.exit(true)", "os.exit(true)" },
  { "L-66 by os.exit(false)", "os.exit(false)", code = 1 },
  { "L-66 in a managed coroutine while the script waits", "coroutine.spawn(os.exit, 7) time.sleep('20s')", code = 7 },
  { "L-66 in a finalizer", "finalizer(function() os.exit(7) end) collectgarbage() collectgarbage()", code = 7 },
  { "L-66 in a finalizer that runs at the end", "KEEP = finalizer(function() os.exit(7) end)", code = 7 },
}

describe("a script leaves", function()
  for _, way in ipairs(ways) do
    it(way[1], function()
      way.source = ends.children .. "time.sleep(delay)\n" .. way[2]
      ends.check(way[1], way)
    end)
  end
end)

-- Children that begin together. Each is told by a message of its own, so all are spawned before the first has ended.
local together = [[
  local pids = {}
  local function together(body, ...) pids[#pids + 1] = spawn("process.inbox():receive() " .. body, ...) end
  local function go() for i = 1, #pids do process.send(pids[i], "go") end end
]]

-- How children end the program; the script waits, or leaves at the same moment.
local exits = {
  { "os.exit", "spawn('os.exit(9)')", code = 9 },
  { "os.exit(true)", "spawn('os.exit(true)')" },
  { "os.exit(false)", "spawn('os.exit(false)')", code = 1 },
  { "os.exit that wants to close", "spawn('os.exit(9, true)')", code = 9 },
  { "os.exit in a managed coroutine", "spawn('coroutine.spawn(os.exit, 9) channel.new():receive()')", code = 9 },
  { "os.exit in a finalizer", "spawn('finalizer(function() os.exit(9) end) "
    .. "while true do collectgarbage() end')", code = 9 },
  { "os.exit in a finalizer that runs at its end", "spawn('KEEP = finalizer(function() os.exit(9) end)')",
    code = 9 },
  { "os.exit of many at once", together .. "for code = 11, 20 do together('os.exit(...)', code) end go()",
    code = { [11] = true, [12] = true, [13] = true, [14] = true, [15] = true, [16] = true, [17] = true, [18] = true,
      [19] = true, [20] = true } },
}

describe("a child ends the program", function()
  for _, way in ipairs(exits) do
    it("H-53 by " .. way[1], function()
      way.source = ends.children .. "time.sleep(delay)\n" .. way[2] .. "\ntime.sleep('20s')"
      ends.check("H-53 " .. way[1], way)
    end)
  end

  it("H-53 L-66 at the moment at which the script does the same: one of the codes", function()
    ends.check("H-53 child and script", {
      source = ends.children .. "spawn('time.sleep(...) os.exit(9)', delay) time.sleep(delay) os.exit(7)",
      code = { [7] = true, [9] = true },
    })
  end)

  it("H-53 L-65 at the moment at which the script closes: one of the codes", function()
    ends.check("H-53 child and script, closing", {
      source = ends.children .. together .. "for _ = 1, 5 do together('time.sleep(...) os.exit(9)', delay) end "
        .. "go() time.sleep(delay) os.exit(7, true)",
      code = { [7] = true, [9] = true },
    })
  end)
end)
