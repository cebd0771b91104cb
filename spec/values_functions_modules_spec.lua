-- values.md: modules and environments that functions of real programs have captured.
local process = require "process"
local support = require "spec.support"
local host = support.host

-- Runs `body`, in which `...` is the folder, with these modules on package.path; the modules are forgotten afterwards.
local function with_modules(files, body)
  support.with_folder(files, function(folder)
    local path = package.path
    package.path = folder .. "/?.lua;" .. path
    local ok, err = pcall(body, folder)
    package.path = path
    for file in pairs(files) do
      package.loaded[file:gsub("%.lua$", ""):gsub("/", ".")] = nil
    end
    if not ok then
      error(err, 0)
    end
  end)
end

-- A function of this source, whose globals are the globals; what it captures is in `captured`.
local function code(source, captured)
  local names, values = {}, {}
  for name, value in pairs(captured or {}) do
    names[#names + 1], values[#values + 1] = name, value
  end
  local head = #names > 0 and ("local %s = ...\n"):format(table.concat(names, ", ")) or ""
  return (loadstring or load)(head .. "return " .. source)(support.unpack(values))
end

local shapes = {
  ["spec_shapes.lua"] = [[
    local Square = {}
    Square.__index = Square
    function Square.new(side) return setmetatable({ side = side }, Square) end
    function Square:area() return self.side * self.side end
    return Square
  ]],
}

describe("a captured module", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-25 crosses as the module of its name, whatever is in it", function()
    with_modules(shapes, function()
      local shapes_module = require "spec_shapes"
      local worker = code(
        "function(side) return { shapes.new(side):area(), shapes == require('spec_shapes') } end",
        { shapes = shapes_module }
      )
      assert.are.same({ 49, true }, process.exec(worker, host, 7))
    end)
    local cjson = require "cjson"
    local worker = code("function(text) return cjson.decode(text).answer end", { cjson = cjson })
    assert.are.equal(42, process.exec(worker, host, '{"answer":42}'))
  end)

  it("V-25 crosses so in a field, in a captured function, and when it is a function itself", function()
    local files = {
      ["spec_double.lua"] = "return function(x) return 2 * x end",
      ["spec_shapes.lua"] = shapes["spec_shapes.lua"],
    }
    with_modules(files, function()
      local double, Square = require "spec_double", require "spec_shapes"
      local tools = { deep = { double = double, Square = Square }, Square }
      local helper = code(
        "function(x) return tools.deep.double(tools.deep.Square.new(x):area()) end",
        { tools = tools }
      )
      local worker = code(
        "function(x) return { helper(x), double(x), tools[1] == tools.deep.Square } end",
        { helper = helper, double = double, tools = tools }
      )
      assert.are.same({ 18, 6, true }, process.exec(worker, host, 3))
    end)
  end)

  it("V-25 what the sender has changed in it does not cross", function()
    with_modules({ ["spec_plain.lua"] = "return { value = 1 }" }, function()
      local plain = require "spec_plain"
      plain.value, plain.more = 2, io.stdout
      local worker = code("function() return { plain.value, plain.more == nil } end", { plain = plain })
      assert.are.same({ 1, true }, process.exec(worker, host))
    end)
  end)

  it("V-25 of several names the shortest counts, then the first in byte order", function()
    with_modules({ ["spec_plain.lua"] = "return { name = ... }" }, function()
      local plain = require "spec_plain"
      package.loaded["spec_longer_name"] = plain
      package.loaded["spec_plaim"] = plain
      package.preload.spec_plaim = nil
      local worker = code("function() return plain.name end", { plain = plain })
      local _, err = process.exec(worker, host)
      package.loaded["spec_longer_name"], package.loaded["spec_plaim"] = nil, nil
      assert.is_truthy(tostring(err):find("module 'spec_plaim' not found", 1, true))
    end)
  end)

  it("V-25 the new process requires it before main is called, and its error is the process's", function()
    local files = { ["spec_fails.lua"] = "if not SPEC_SENDER then error('not here', 0) end return {}" }
    with_modules(files, function()
      rawset(_G, "SPEC_SENDER", true)
      local fails = require "spec_fails"
      rawset(_G, "SPEC_SENDER", nil)
      local worker = code("function(parent) require('process').send(parent, 'began', fails) end", { fails = fails })
      local pid = support.keep(assert(process.spawn_monitored(worker, host, process.pid())))
      local event = support.event_of(pid)
      assert.is_truthy(tostring(event.error):find("not here", 1, true))
      assert.is_nil(support.waiting(process.inbox()))
    end)
    local waits = { ["spec_waits.lua"] = "if coroutine.running() and SPEC_CHILD ~= false then"
      .. " require('process.time').sleep('2ms') end return { waited = true }" }
    with_modules(waits, function()
      rawset(_G, "SPEC_CHILD", false)
      local module = require "spec_waits"
      rawset(_G, "SPEC_CHILD", nil)
      assert.is_true(process.exec(code("function() return module.waited end", { module = module }), host))
    end)
  end)

  it("V-25 H-6 crosses so for a defined function, and again for each upgrade", function()
    with_modules(shapes, function()
      local worker = code([[function(again)
        local process = require "process"
        if again then process.upgrade(nil, false) end
        return Square.new(5):area()
      end]], { Square = require "spec_shapes" })
      assert(process.define("spec.modules:defined", worker))
      assert.are.equal(25, process.exec("spec.modules:defined", host))
      assert.are.equal(25, process.exec("spec.modules:defined", host, true))
      assert.are.equal(25, process.exec(worker, host, true))
      local large = code([[function(again)
        local process = require "process"
        if again then process.upgrade(nil, false) end
        return Square.new(#text):area()
      end]], { Square = require "spec_shapes", text = ("x"):rep(20000) })
      assert.are.equal(400000000, process.exec(large, host, true))
    end)
  end)

  it("V-25 W-6 crosses so in the function of a pool", function()
    with_modules(shapes, function()
      local fn = code("function(side) return Square.new(side):area() end", { Square = require "spec_shapes" })
      local results, errors = require("process.pool").map({ 1, 2, 3 }, fn, { host = host, workers = 2 })
      assert.is_nil(errors)
      assert.are.same({ 1, 4, 9, n = 3 }, results)
    end)
  end)

  it("V-25 V-20 in a message nothing changes, but a refusal inside a module says what to do", function()
    local cjson = require "cjson"
    local fn = code("function(text) return cjson.decode(text) end", { cjson = cjson })
    local _, err = process.send(process.pid(), "x", fn)
    local text = "^cannot send a %%a+ %%(argument 3, %s.+%%): require it inside the function$"
    assert.is_truthy(tostring(err):find(text:format("local cjson, ")))
    _, err = process.send(process.pid(), "x", { cjson = cjson })
    assert.is_truthy(tostring(err):find(text:format("%.cjson")))
    local _, other = process.send(process.pid(), "x", { co = coroutine.create(print) })
    assert.are.equal("cannot send a thread (argument 3, .co)", tostring(other))
    with_modules({ ["spec_plain.lua"] = "return { value = 1 }" }, function()
      local plain = require "spec_plain"
      plain.value = 2
      assert(process.send(process.pid(), "x", code("function() return plain.value end", { plain = plain })))
      assert.are.equal(2, support.receive(process.inbox()):payload()())
    end)
  end)
end)

describe("a captured table with a metatable", function()
  before_each(support.reset)
  after_each(support.finish)

  it("V-26 is refused in an entry, wherever it is captured", function()
    local Account = setmetatable({}, { __call = print })
    local text = "cannot send a table with a metatable (argument 1, local Account): "
      .. "require the module inside the function"
    local worker = code("function() return Account end", { Account = Account })
    support.fails(text, "INVALID", process.spawn(worker, host))
    support.fails(
      "cannot send a table with a metatable (argument 1, local box, .account): require the module inside the function",
      "INVALID",
      process.spawn(code("function() return box end", { box = { account = Account } }), host)
    )
    support.fails((text:gsub("argument 1", "argument 2")), "INVALID", process.define("spec.modules:account", worker))
  end)

  it("V-26 V-7 elsewhere the metatable is dropped, unless the sender has set strict_values", function()
    local value = setmetatable({ 1 }, { __index = print })
    assert.are.same({ 1 }, process.exec(support.entry "return ...", host, value))
    assert(process.send(process.pid(), "x", { value }))
    assert.are.same({ { 1 } }, support.receive(process.inbox()):payload())
    assert.is_false(process.get_options().strict_values)
    assert.is_true(process.set_options { strict_values = true })
    local function refused(place, sent)
      local text = ("cannot send a table with a metatable (argument 3%s)"):format(place)
      support.fails(text, "INVALID", process.send(process.pid(), "x", sent))
    end
    refused(", [1]", { value })
    refused("", value)
    assert(process.send(process.pid(), "x", { 1 }))
    assert.are.same({ 1 }, support.receive(process.inbox()):payload())
    support.fails("option strict_values must be a boolean", "INVALID", process.set_options { strict_values = 1 })
  end)
end)

describe("an environment that falls back to the globals", function()
  before_each(support.reset)
  after_each(support.finish)

  local body = "return function() own = (own or 0) + 1 return { own, type(print), type(string.rep), absent == nil } end"

  local function check(environment)
    local fn = support.in_environment(body, environment)()
    assert.are.same({ 6, "function", "function", true }, process.exec(fn, host))
    assert(process.send(process.pid(), "x", fn))
    assert.are.same({ 6, "function", "function", true }, support.receive(process.inbox()):payload()())
    assert.are.equal(5, rawget(environment, "own"))
  end

  it("V-27 arrives with its own fields and falls back to the receiver's globals", function()
    check(setmetatable({ own = 5 }, { __index = _G }))
    check(setmetatable({ own = 5 }, { __index = setmetatable({}, { __index = _G }) }))
    check(setmetatable({ own = 5 }, { __index = function(_, name) return rawget(_G, name) end }))
  end)

  it("V-27 objects of the program in it are left out", function()
    local environment = setmetatable({ own = 5, object = setmetatable({}, { __call = print }) }, { __index = _G })
    environment.co, environment.file = coroutine.create(print), io.tmpfile()
    local source = "return function() return { own, object == nil, co == nil, file == nil } end"
    local fn = support.in_environment(source, environment)()
    assert.are.same({ 5, true, true, true }, process.exec(fn, host))
    assert.are.equal("table", type(environment.object))
  end)

  it("V-27 functions that share one share it there", function()
    local environment = setmetatable({}, { __index = _G })
    local set = support.in_environment("return function(x) shared = x end", environment)()
    local get = support.in_environment("return function() return shared end", environment)()
    local worker = code("function() set(7) return get() end", { set = set, get = get })
    assert.are.equal(7, process.exec(worker, host))
  end)

  it("V-27 leaves out nothing of a table that comes behind an environment that is known", function()
    local environment = setmetatable({}, { __index = _G })
    local one = support.in_environment("return function() return type(print) end", environment)()
    local two = support.in_environment("return function() return type(print) end", environment)()
    local behind = { setmetatable({ 7 }, {}) }
    local fn = code("function() return { one(), two(), behind[1][1] } end", { one = one, two = two, behind = behind })
    assert(process.send(process.pid(), "x", fn))
    assert.are.same({ "function", "function", 7 }, support.receive(process.inbox()):payload()())
  end)

  it("V-27 V-20 the globals themselves stay the globals, whatever their metatable", function()
    assert.are.equal("strict\n", support.output_of([[
      local process = require "process"
      setmetatable(_G, { __index = function(_, name) error("undeclared " .. tostring(name), 2) end })
      print(process.exec(function() answer = "strict" return rawget(_G, "answer") end, "app:processes"))
    ]]))
  end)
end)
