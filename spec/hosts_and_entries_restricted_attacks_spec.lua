-- luacheck: no max line length
-- What code might try that wants out of a restricted process, or wants to harm the program from inside it.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local restricted, run, exit_of = border.restricted, border.run, border.exit_of

-- What scripts of their own begin with: a restricted host with 16 MiB for a process, entries, and how much memory the
-- program has had at most, in MiB.
local PRELUDE = [[
  local process = require "process"
  local libs = { "base", "string", "table", "math", "coroutine" }
  assert(process.define_host("demo:host", {
    libs = libs, max_processes = 20, mailbox_limit = 1e9, memory_limit = 16 * 2 ^ 20,
    terminate_grace = "100ms", report = false, workers = WORKERS,
  }))
  assert(process.define("demo:result", "return { main = function() return ('r'):rep(4e6) end }"))
  assert(process.define("demo:nothing", "return { main = function() end }"))
  local function peak()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("VmHWM:%s+(%d+)")) / 1024
  end
]]

-- Runs this in a restricted process of a program of its own: how many MiB more that has needed, and what came of the
-- process.
local function growth(body, limit)
  local script = PRELUDE:gsub("WORKERS", tostring(support.workers)) .. ([=[
    local source = "return { main = function()\n" .. %q .. "\nend }"
    assert(process.define("demo:attack", source))
    local before = peak()
    local pid = assert(process.spawn_monitored("demo:attack", "demo:host"))
    local late = process.time.after("%s")
    local got = process.channel.select({ process.events():case_receive(), late:case_receive() })
    if got.channel == late then
      process.terminate(pid)
      got = process.channel.select({ process.events():case_receive() })
    end
    print(peak() - before, tostring(got.value.error or got.value.result))
  ]=]):format(body, limit or "20s")
  local out = support.output_of(script, 60)
  local grown, result = out:match("^(%S+)\t(.*)\n$")
  return tonumber(grown), result
end

-- Some of it is the program's own, a few copies are under way at a time, and LuaJIT keeps what it has freed.
local MOST = support.jit and 90 or 60

describe("code that wants out of a restricted process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-31 reaches no metatable that others use", function()
    local got = run(
      restricted(),
      [[
        local open = {}
        local objects = {
          process.inbox(), process.inbox():case_receive(), errors.new("x"), time.now(), time.parse_duration("1s"),
          time.utc, time.timer("1h"), time.ticker("1h"), process.with_context({}), time.now():location(),
        }
        process.send(process.pid(), "t", 1)
        local msg = process.inbox():receive()
        objects[#objects + 1] = msg
        objects[#objects + 1] = msg.topic
        for n, object in ipairs(objects) do
          if type(getmetatable(object)) ~= "string" then open[#open + 1] = n end
          if pcall(setmetatable, object, {}) then open[#open + 1] = -n end
        end
        return { #objects, #open }
      ]]
    )
    assert.same({ 12, 0 }, got)
  end)

  it("H-31 gets nothing from the library's functions by calling them with anything", function()
    local got = run(
      restricted({ terminate_grace = "5s" }),
      [[
        local values = {
          1, -1, 0.5, 2 ^ 53, -2 ^ 63, 1 / 0, 0 / 0, "", "x", ("x"):rep(70000), "{main|1}", "\0", true, false, {},
          { {} }, print, coroutine.create(print), process, process.inbox(), process.inbox():case_receive(),
          errors.new("x"), time.now(), time.parse_duration("1s"),
          time.utc, time.timer("1h"), process.with_context({}), function() end, _G,
        }
        -- What waits or ends the process.
        local skipped = { wait = true, sleep = true, select = true, exec = true, upgrade = true, terminate = true }
        local called = 0
        local function try(f)
          for _, a in ipairs(values) do
            pcall(f, a)
            for _, b in ipairs(values) do
              pcall(f, a, b)
              called = called + 1
            end
          end
          pcall(f)
        end
        local function all(t, seen)
          if seen[t] then return end
          seen[t] = true
          local functions = {}
          for name, value in pairs(t) do
            if type(value) == "table" and t ~= _G then all(value, seen) end
            if type(value) == "function" and not skipped[name] then functions[#functions + 1] = value end
          end
          for _, f in ipairs(functions) do try(f) end
        end
        all(process, {})
        for _, module in ipairs({ time, errors }) do
          for _, name in ipairs({
            "now", "after", "timer", "ticker", "parse_duration", "date", "unix", "parse", "load_location", "fixed_zone",
            "new", "wrap", "is", "call_stack",
          }) do
            if module[name] then try(module[name]) end
          end
          local index = getmetatable(module).__index
          for _, value in ipairs(values) do
            pcall(index, value, "now")
            pcall(index, nil, value)
          end
        end
        for _, object in ipairs(values) do
          if type(object) == "userdata" then
            for _, name in ipairs({
              "close", "kind", "message", "retryable", "details", "stack", "add", "format", "stop", "reset", "channel",
              "with_name", "with_message", "with_options", "with_context", "string", "seconds",
            }) do
              local ok, method = pcall(function() return object[name] end)
              if ok and method then try(method) end
            end
          end
        end
        return called
      ]]
    )
    assert.is_true(got > 10000, got)
  end)

  it("H-31 T-48 reads no file by the name of a zone", function()
    local got = run(
      restricted(),
      [[
        local said = {}
        for n, name in ipairs({
          "/etc/passwd", "../../../etc/passwd", "Europe/../../../../etc/passwd", "./UTC", "Europe/Paris/../Rome",
        }) do
          local zone, err = time.load_location(name)
          said[n] = zone == nil and tostring(err) == "time.load_location: no such zone: " .. name
        end
        return said
      ]]
    )
    assert.same({ true, true, true, true, true }, got)
  end)

  it("H-31 sees in error texts nothing of files", function()
    support.with_folder({ ["secret.lua"] = "topsecret = = 'password'" }, function(folder)
      assert(process.define("spec.attacks:secret", { source = "file://" .. folder .. "/secret.lua" }))
      local host = restricted()
      local said = run(host, "return tostring(select(2, process.spawn('spec.attacks:secret', ...)))", host)
      assert.is_nil(said:find("password", 1, true))
      local tried = run(
        host,
        [[
          local path, said = ..., {}
          for _, f in ipairs({ require, load, dofile or load, loadfile or load, process.define, process.load }) do
            local ok, first, second = pcall(f, path)
            said[#said + 1] = tostring(first) .. tostring(second)
          end
          return table.concat(said)
        ]],
        folder .. "/secret.lua"
      )
      assert.is_nil(tried:find("password", 1, true))
    end)
  end)

  it("H-31 does not get past a change of the globals that the library looks at", function()
    local got = run(
      restricted(),
      [[
        package = { path = "/?.lua;./?.lua", cpath = "/?.so", loaded = { os = 1 }, preload = { os = load("return 1") } }
        _LOADED, _PRELOAD = package.loaded, package.preload
        local _, err = process.spawn("etc:passwd", ...)
        local ok = pcall(require, "os")
        return { tostring(err), ok }
      ]],
      "app:processes"
    )
    assert.is_truthy(got[1]:find("^not allowed on host "))
    assert.is_false(got[2])
  end)
end)

describe("code that wants to use up memory", function()
  local attacks = {
    ["fill its own mailbox"] = "local s = ('x'):rep(1000) while process.send(process.pid(), 't', s) do end",
    ["send what is written many times"] = [[
      local s, t = ("x"):rep(1e6), {}
      for i = 1, 1e4 do t[i] = s end
      pcall(process.send, process.pid(), "t", t)
      pcall(errors.new, { message = "m", details = t })
      pcall(process.spawn, "demo:nothing", "demo:host", t)
      pcall(function() process.with_context({ k = t }):with_message("t", t) end)
      return t
    ]],
    ["send many functions with one long text"] = [[
      local text = "'" .. ("x"):rep(1e5) .. "'"
      local t = load("local t = {} for i = 1, 2e4 do t[i] = function() return i, " .. text .. " end end return t")()
      return pcall(process.send, process.pid(), "t", t)
    ]],
    ["receive again and again what does not fit"] = [[
      local t, ballast, me, failed = {}, ("b"):rep(4e6), process.pid(), 0
      for i = 1, 4e4 do t[i] = {} end
      local listener = process.listen("t")
      for i = 1, 80 do
        local ok, sent = pcall(process.send, me, "t", t, t, { t })
        if ok and sent then
          local more = {}
          pcall(function() for i = 1, 1e5 do more[i] = { i } end end)
          if not pcall(listener.receive, listener) then failed = failed + 1 end
          more = nil
        end
      end
      return failed
    ]],
    ["ask itself to end"] = "local s = ('x'):rep(1e5) while process.cancel(process.pid(), s) do end",
    ["set itself deadlines"] = "while process.cancel(process.pid(), nil, '9999h') do end",
    ["keep names"] = "for i = 1, 1e4 do process.registry.register(('n'):rep(60000) .. i) end",
    ["be remembered under names"] = [[
      for i = 1, 2000 do
        local name = ("n"):rep(60000) .. i
        assert(process.registry.register(name) and process.send(name, "t") and process.registry.unregister(name))
        process.inbox():receive()
      end
    ]],
    ["listen to topics"] = "for i = 1, 1e6 do process.listen('t' .. i) end",
    ["listen to long topics that do not fit"] = "for i = 1, 1000 do pcall(process.listen, ('t'):rep(60000) .. i) end",
    ["start timers"] = "local t = {} for i = 1, 1e7 do t[i] = time.after('9999h') end",
    ["open channels"] = "local t = {} for i = 1, 1e7 do t[i] = channel.new(5) end",
    ["fill a channel"] = "local c = channel.new(2 ^ 52) while true do c:send(1) end",
    ["start coroutines"] = [[
      for i = 1, 1e7 do
        coroutine.spawn(function() channel.new():receive() end)
        if i % 100 == 0 then time.sleep("1ns") end
      end
    ]],
    ["select from many cases"] = [[
      local case, t = channel.new():case_receive(), { default = true }
      for i = 1, 4e5 do t[i] = case end
      for i = 1, 20 do pcall(channel.select, t) end
    ]],
    ["keep errors"] = "local t, s = {}, ('x'):rep(1e4) for i = 1, 1e7 do t[i] = errors.new(s) end",
    ["wrap an error"] = "local e, s = errors.new('x'), ('x'):rep(1e5) for i = 1, 1e6 do e = errors.wrap(e, s) end",
    ["keep messages"] = [[
      local t, s = {}, ("x"):rep(1e4)
      for i = 1, 1e6 do process.send(process.pid(), "t", s) t[i] = process.inbox():receive() end
    ]],
    ["keep builders"] = [[
      local t, b = {}, process.with_context({ k = ("x"):rep(1e4) })
      for i = 1, 1e6 do t[i] = b:with_message("t", t) end
    ]],
    ["make a builder bigger and bigger"] = [[
      local b, s = process.with_context({}), ("x"):rep(1e5)
      while true do b = b:with_message("t", s) end
    ]],
    ["keep zones"] = [[
      local t = {}
      for i = 1, 1e6 do t[i] = time.now():in_location(time.fixed_zone(("z"):rep(250), 60)) end
    ]],
    ["not read the results of what it has spawned"] = [[
      for i = 1, 300 do
        if process.spawn_monitored("demo:result", "demo:host") then process.wait() end
      end
    ]],
    ["allocate in a finalizer while it ends"] = [[
      local mt = { __gc = function() local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end end }
      if newproxy then getmetatable(newproxy(true)).__gc = mt.__gc else setmetatable({}, mt) end
    ]],
    ["allocate when its error is asked for its text"] = [[
      error(setmetatable({}, { __tostring = function()
        local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end
      end }))
    ]],
    ["name its locals at length"] = [[
      local name = ("a"):rep(2e5)
      local form = "local NAME = 1 local t = {} for i = 1, 3000 do t[i] = function() return NAME, i end end return t"
      local t = load((form:gsub("NAME", name)))()
      pcall(process.send, process.pid(), "t", t)
    ]],
    ["nest tables under long keys"] = [[
      local key, t = ("k"):rep(1e5), {}
      for i = 1, 3e4 do t = { [key] = t } end
      pcall(process.send, process.pid(), "t", t)
    ]],
    ["have calls fail"] = [[
      for i = 1, 2e5 do
        pcall(process.send, 1)
        pcall(process.listen, "x", { message = 1 })
        pcall(channel.new, -1)
        process.send("nobody", "t")
      end
    ]],
  }

  for what, body in pairs(attacks) do
    it("H-31 H-27 finds the limit of its memory when it tries to " .. what, function()
      local grown = growth(body)
      assert.is_true(grown < MOST, grown .. " MiB")
    end)
  end

  it("H-31 H-27 leaks nothing when there is no room for what a call returns", function()
    for _, call in ipairs({ "tostring(err)", "err .. 'x'", "#err", "now:format(text)", "errors.wrap(err, 'x')" }) do
      local grown = growth(([[
        local text, size, count = ("s"):rep(8e5), 2 ^ 22, 0
        local err, now = errors.new(text), time.now()
        local ballast = {}
        for i = 1, 2000 do ballast[i] = false end
        while size >= 64 do
          local ok, more = pcall(string.rep, "b", size)
          if ok then count = count + 1 ballast[count] = more else size = size / 2 end
        end
        more = nil
        local f = function() return %s end
        for i = 1, 400 do pcall(f) end
      ]]):format(call))
      assert.is_true(grown < MOST, call .. ": " .. grown .. " MiB")
    end
  end)

  it("H-31 H-27 does not lose what is garbage, though the library keeps most of it", function()
    local host = restricted()
    for _, body in ipairs({
      "for i = 1, 2e4 do errors.new(s) end",
      "for i = 1, 2e4 do process.send(process.pid(), 't', s) process.inbox():receive() end",
      "for i = 1, 2e4 do process.with_context({ k = s }) end",
    }) do
      assert.equal("done", run(host, "local s = ('x'):rep(1e4) " .. body .. " return 'done'"))
    end
  end)

  it("H-31 hands down no more context than one process may have", function()
    assert(process.define("spec.attacks:generation", [[
      return { main = function(host, to, n)
        process.send(to, "generation", n)
        local builder = process.with_context({ ["key" .. n] = ("x"):rep(1e6) })
        assert(builder:spawn("spec.attacks:generation", host, host, to, n + 1))
      end }
    ]]))
    local host = restricted()
    assert(process.spawn("spec.attacks:generation", host, host, process.pid(), 1))
    support.eventually(function()
      return process.host_info(host).processes == 0
    end)
    local last = 0
    for _ = 1, 20 do
      local msg = support.waiting(process.inbox())
      last = msg and msg:payload() or last
    end
    assert.is_true(last > 2 and last < 17, last)
  end)

  it("H-31 suffers alone, at whichever allocation there is no memory", function()
    assert(process.define("spec.attacks:echo", "return { main = function(x) return x end }"))
    assert(process.define("spec.attacks:everything", [[
      return { main = function(host, mode)
        local function all()
          local me, big = process.pid(), ("b"):rep(5000)
          local err = errors.wrap(errors.new({ message = big, details = { f = function() return big end } }), "context")
          local text = tostring(err) .. err:stack() .. #err
          local details = err:details()
          process.send(me, "t", big, { a = { b = big } }, err, function() return big end, time.now(), print)
          local listener = process.listen("t", { message = true })
          local payload = listener:receive():payload()
          process.unlisten(listener)
          process.registry.register("spec.attacks." .. me)
          process.registry.unregister("spec.attacks." .. me)
          local ch = channel.new(2)
          ch:send(big)
          channel.select({ ch:case_receive(), default = true })
          coroutine.spawn(function() ch:send(1) end)
          ch:receive()
          local builder = process.with_context({ k = big }):with_options({ memory_limit = 1000000 })
          builder:with_message("x", big):exec("spec.attacks:echo", host, big)
          process.spawn_monitored("spec.attacks:echo", host, { big })
          process.wait("20s")
          process.events():receive()
          process.cancel(me, big)
          process.events():receive()
          process.define("a:b", "x")
          pcall(process.send, 1)
          time.parse(time.RFC3339, "2024-01-01T00:00:00Z")
          local text = time.now():in_location(time.fixed_zone(("z"):rep(200), 60)):format(time.RFC3339)
          time.timer("1h"):stop()
          process.host_info(host)
          load("return 1")()
          local co = coroutine.wrap(function() coroutine.yield(big) end)
          co()
          if mode == "upgrade" then process.upgrade(nil, host, "again") end
          return "done"
        end
        if mode ~= "catch" then return all() end
        pcall(all)
        pcall(all)
        return "done"
      end }
    ]]))
    local host = restricted({ memory_limit = 4000000 })
    local outcomes = {}
    local modes = { "plain", "catch", "upgrade" }
    local step = support.jit and 3001 or 997
    for turn, memory in ipairs((function()
      local all = {}
      for limit = 1000, 400000, step do
        all[#all + 1] = limit
      end
      return all
    end)()) do
      local result, err =
        process.with_options({ memory_limit = memory }):exec("spec.attacks:everything", host, host, modes[turn % 3 + 1])
      local outcome = result or tostring(err):match("not enough memory") or tostring(err)
      outcomes[outcome] = (outcomes[outcome] or 0) + 1
    end
    local enough, short = outcomes["done"], outcomes["not enough memory"]
    outcomes["done"], outcomes["not enough memory"] = nil, nil
    assert.same({}, outcomes)
    assert.is_true(enough > 10 and short > 10, enough .. " " .. short)
    support.eventually(function()
      return process.host_info(host).processes == 0
    end)
  end)
end)

describe("code that does not want to end", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Ends a process that has said that it is at it; it must be gone soon after the grace.
  local function ends(host, body)
    local pid = assert(process.spawn_monitored(support.entry(body), host, process.pid()))
    support.receive(process.inbox())
    assert.is_true(process.terminate(pid))
    return support.event_of(pid).error
  end

  for what, body in pairs({
    ["a loop"] = "while true do end",
    ["a loop of errors caught"] = "while true do pcall(error) end",
    ["nested protected loops"] = "local function f() while true do pcall(f) end end f()",
    ["an error handler that loops"] = "xpcall(error, function() while true do end end)",
    ["coroutines inside coroutines"] = "local function f() coroutine.wrap(f)() end while true do pcall(f) end",
    ["a loop in a metamethod"] = "return setmetatable({}, { __index = function() while true do end end }).x",
    ["a comparison that loops"] = "table.sort({ 1, 2, 3 }, function() while true do end end)",
    ["a replacement that loops"] = "('x'):gsub('x', function() while true do end end)",
    ["collections"] = "while true do collectgarbage() end",
    ["a reader that loops"] = "load(function() while true do end end)",
    ["an endless recursion"] = "local function f() return 1 + f() end while true do pcall(f) end",
  }) do
    it("H-31 L-51 is ended in " .. what, function()
      local host = restricted({ terminate_grace = "10s" })
      assert.equal("process terminated", tostring(ends(host, "process.send(..., 'ready'); " .. body)))
      assert.equal(0, process.host_info(host).abandoned)
    end)
  end

  it("H-31 L-54 keeps its place on the host when it has to be given up", function()
    -- A pattern that takes ages is C code, which nothing can interrupt.
    local ages = "process.send(..., 'ready') return (('x'):rep(30)):find(('x*'):rep(7) .. 'y')"
    local host = restricted({ max_processes = 2, terminate_grace = "20ms" })
    for _ = 1, 2 do
      local pid = assert(process.spawn_monitored(support.entry(ages), host, process.pid()))
      support.receive(process.inbox())
      process.terminate(pid)
    end
    -- In whichever order.
    for _ = 1, 2 do
      assert.equal(process.event.EXIT, support.receive(process.events()).kind)
    end
    local info = process.host_info(host)
    if info.abandoned == 2 then
      local text = ("host is full: %s (limit 2)"):format(host)
      support.fails(text, "UNAVAILABLE", process.spawn(support.entry "return 1", host))
    end
    support.eventually(function()
      return process.host_info(host).abandoned == 0
    end)
    local pid = assert(process.spawn_monitored(support.entry "return 'again'", host))
    assert.equal("again", support.event_of(pid).result)
  end)

  it("H-31 B-98 overflows no stack but its own", function()
    local host = restricted()
    for _, body in ipairs({
      "local function f() return 1 + f() end f()",
      "local function f() return 1 + select(2, pcall(f)) end return f()",
      "local function f(s) return (s:gsub('.', f)) end f('x')",
      "local function f() table.sort({ 1, 2 }, f) end f()",
      "local function f() return coroutine.wrap(f)() end f()",
      "local t = {} setmetatable(t, { __index = function(_, k) return t[k .. 'x'] end }) return t.x",
      "local t = setmetatable({}, { __tostring = function(t) return (tostring(t)) end }) tostring(t)",
      "local e = setmetatable({}, { __concat = function(a, b) return a .. b end }) return e .. 'x'",
      "return load(('('):rep(1e5) .. '1' .. (')'):rep(1e5))",
      "local s = 'x' for i = 1, 1e4 do s = '{' .. s .. '}' end return load('return ' .. s)",
      "return (('x'):rep(1e5)):match(('(x'):rep(5000))",
      "local t = {} for i = 1, 2e5 do t = { t } end process.send(process.pid(), 't', t) process.inbox():receive()",
      "return select('#', table.unpack and table.unpack({}, 1, 1e7) or unpack({}, 1, 1e7))",
    }) do
      local ev = exit_of(host, "local ok, text = pcall(function(...) " .. body .. " end) return 'survived'")
      assert.is_true(ev.result == "survived" or ev.error ~= nil, body)
    end
    assert.equal("well", run(host, "return 'well'"))
  end)

  it("H-31 H-54 does in finalizers no more than elsewhere", function()
    local host = restricted({ terminate_grace = "200ms" })
    local other = support.spawn(support.parked)
    local proxy = [[
      local function finalized(f)
        if newproxy then getmetatable(newproxy(true)).__gc = f else setmetatable({}, { __gc = f }) end
      end
    ]]
    exit_of(
      host,
      proxy .. [[
        local other, main, host = ...
        finalized(function()
          local said = {}
          for _, name in ipairs({ "terminate", "link", "monitor", "cancel" }) do
            said[#said + 1] = tostring(select(2, process[name](other)))
          end
          said[#said + 1] = tostring(load(string.dump(print ~= nil and function() end)))
          process.send(main, "said", said)
        end)
      ]],
      other,
      process.pid(),
      host
    )
    local said = support.receive(process.inbox()):payload()
    for position, name in ipairs({ "terminate", "link", "monitor", "cancel" }) do
      assert.equal(("not allowed on host %s: %s"):format(host, name), said[position])
    end
    assert.equal("nil", said[5])
    -- One that brings back to life what it finalizes.
    assert.is_nil(exit_of(host, proxy .. "local function again() finalized(again) end again()").error)
  end)

  it("H-31 L-54 is given up when its finalizers do not end", function()
    local grown, result = growth([[
      local function finalized(f)
        if newproxy then getmetatable(newproxy(true)).__gc = f else setmetatable({}, { __gc = f }) end
      end
      collectgarbage("stop")
      for i = 1, 100 do
        finalized(function() while true do pcall(error) end end)
      end
      return "done"
    ]])
    assert.equal("done", result)
    assert.is_true(grown < MOST, grown .. " MiB")
    local _, ended = growth([[
      local function finalized(f)
        if newproxy then getmetatable(newproxy(true)).__gc = f else setmetatable({}, { __gc = f }) end
      end
      finalized(function() while true do end end)
      collectgarbage()
    ]], "100ms")
    assert.equal("process terminated", ended)
  end)
end)
