-- The place where an error happened: err:stack() for people, errors.call_stack(err) for programs.
local process = require "process"
local channel = require "process.channel"
local errors = require "process.errors"
local support = require "spec.support"

local here = "spec/errors_stack_spec.lua"

-- The source and line of a function, as frames show them.
local function line_of(f, offset)
  return debug.getinfo(f, "S").linedefined + (offset or 0)
end

-- The error that ends a child with this body.
local function failure_of(body, ...)
  return support.exit_of(body, ...).error
end

-- The lines of a body that an error has come through, innermost first; support.entry puts one line before the body.
local function lines_of(err)
  local lines = {}
  for _, frame in ipairs(errors.call_stack(err).frames) do
    assert.matches("^spec%.inline:e%d+$", frame.source)
    lines[#lines + 1] = frame.line - 1
  end
  return lines
end

describe("errors.call_stack", function()
  before_each(support.reset)
  after_each(support.finish)

  it("E-16 tells the functions that were active, the innermost first", function()
    local err
    local function inner()
      err = errors.new("no ink")
    end
    local function outer()
      inner()
      return true
    end
    outer()
    local stack = errors.call_stack(err)
    local frames = stack.frames
    assert.are.same({ frames = frames, thread = process.pid() }, stack)
    assert.matches(here, frames[1].source, 1, true)
    assert.are.equal(line_of(inner, 1), frames[1].line)
    assert.are.equal("inner", frames[1].name)
    assert.are.equal(line_of(outer, 1), frames[2].line)
    assert.are.equal("outer", frames[2].name)
    assert.matches(here, frames[3].source, 1, true)
    assert.are.equal(line_of(outer, 4), frames[3].line)
  end)

  it("E-16 tells the process as thread", function()
    assert.are.equal(process.pid(), errors.call_stack(errors.new("here")).thread)
    local pid = support.spawn_monitored("error('there')")
    assert.are.equal(pid, errors.call_stack(support.event_of(pid).error).thread)
  end)

  it("E-16 tells what err:stack() says, and no more: functions in C have no line and are left out", function()
    local ok, err = pcall(function()
      local replaced = string.gsub("x", "x", function() error(errors.new("in a callback")) end)
      return replaced
    end)
    assert.is_false(ok)
    assert.matches("\n\t%[C%]: in %a+ 'gsub'\n", err:stack())
    local text = "\n" .. err:stack()
    for _, frame in ipairs(errors.call_stack(err).frames) do
      assert.is_not_equal("[C]", frame.source)
      local line = ("\t%s:%d: in "):format(frame.source, frame.line)
      local _, last = text:find(line, 1, true)
      assert.is_truthy(last, line .. " is not in " .. text)
      text = text:sub(last)
    end
  end)

  it("E-16 gives nil for whatever is no error object, and never raises", function()
    for _, value in ipairs({ "text", 1, true, {}, print, io.stdout, channel.new(), process.events() }) do
      assert.is_nil(errors.call_stack(value))
    end
    assert.is_nil(errors.call_stack(nil))
    assert.is_nil(errors.call_stack())
    assert.are.equal("table", type(errors.call_stack(errors.new("x"), "more", 1)))
  end)

  it("E-16 E-4 has no frames for an error without a stack", function()
    local _, err = process.send("nobody.at.home", "topic")
    assert.are.equal("", err:stack())
    assert.are.same({ thread = "", frames = {} }, errors.call_stack(err))
  end)

  it("E-16 gives a new table each time", function()
    local err = errors.new("x")
    local first = errors.call_stack(err)
    local line = first.frames[1].line
    first.frames[1].line = 0
    first.thread = nil
    assert.are.equal(line, errors.call_stack(err).frames[1].line)
    assert.are.equal(process.pid(), errors.call_stack(err).thread)
  end)

  it("E-16 E-14 is the same for a wrapped error; a string has the stack of the call of wrap", function()
    local inner = errors.new("no ink")
    assert.are.same(errors.call_stack(inner), errors.call_stack(errors.wrap(inner, "printing")))
    local outer
    local function printing()
      outer = errors.wrap("no ink", "printing")
    end
    printing()
    assert.are.equal(line_of(printing, 1), errors.call_stack(outer).frames[1].line)
  end)

  it("E-16 V-5 arrives with the error", function()
    local err = errors.new("no ink")
    assert(process.send(process.pid(), "error", { err }))
    local copy = support.receive(process.inbox()):payload()[1]
    assert.are.same(errors.call_stack(err), errors.call_stack(copy))
    assert.are.same(errors.call_stack(err), errors.call_stack(support.result_of("return ...", err)))
    local stack = support.result_of("return errors.call_stack(...)", err)
    assert.are.same(errors.call_stack(err), stack)
  end)

  it("E-16 names the main part of a chunk", function()
    local code = "local errors = ...\nlocal err = errors.new('x')\nreturn err"
    local err = assert((loadstring or load)(code, "=a chunk"))(errors)
    assert.are.same({ source = "a chunk", line = 2, name = "main chunk" }, errors.call_stack(err).frames[1])
  end)

  it("E-16 knows names and sources apart, whatever they are", function()
    local sources = {
      ["=a b: c"] = "a b: c",
      ["@./dir with space/x:1: in y.lua"] = "./dir with space/x:1: in y.lua",
      ["=x\n\ty:3: in ?"] = "x\\010\\009y:3: in ?",
      ["local errors, name = ..."] = '[string "local errors, name = ..."]',
    }
    local names = {
      ["take stock"] = "take stock", ["a:1: in function 'b'"] = "a:1: in function 'b'",
      ["it's"] = "it's", ["two\n\tlines:4: in ?"] = "two\\010\\009lines:4: in ?",
    }
    for source, shown in pairs(sources) do
      for name, shown_name in pairs(names) do
        local code = ([[local errors, name = ...
          local shop = {
            [%q] = function() local err = errors.new("x") return err end,
          }
          local err = shop[%q]()
          return err]]):format(name, name):gsub("\\\n", "\\n")
        local err = assert((loadstring or load)(code, source))(errors)
        local frames = errors.call_stack(err).frames
        assert.are.same({ source = shown, line = 3, name = shown_name }, frames[1])
        assert.are.same({ source = shown, line = 5, name = "main chunk" }, frames[2])
      end
    end
  end)

  it("E-16 shows the innermost and the outermost functions of a deep stack", function()
    local err
    local function down(n)
      if n == 0 then
        err = errors.new("deep")
      else
        down(n - 1)
      end
      return true
    end
    local function start()
      down(1000)
      return true
    end
    start()
    assert.matches("\n\t%.%.%.\t%(skipping %d+ levels%)\n", err:stack())
    local frames = errors.call_stack(err).frames
    assert.are.equal(line_of(down, 2), frames[1].line)
    for i = 2, 10 do
      assert.are.equal(line_of(down, 4), frames[i].line)
    end
    assert.is_true(#frames <= 21)
  end)
end)

describe("the error that ends a process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("L-11 E-16 tells file and line of the entry", function()
    local text = [[
      local clerk = {}
      local function take(shelf)
        return shelf.stock
      end
      function clerk.main()
        local stock = take(nil)
        return stock
      end
      return clerk]]
    support.with_folder({ ["shop/clerk.lua"] = text }, function(folder)
      local file = folder .. "/shop/clerk.lua"
      assert(process.define("spec.stack:clerk", { source = "file://" .. file }))
      local pid = assert(process.spawn_monitored("spec.stack:clerk", support.host))
      local err = support.event_of(pid).error
      assert.matches(file .. ":3:", err:stack(), 1, true)
      assert.matches(file .. ":6:", err:stack(), 1, true)
      local frames = errors.call_stack(err).frames
      assert.are.equal(2, #frames)
      assert.are.same({ source = file, line = 3, name = "take" }, frames[1])
      assert.are.same({ file, 6 }, { frames[2].source, frames[2].line })
    end)
  end)

  -- Bodies of main, and the lines of the frames of their error, innermost first (loaded code begins one line before).
  local bodies = {
    { "error with a text", "local x = 1\nerror('no stock')", { 2 } },
    { "error with a text without position", "local x = 1\nerror('no stock', 0)", { 2 } },
    { "error with another value", "local x = 1\nerror({ sku = 17 })", { 2 } },
    { "assert", "local x = 1\nassert(false, 'no stock')", { 2 } },
    { "a mistake", "local shelf\nlocal stock = shelf.stock\nreturn stock", { 2 } },
    { "a mistake in an operator", "local shelf = {}\nlocal sum = shelf + 1\nreturn sum", { 2 } },
    { "a wrong argument", "local x = 1\nstring.rep()", { 2 } },
    { "a wrong argument of the library", "local x = 1\ntime.sleep('soon')", { 2 } },
    { "a wrong use of a channel", "local ch = channel.new()\nch:close()\nch:send(1)", { 3 } },
    { "a wrong use of a mailbox channel", "local ch = process.inbox()\nch:send(1)", { 2 } },
    { "a function that it calls", "local function f()\nerror('x')\nend\nf()\nreturn 1", { 2, 4 } },
    { "a tail call", "local function f()\nerror('x')\nend\nreturn f()", { 2 } },
    { "a callback", "local r = ('x'):gsub('x', function()\nlocal t\nt.x = 1\nend)\nreturn r", { 3, 1 } },
    { "a comparison", "local t = { 3, 1, 2 }\ntable.sort(t, function(a, b)\nreturn a.x < b\nend)", { 3, 2 } },
    { "a metamethod", "local t = setmetatable({}, { __index = function(_, k)\nreturn k + {}\nend })\nreturn t.x",
      { 2, 4 } },
    { "an iterator", "for _ in function()\nerror('x')\nend do\nend", { 2, 1 } },
    { "a module that it requires", "package.preload.q = function()\nlocal t\nt.x = 1\nend\nrequire 'q'", { 3, 5 } },
    { "a module that is not there", "local x = 1\nrequire 'no.such.module'", { 2 } },
    { "a managed coroutine", "coroutine.spawn(function()\nerror('x')\nend)\nchannel.new():receive()", { 2 } },
    { "a mistake in a managed coroutine",
      "coroutine.spawn(function()\nlocal t\nt.x = 1\nend)\nchannel.new():receive()", { 3 } },
    { "a managed coroutine of a managed coroutine", "coroutine.spawn(function()\ncoroutine.spawn(function(t)\nt.x = 1\n"
      .. "end)\nchannel.new():receive()\nend)\nchannel.new():receive()", { 3 } },
    { "code after a wait", "time.sleep('1ms')\nlocal t\nt.x = 1", { 3 } },
    { "a plain coroutine", "local co = coroutine.wrap(function()\nlocal t\nt.x = 1\nend)\nco()\nreturn 1", { 3, 5 } },
    { "a plain coroutine that raises", "local co = coroutine.wrap(function()\nerror('x')\nend)\nco()\nreturn 1",
      { 2, 4 } },
    { "a plain coroutine that raises a table", "local co = coroutine.wrap(function()\nerror({})\nend)\nco()\nreturn 1",
      { 2, 4 } },
    { "a plain coroutine after a wait",
      "local co = coroutine.wrap(function()\ntime.sleep('1ms')\nerror('x')\nend)\nco()\nreturn 1", { 3, 5 } },
    { "a generator in a for", "for _ in coroutine.wrap(function()\ncoroutine.yield(1)\nerror('x')\nend) do\nend",
      { 3, 1 } },
    { "coroutines inside each other", "local f = coroutine.wrap(function()\nlocal g = coroutine.wrap(function(t)\n"
      .. "t.x = 1\nend)\ng()\nend)\nf()\nreturn 1", { 3, 5, 7 } },
    { "a dead coroutine", "local co = coroutine.wrap(function()\nerror('x')\nend)\npcall(co)\nco()\nreturn 1", { 5 } },
    { "a coroutine, after the error of another was caught", "pcall(coroutine.wrap(function()\nerror('x')\nend))\n"
      .. "error('y')", { 4 } },
    { "an error that was caught and is raised again", "local ok, err = pcall(error, 'x')\nerror(err, 0)", { 2 } },
    { "the error of a coroutine, raised again", "local co = coroutine.create(error)\n"
      .. "local ok, err = coroutine.resume(co, 'x')\nerror(err, 0)", { 3 } },
    { "code that was loaded", "local f = (loadstring or load)('local t t.x = 1', '=spec.inline:e0')\nf()\nreturn 1",
      { 0, 2 } },
    { "code that LuaJIT has compiled", "local t = {}\nfor i = 1, 300 do\nif i == 299 then t = nil end\nt.x = i\nend",
      { 4 } },
    { "an error object", "local err = errors.new('x')\nlocal x = 1\nerror(err)", { 1 } },
    { "an error object, returned", "local err = errors.new('x')\nlocal x = 1\nreturn nil, err", { 1 } },
    { "an error object, wrapped", "local err = errors.new('x')\nerror(errors.wrap(err, 'y'))", { 1 } },
    { "an error object in a coroutine",
      "local co = coroutine.wrap(function()\nerror(errors.new('x'))\nend)\nco()\nreturn 1", { 2 } },
    { "an error of the library", "local x = 1\nerror(select(2, process.send('nobody', 't')))", { 2 } },
    { "assert of a call that failed", "local x = 1\nassert(process.spawn('no.such:entry', 'app:processes'))", { 2 } },
  }
  for _, row in ipairs(bodies) do
    it("L-11 E-16 tells where it happened: " .. row[1], function()
      local err = failure_of(row[2])
      assert.matches("^stack traceback:\n\t", err:stack())
      assert.are.same(row[3], lines_of(err), err:stack())
      assert.is_nil(err:stack():find("[process]", 1, true), err:stack())
      assert.is_nil(err:stack():find("xpcall", 1, true), err:stack())
    end)
  end

  it("L-11 E-16 names the functions in C on the way, and those of the library as if they were", function()
    local cases = {
      ["error('x')"] = "[C]: in function 'error'",
      ["local n = time.sleep('soon')"] = "[C]: in field 'sleep'",
      ["local ch = channel.new(); ch.receive(1)"] = "[C]: in field 'receive'",
      ["local ch = process.inbox(); ch:send(1)"] = "[C]: in method 'send'",
      ["local r = channel.select({})"] = "[C]: in field 'select'",
    }
    for body, frame in pairs(cases) do
      local stack = failure_of(body):stack()
      assert.matches("stack traceback:\n\t" .. frame .. "\n\tspec.inline:e", stack, 1, true)
    end
  end)

  it("L-11 (i) E-16 tells where the main chunk of an entry failed", function()
    assert(process.define("spec.stack:chunk", "local shelf\nlocal stock = shelf.stock\nreturn {}"))
    local err = support.event_of(assert(process.spawn_monitored("spec.stack:chunk", support.host))).error
    assert.are.same({ { source = "spec.stack:chunk", line = 2, name = "main chunk" } }, errors.call_stack(err).frames)
    assert.are.equal("stack traceback:\n\tspec.stack:chunk:2: in main chunk", err:stack())
  end)

  it("L-11 E-16 has no stack where no code of the process failed", function()
    local bodies_without = {
      "return nil, 'only a text'",
      "return nil, select(2, process.send('nobody', 't'))",
      "return io.stderr",
    }
    for _, body in ipairs(bodies_without) do
      local err = failure_of(body)
      assert.are.equal("", err:stack())
      assert.are.same({ thread = "", frames = {} }, errors.call_stack(err))
    end
    assert(process.define("spec.stack:nothing", "return {}"))
    local err = support.event_of(assert(process.spawn_monitored("spec.stack:nothing", support.host))).error
    assert.are.equal("", err:stack())
  end)

  it("L-11 E-16 of a process is handed on as it is", function()
    local err = failure_of([[
      process.spawn_monitored(..., "app:processes")
      error(process.events():receive().error)
    ]], support.entry("local x = 1\nerror('at the bottom')"))
    assert.are.same({ 2 }, lines_of(err))
    assert.matches("at the bottom$", tostring(err))
  end)

  it("L-11 E-16 has a stack of sensible length, however deep it was", function()
    assert(process.define_host("spec.stack:quiet", { report = false }))
    for _, body in ipairs({
      "local function f() return 1 + f() end f()",
      "local function f() coroutine.wrap(f)() return 1 end f()",
      "local function f() ('x'):gsub('x', f) return 1 end f()",
    }) do
      local pid = assert(process.spawn_monitored(support.entry(body), "spec.stack:quiet"))
      local err = support.event_of(pid).error
      assert.is_true(err:find("stack overflow", 1, true) ~= nil, tostring(err):sub(-100))
      assert.is_true(#err:stack() < 5000, #err:stack())
      assert.is_true(#errors.call_stack(err).frames >= 10, err:stack())
    end
  end)

  it("E-16 L-11 says where a stack has overflowed, compiled or not", function()
    -- Bodies, and the lines that may be the innermost one and must be the one below it.
    for body, lines in pairs({
      ["local function f()\nreturn 1 + f()\nend\nf()"] = { 1, 2, below = 2 },
      ["local function f(t)\nlocal c = {}\nfor i = 1, #t do\nc[i] = f(t[i])\nend\nreturn c\nend\n" ..
        "local t = {}\nt[1] = t\nf(t)"] = { 1, 2, 3, 4, below = 4 },
      ["local function f(t)\nlocal n = 1\nfor i = 1, #t do\nn = n + f(t[i])\nend\nreturn n\nend\n" ..
        "local t = {}\nt[1] = t\ncoroutine.spawn(f, t)\nchannel.new():receive()"] = { 1, 2, 3, 4, below = 4 },
    }) do
      for _ = 1, 5 do
        local err = failure_of(body)
        local found = lines_of(err)
        assert.equal(lines.below, found[2])
        local innermost = false
        for _, line in ipairs(lines) do
          innermost = innermost or line == found[1]
        end
        assert.is_true(innermost, err:stack())
        assert.matches(("^spec%%.inline:e%%d+:%d: stack overflow"):format(found[1] + 1), tostring(err))
      end
    end
  end)

  it("L-11 E-16 keeps its text and values while its stack is noted", function()
    local value = { sku = 17 }
    local exit = support.exit_of("coroutine.spawn(error, ...)\nchannel.new():receive()", value)
    assert.are.same({ value = value }, exit.error:details())
    for count = 0, 3 do
      local results = support.result_of("return { n = select('#', ...), ... }", support.unpack({ 1, nil, 3 }, 1, count))
      assert.are.equal(count, results.n)
    end
  end)
end)

describe("coroutine.wrap in a spawned process", function()
  after_each(support.finish)

  it("C-33 puts its caller's position before a text, as the stock one does", function()
    local result = support.result_of([[
      local co = coroutine.wrap(function() error("inner") end)
      return select(2, pcall(function()
        co()
      end))
    ]])
    assert.matches("^spec%.inline:e%d+:4: spec%.inline:e%d+:2: inner$", result)
  end)
end)
