-- luacheck: no max line length
-- Attempts of code inside a restricted process to use up the memory of the program.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local restricted, run = border.restricted, border.run
local growth, MOST = border.growth, border.MOST

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
    ["ask a child to end"] = [[
      local s = ("x"):rep(1e5)
      local child = assert(process.spawn("demo:parked", "demo:host"))
      while process.cancel(child, s) do end
    ]],
    ["ask a child to end, though each call fails"] = [[
      local s = ("x"):rep(1e5)
      local child = assert(process.spawn("demo:parked", "demo:host"))
      for i = 1, 1e5 do pcall(process.cancel, child, s) end
    ]],
    ["set a child earlier and earlier deadlines"] = [[
      local child = assert(process.spawn("demo:reader", "demo:host"))
      for i = 1, 1e6 do process.cancel(child, nil, (9e6 - i) * time.SECOND) end
    ]],
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
