-- The end of the program by a signal. Another program sends it, many times, at random moments, among children of all
-- kinds. Only the interpreter's own messages are written.
local ends = require "spec.support.ends"

-- A child that would report a CANCEL.
local witness = [[
  spawn("local events = process.events() ready(parent) io.write(events:receive().kind, '\\n')")
]]

-- The script's reaction when the signal comes, and the signal with its number.
local signals = {
  { "waits", "time.sleep('20s')", "TERM", 15 },
  { "computes", "while true do end", "TERM", 15 },
  { "spawns", "while true do spawn('channel.new():receive()') time.sleep('1ms') end", "TERM", 15 },
  { "waits", "time.sleep('20s')", "KILL", 9 },
  { "waits", "time.sleep('20s')", "HUP", 1 },
}

local function interrupted(text)
  return text:find("^[^\n]*interrupted!\nstack traceback:\n") ~= nil
end

describe("a signal", function()
  for _, case in ipairs(signals) do
    local work, body, name, number = case[1], case[2], case[3], case[4]
    it("L-66 " .. name .. " ends everything at once while the script " .. work, function()
      ends.check("L-66 " .. name .. " while the script " .. work, {
        source = witness .. ends.children .. "signal('" .. name .. "') " .. body,
        code = 128 + number,
      })
    end)
  end

  it("L-68 INT raises in the script that waits, and the program ends with it", function()
    ends.check("L-68 INT while the script waits", {
      source = ends.children .. "signal('INT') time.sleep('20s')",
      code = 1,
      err = interrupted,
    })
  end)

  -- LuaJIT's compiled code does not notice the interpreter's Ctrl-C.
  it("L-68 INT raises in the script that computes, and the program ends with it", function()
    ends.check("L-68 INT while the script computes", {
      source = ends.children .. "if jit then jit.off() end signal('INT') while true do local _ = {} end",
      code = 1,
      err = interrupted,
    })
  end)
end)
