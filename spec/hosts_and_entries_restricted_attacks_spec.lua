-- luacheck: no max line length
-- Attempts of code that wants to get out of a restricted process, or does not want to end.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local restricted, run, exit_of = border.restricted, border.run, border.exit_of
local growth, MOST = border.growth, border.MOST

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
        -- Calls that wait, or end the process.
        local skipped = { call = true, await = true, send_wait = true, traceback = true, wait = true, sleep = true, select = true, exec = true, upgrade = true, terminate = true }
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

describe("code that does not want to end", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Ends a process that has said that it is busy; it must be gone soon after the grace.
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
    -- A pattern match that takes ages is C code, and nothing can interrupt it.
    local ages = "process.send(..., 'ready') return (('x'):rep(30)):find(('x*'):rep(7) .. 'y')"
    local host = restricted({ max_processes = 2, terminate_grace = "20ms" })
    for _ = 1, 2 do
      local pid = assert(process.spawn_monitored(support.entry(ages), host, process.pid()))
      support.receive(process.inbox())
      process.terminate(pid)
    end
    -- In any order.
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
    -- A finalizer that brings its object back to life.
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
