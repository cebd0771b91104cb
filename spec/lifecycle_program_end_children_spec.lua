-- The end of the program, whatever its children do. It runs many times, at random moments, with the state closed and
-- without. There is no crash, no hang, the right code, and only the children themselves write anything.
local ends = require "spec.support.ends"

-- Whether the text consists of these whole lines, each any number of times.
local function lines(...)
  local allowed = {}
  for _, line in ipairs({ ... }) do
    allowed[line] = true
  end
  return function(text)
    for line in text:gmatch("[^\n]*\n?") do
      if line ~= "" and not allowed[line] then
        return false
      end
    end
    return true
  end
end

-- Whether the text consists of exactly these whole lines, in any order.
local function exactly(...)
  local expected = { ... }
  table.sort(expected)
  return function(text)
    local found = {}
    for line in text:gmatch("[^\n]*\n?") do
      found[#found + 1] = line ~= "" and line or nil
    end
    table.sort(found)
    return table.concat(found) == table.concat(expected)
  end
end

local function anything()
  return true
end

-- The children's work when the script leaves: [1] starts them; `before` and `after` surround it; `out` is the text they
-- write when the state is closed, `out_at_once` the text they write when it is not.
local works = {
  ["sleep"] = { "for _ = 1, 5 do spawn([[ ready(parent) time.sleep('1h') ]]) end" },
  ["wait for each other"] = { [[
    for _ = 1, 4 do
      spawn("local boss = process.spawn_linked_monitored('spec:waiting', 'spec:brief') "
        .. "process.set_options({ trap_links = true }) ready(parent) channel.new():receive()")
    end]], before = "process.define('spec:waiting', 'return function() channel.new():receive() end')" },
  ["compute"] = { [[
    spawn("ready(parent) while true do end")
    spawn("ready(parent) local t = {} while true do t[#t % 100 + 1] = tostring(#t) end")]] },
  ["compute without a compiler"] = { [[
    process.define_host("spec:plain", { jit = false })
    host = "spec:plain"
    for _ = 1, 2 do spawn("ready(parent) while true do end") end]] },
  ["catch errors in a loop"] = { [[
    spawn("ready(parent) while true do pcall(error, 'again') end")
    spawn("ready(parent) while true do pcall(coroutine.wrap(function() pcall(error) coroutine.yield() end)) end")]] },
  ["sit in os.execute"] = { "for _ = 1, 2 do spawn([[ ready(parent) os.execute('sleep 0.2') ]]) end", at_once = 25 },
  ["read from a pipe"] = { "spawn([[ ready(parent) io.popen('sleep 0.2'):read('*a') ]])", at_once = 25 },
  ["sit in a finalizer"] = { [[
    spawn("finalizer(function() there(parent) while true do end end) while true do collectgarbage() end")
    spawn("KEEP = finalizer(function() there(parent) while true do pcall(time.sleep, 1000) end end)")]] },
  ["are just being spawned"] = {
    "for _ = 1, 10 do spawn('channel.new():receive()') end spawned = 0" },
  ["spawn others"] = { [[
    for _ = 1, 3 do process.spawn("spec:chain", "spec:brief") end]],
    before = [[
      process.define("spec:chain", "return function() process.spawn('spec:chain', 'spec:brief') end")]] },
  ["spawn more and more"] = { [[process.spawn("spec:tree", "spec:brief", 7)]],
    before = [=[
      process.define("spec:tree", [[return function(depth)
        for _ = 1, depth > 0 and 2 or 0 do process.spawn("spec:tree", "spec:brief", depth - 1) end
        if depth % 2 == 0 then channel.new():receive() end
      end]])]=] },
  ["pour messages into the script"] = { [[
    for _ = 1, 2 do
      spawn("ready(parent) while process.send(parent, 'flood', { parent, {} }) do end time.sleep('1h')")
    end]] },
  ["pour messages into each other"] = { [[
    local last
    for _ = 1, 3 do
      last = spawn("local other = ... ready(parent) while true do "
        .. "if other then process.send(other, 'flood', {}) end time.sleep(0) end", last)
    end]] },
  ["close their states"] = { [[
    for _ = 1, 4 do
      spawn("KEEP = {} for i = 1, 3000 do KEEP[i] = finalizer(function() return process.pid() end) end ready(parent)")
    end]] },
  ["are being terminated"] = { [[
    local pids = {}
    for i = 1, 4 do
      pids[i] = spawn("ready(parent) " .. (i % 2 == 0 and "channel.new():receive()" or "while true do end"))
    end]], after = "for i = 1, 4 do process.terminate(pids[i]) end" },
  ["end at the same moment"] = { "for _ = 1, 5 do spawn([[ ready(parent) time.sleep(...) ]], delay) end" },
  ["fail again and again"] = { [[
    process.define_host("spec:quiet", { report = false })
    process.define("spec:failing", "return function() error('broken') end")
    for _ = 1, 3 do
      spawn("process.set_options({ trap_links = true }) ready(parent) "
        .. "while true do process.spawn_linked_monitored('spec:failing', 'spec:quiet') "
        .. "process.events():receive() end")
    end]] },
  ["fail at the end"] = { [[
    spawn("local events = process.events() ready(parent) events:receive() error('late')")
    spawn("process.link(parent) local events = process.events() ready(parent) events:receive() return nil, 'late'")]] },
  ["write"] = { [[
    for _ = 1, 3 do
      spawn("ready(parent) while true do io.write('a whole line\\n') print('another one') time.sleep(1000) end")
    end]], out = lines("a whole line\n", "another one\n"), out_at_once = anything },
  ["write without a pause"] = { [[
    for _ = 1, 3 do spawn("ready(parent) while true do io.write('a whole line\\n') print('another one') end") end]],
    out = anything, out_at_once = anything },
  ["watch the script and each other"] = { [[
    host = "spec:patient"
    local sleeper = spawn("ready(parent) channel.new():receive()")
    spawn("local sleeper, ended = ..., {} assert(process.monitor(parent) and process.link(parent)) "
      .. "assert(process.monitor(sleeper)) local events = process.events() ready(parent) "
      .. "repeat local ev = events:receive() if ev.kind == process.event.EXIT then "
      .. "ended[ev.from] = tostring(ev.error) .. ' ' .. tostring(ev.result) end "
      .. "until ended[parent] and ended[sleeper] "
      .. "io.write(ended[parent], ', ', ended[sleeper], '\\n')", sleeper)]],
    out = function(text) return text == "nil nil, process terminated nil\n" end },
  ["clean up when they are told"] = { [[
    host = "spec:patient"
    for _ = 1, 2 do
      spawn("local events = process.events() ready(parent) local told = events:receive() "
        .. "print(told.kind .. ' ' .. told.reason .. ' ' .. tostring(told.deadline:after(time.now()))) "
        .. "local late = time.after('20ms') "
        .. "local got = channel.select { events:case_receive(), late:case_receive() } "
        .. "print(got.channel == late and 'told once' or 'told again')")
    end]], out = exactly("pid.cancel main process ended true\n", "pid.cancel main process ended true\n",
      "told once\n", "told once\n") },
  ["overrun their time"] = { [[
    spawn("local events = process.events() ready(parent) events:receive() while true do end")
    spawn("local events = process.events() ready(parent) events:receive() "
      .. "while true do pcall(channel.new().receive) end")
    spawn("local events = process.events() ready(parent) events:receive() time.sleep('1h')")]] },
}

describe("a script that has children", function()
  for name, work in pairs(works) do
    local script = table.concat({
      work.before or "", work[1], "ready() time.sleep(delay)", work.after or "", "",
    }, "\n")

    it("L-65 L-53 closes its state while they " .. name, function()
      ends.check("L-65 they " .. name, {
        source = script .. "if number % 2 == 0 then os.exit(7, true) end",
        code = { [0] = true, [7] = true },
        out = work.out,
        at_once = work.at_once,
      })
    end)

    it("L-66 H-53 ends at once while they " .. name, function()
      ends.check("L-66 they " .. name, {
        source = script .. "if number % 2 == 0 then os.exit(7) end spawn('os.exit(9)') time.sleep('20s')",
        code = { [7] = true, [9] = true },
        out = work.out_at_once,
        at_once = work.at_once,
      })
    end)
  end
end)
