-- Restricted hosts: processes with few libraries. On Lua 5.4 they are a border for untrusted plain Lua
-- code; on LuaJIT, whose own library can be crashed from Lua, they are a convenience.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"

local fails = support.fails
local restricted, run, is_refused = border.restricted, border.run, border.is_refused

describe("the libraries of a restricted host", function()
  before_each(support.reset)
  after_each(support.finish)

  local globals = [[
    local names = {}
    for name in pairs(_G) do names[#names + 1] = name end
    table.sort(names)
    return names
  ]]

  local function has(names, wanted)
    for _, name in ipairs(names) do
      if name == wanted then
        return true
      end
    end
    return false
  end

  it("H-31 H-24 are those that `libs` lists, and this library's own", function()
    local names = run(restricted(), globals)
    for _, name in ipairs({
      "string", "table", "math", "coroutine", "print", "pcall", "process", "channel", "time", "errors",
    }) do
      assert.is_true(has(names, name), name)
    end
    for _, name in ipairs({ "io", "os", "debug", "package", "utf8", "bit", "jit", "ffi", "module" }) do
      assert.is_false(has(names, name), name)
    end
  end)

  it("H-31 can be any that the VM has", function()
    local more = support.jit and { "base", "table", "bit", "jit", "ffi" } or { "base", "table", "utf8" }
    local names = run(restricted({ libs = more }), globals)
    for _, name in ipairs({ "string", "math", "coroutine", "io", "os", "debug", "package" }) do
      assert.is_false(has(names, name), name)
    end
    for position = 2, #more do
      local name = more[position]
      assert.is_true(has(names, name) or name == "ffi", name)
    end
    names = run(restricted({ libs = { "base", "table", "io", "os", "debug", "package" } }), globals)
    for _, name in ipairs({ "io", "os", "debug", "package", "dofile", "loadfile", "require" }) do
      assert.is_true(has(names, name), name)
    end
  end)

  it("H-31 work as ever", function()
    local got = run(
      restricted(),
      [[
        local co = coroutine.wrap(function(a) coroutine.yield(a + 1) return "end" end)
        return {
          ("x"):rep(3), table.concat({ 1, 2 }, ","), math.floor(2.5), co(1), co(), select("#", 1, 2), tostring(nil),
          (load("return 1 + 1"))(), (pcall(error, "x")), getmetatable("").__index == string,
        }
      ]]
    )
    assert.same({ "xxx", "1,2", 2, 2, "end", 2, "nil", 2, false, true }, got)
  end)

  it("H-31 are found nowhere else: not by require, not in loaded modules, not behind an error object", function()
    local got = run(
      restricted({ libs = { "base", "table" } }),
      [[
        local found = {}
        for _, name in ipairs({ "string", "io", "os", "debug", "package", "ffi", "jit", "jit.util", "math", "utf8" }) do
          found[#found + 1] = pcall(require, name) and name or nil
        end
        local err = process.errors.new("x")
        for _, name in ipairs({ "rep", "dump", "format", "gsub" }) do
          found[#found + 1] = err[name] and name or nil
        end
        return found
      ]]
    )
    assert.same({}, got)
  end)

  it("H-31 H-42 without package leave require for this library's own modules", function()
    local got = run(
      restricted(),
      [[
        local same = {}
        for name, module in pairs({
          ["process"] = process, ["process.core"] = process, ["channel"] = channel, ["process.channel"] = channel,
          ["time"] = time, ["process.time"] = time, ["errors"] = errors, ["process.errors"] = errors,
          ["process.ctx"] = process.ctx, ["process.pg"] = process.pg,
        }) do
          same[name] = require(name) == module
        end
        local ok, text = pcall(require, "spec.support")
        return { same, ok, (text:gsub("^.-:%d+: ", "")) }
      ]]
    )
    for name, same in pairs(got[1]) do
      assert.is_true(same, name)
    end
    assert.is_false(got[2])
    assert.equal("module 'spec.support' not found: this host grants no others", got[3])
  end)

  it("H-31 H-8 without package leave require for the imports of the entry", function()
    assert(process.define("spec.restricted:util", "return { twice = function(n) return 2 * n end }"))
    assert(process.define("spec.restricted:importing", {
      source = [[
        return { main = function(n) return require("util") == require("util") and require("util").twice(n) end }
      ]],
      imports = { util = "spec.restricted:util" },
    }))
    local pid = assert(process.spawn_monitored("spec.restricted:importing", restricted(), 21))
    assert.equal(42, support.event_of(pid).result)
  end)

  it("H-31 without package leave no dofile, no loadfile and no search for entries on package.path", function()
    support.with_folder({ ["spec_found.lua"] = "return { main = function() return 'found' end }" }, function(folder)
      local path = package.path
      package.path = folder .. "/?.lua;" .. folder .. "/spec/?.lua;" .. path
      support.write(folder .. "/spec_found.lua", "return { main = function() return 'found' end }")
      local host = restricted()
      assert.same({ "nil", "nil" }, run(host, "return { tostring(dofile), tostring(loadfile) }"))
      assert(process.define("spec.restricted:module", { module = "spec_found" }))
      -- An unrestricted process finds the module for them; they do not.
      local pid = assert(process.spawn_monitored("spec.restricted:module", host))
      assert.equal("found", support.event_of(pid).result)
      local text = run(
        host,
        "local pid, err = process.spawn('spec.restricted:module', ...) return { tostring(err), #err:details().tried }",
        host
      )
      package.path = path
      assert.same({ "entry not found: spec.restricted:module", 0 }, text)
    end)
  end)

  if support.jit then
    it("H-31 H-30 leave the compiler on or off as `jit` says, with or without the library `jit`", function()
      for _, jit in ipairs({ true, false }) do
        assert.equal(jit, run(restricted({ libs = { "base", "jit" }, jit = jit }), "return (jit.status())"))
      end
      local function seconds(jit)
        return run(
          restricted({ libs = { "base" }, jit = jit }),
          "local start = time.now() local n = 0 for i = 1, 1e8 do n = n + 1 end return time.now():sub(start):seconds()"
        )
      end
      assert.is_true(seconds(false) > 2 * seconds(true))
    end)
  end
end)

describe("the code of a restricted process", function()
  before_each(support.reset)
  after_each(support.finish)

  it("H-31 is text: load takes no binary chunk, whatever it is told", function()
    local got = run(
      restricted(),
      [[
        local chunk = string.dump(function() return 1 end)
        local said = {}
        local function try(...)
          local f, text = load(...)
          said[#said + 1] = f == nil and type(text) == "string" and "refused" or "loaded"
        end
        try(chunk)
        try(chunk, "=x", "b")
        try(chunk, "=x", "bt")
        try("return 1", "=x", "b")
        try(chunk, "=x", nil, {})
        local at = 0
        try(function() at = at + 1 return at <= #chunk and chunk:sub(at, at) or nil end, "=x", "bt")
        if loadstring then
          said[#said + 1] = loadstring(chunk) == nil and "refused" or "loaded"
        end
        -- Loading of text works as usual.
        local env = { answer = 42 }
        local parts, n = { "return ", "answer" }, 0
        local f = load(function() n = n + 1 return parts[n] end, "=x", "t", env)
        said.answer = f()
        said.none = select("#", load("return"))
        said.syntax = select(2, load("x x", "=here"))
        return said
      ]]
    )
    for _, said in ipairs(got) do
      assert.equal("refused", said)
    end
    assert.equal(42, got.answer)
    assert.equal(1, got.none)
    assert.is_truthy(got.syntax:find("^here:1: "))
  end)

  it("H-31 B-34 is text: a definition with a binary chunk does not run there", function()
    local host = restricted()
    local chunk = string.dump(assert((loadstring or load)("return { main = function() return 'ran' end }")))
    assert(process.define("spec.restricted:binary", chunk))
    local text = "entry %s: attempt to load a binary chunk (mode is 't')"
    fails(text:format("spec.restricted:binary"), "INVALID", process.spawn("spec.restricted:binary", host))
    local pid = assert(process.spawn_monitored("spec.restricted:binary", support.host))
    assert.equal("ran", support.event_of(pid).result)
    support.with_folder({ ["chunk.lua"] = chunk, ["comment.lua"] = "#!lua\n" .. chunk }, function(folder)
      for _, file in ipairs({ "chunk", "comment" }) do
        local entry = "spec.restricted:file_" .. file
        assert(process.define(entry, { source = "file://" .. folder .. "/" .. file .. ".lua" }))
        fails(text:format(entry), "INVALID", process.spawn(entry, host))
        -- Even if others have run it, so that it is known already.
        assert.equal("ran", support.event_of(assert(process.spawn_monitored(entry, support.host))).result)
        fails(text:format(entry), "INVALID", process.spawn(entry, host))
      end
    end)
  end)

  it("H-31 B-100 is defined by others: define, define_host and load are not for them", function()
    local host = restricted()
    is_refused(host, "define", "return process.define('spec.restricted:mine', 'return function() end')")
    is_refused(host, "define", "return process.define('spec.restricted:double', 'return function() end')")
    is_refused(host, "define", "return process.define('no reference', 'x x')")
    is_refused(host, "define_host", "return process.define_host('spec.restricted:host', {})")
    is_refused(host, "load", "return process.load('.')")
    fails("host not found: spec.restricted:host", "NOT_FOUND", process.host_info("spec.restricted:host"))
    local text = "entry not found: spec.restricted:mine (no spec/restricted/mine.lua on package.path)"
    fails(text, "NOT_FOUND", process.spawn("spec.restricted:mine", support.host))
  end)

  it("H-31 B-100 spawns nothing but what others have defined, and on its own host alone", function()
    local host, other = restricted(), restricted()
    for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored", "exec" }) do
      for _, call in ipairs({
        "process.",
        "process.with_context({}):",
        "process.with_options({ memory_limit = 1000000 }):with_name('x'):",
      }) do
        local body = "return " .. call .. name .. "(...)"
        is_refused(host, name, body, "spec.restricted:idle", other)
        is_refused(host, name, body, "spec.restricted:idle", "app:processes")
        is_refused(host, name, body, "spec.entries:nobody", host)
        is_refused(host, name, "return " .. call .. name .. "(function() end, ...)", host)
      end
    end
    assert.equal(0, process.host_info(other).processes)
  end)

  it("H-31 spawns on its own host what others have defined", function()
    local host = restricted()
    assert.equal(42, run(host, "return (process.exec('spec.restricted:double', ..., 21))", host))
    assert.equal(42, run(host, "return (process.with_context({}):exec('spec.restricted:double', ..., 21))", host))
    local got = run(
      host,
      [[
        local pid = process.spawn_monitored("spec.restricted:double", ..., 4)
        return process.events():receive().result
      ]],
      host
    )
    assert.equal(8, got)
  end)

  it("H-31 B-100 is upgraded to what others have defined, and keeps its limits", function()
    local host = restricted()
    is_refused(host, "upgrade", "return process.upgrade('spec.entries:nobody')")
    assert.equal(42, run(host, "return process.upgrade('spec.restricted:double', 21)"))
    local again = [[
      local turn = ...
      if turn == 2 then return { pcall(string.rep, "x", 2e7) } end
      process.upgrade(nil, 2)
    ]]
    local got = run(host, again, 1)
    assert.is_false(got[1])
    assert.is_truthy(got[2]:find("not enough memory", 1, true))
  end)

  it("H-31 may be a function that others have sent there, and start anew", function()
    local host = restricted()
    local pid = assert(process.spawn_monitored(function(turn)
      if turn == 2 then
        return "again"
      end
      return process.upgrade(nil, 2)
    end, host, 1))
    assert.equal("again", support.event_of(pid).result)
  end)
end)
