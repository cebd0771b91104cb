-- luacheck: no max line length
-- Functions that are refused: by hosts that take none, and by processes that do not trust the sender.
local support = require "spec.support"
local border = require "spec.support.border"
local process = require "process"
local errors = require "process.errors"

local fails = support.fails
local restricted, run = border.restricted, border.run

local idle = support.entry(support.parked)

-- An error whose details hold this value.
local function holding(value)
  return errors.new({ message = "see details", details = { value } })
end

describe("a host that takes no functions", function()
  before_each(support.reset)
  after_each(support.finish)

  local host

  before_each(function()
    host = border.host({ functions = false, mailbox_limit = 10 })
  end)

  local function refused(place, ...)
    return fails(("cannot send a function (%s) to host %s"):format(place, host), "INVALID", ...)
  end

  it("V-23 B-20 refuses them as arguments, wherever they stand", function()
    local function f() end
    for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "exec" }) do
      refused("argument 3", process[name](idle, host, f))
    end
    refused("argument 4, .on_sale", process.spawn(idle, host, 1, { on_sale = f }))
    refused("argument 3, [1][2]", process.spawn(idle, host, { { 1, f } }))
    refused("argument 3, key of the table", process.spawn(idle, host, { [f] = 1 }))
    assert.equal(0, process.host_info(host).processes)
  end)

  it("V-23 B-20 refuses them as an entry", function()
    refused("argument 1", process.spawn(function() end, host))
    refused("argument 1", process.exec(function() end, host))
    assert.equal(0, process.host_info(host).processes)
  end)

  it("V-23 B-20 refuses them in messages, of which nothing arrives", function()
    local pid = assert(process.spawn_monitored(
      support.entry("local n = process.inbox():receive():topic() return n"),
      host
    ))
    refused("argument 3", process.send(pid, "t", function() end))
    refused("argument 4, .a.b", process.send(pid, "t", 1, { a = { b = function() end } }))
    assert.is_true(process.send(pid, "first", 1))
    assert.equal("first", support.event_of(pid).result)
  end)

  it("V-23 refuses standard functions, standard tables and the table of globals too", function()
    local pid = assert(process.spawn(idle, host))
    for _, value in ipairs({ print, string.rep, process.send, require, coroutine.wrap, math, process, _G }) do
      refused("argument 3", process.send(pid, "t", value))
      refused("argument 3, [1]", process.send(pid, "t", { value }))
    end
    assert.is_true(process.terminate(pid))
  end)

  it("V-23 refuses them in the details of errors", function()
    local pid = assert(process.spawn(idle, host))
    local err = select(2, process.send(pid, "t", holding(print)))
    assert.is_truthy(tostring(err):find(" to host " .. host, 1, true))
    assert.equal(errors.INVALID, err:kind())
    assert.is_true(process.send(pid, "t", holding(1)))
    assert.is_true(process.terminate(pid))
  end)

  it("V-23 refuses them as context values and as first messages", function()
    refused("context", process.with_context({ f = print }):spawn(idle, host))
    refused("argument 2", process.with_context({}):with_message("t", print):spawn(idle, host))
    assert.equal(0, process.host_info(host).processes)
  end)

  it("V-23 refuses them as results of what its processes execute", function()
    local child = support.entry("return { print }")
    local text = run(host, "local _, err = process.exec(...) return tostring(err)", child, "app:processes")
    assert.equal(("cannot send a function (result) to host %s"):format(host), text)
    local in_event = run(
      host,
      "local pid = process.spawn_monitored(...) return tostring(process.events():receive().error)",
      child,
      "app:processes"
    )
    assert.equal(text, in_event)
  end)

  it("V-23 runs an entry that was defined by a function: it is code", function()
    local factor = 2
    assert(process.define("spec.border:double", function(n)
      return factor * n
    end))
    local pid = assert(process.spawn_monitored("spec.border:double", host, 21))
    assert.equal(42, support.event_of(pid).result)
  end)

  it("V-23 lets its processes send functions to others", function()
    assert.is_true(run(host, "return process.send(..., 't', function() return 42 end)", process.pid()))
    assert.equal(42, support.receive(process.inbox()):payload()())
  end)
end)

describe("functions of restricted processes", function()
  before_each(support.reset)
  after_each(support.finish)

  -- A process on the host that calls the function it gets, and sends back the result.
  local function caller(host)
    return assert(process.spawn(
      support.entry [[
        while true do
          local msg = process.inbox():receive()
          process.send(msg:from(), "result", msg:payload()())
        end
      ]],
      host
    ))
  end

  -- Runs a body on the host that sends something to `pid`, as `sent` says: the text of the error, or true.
  local function sends(host, pid, sent)
    return run(host, "local ok, err = process.send(..., 't', " .. sent .. ") return ok or tostring(err)", pid)
  end

  it("V-23 H-31 B-20 are refused by a process that has more libraries", function()
    local host = restricted()
    local text = "cannot send a function (%s) to host main"
    for sent, place in pairs({
      ["function() end"] = "argument 3",
      ["{ { f = function() end } }"] = "argument 3, [1].f",
      ["print"] = "argument 3",
      ["string"] = "argument 3",
      ["_G"] = "argument 3",
      ["1, function() end"] = "argument 4",
    }) do
      assert.equal(text:format(place), sends(host, process.pid(), sent))
    end
    assert.is_true(sends(host, process.pid(), "'last'"))
    assert.equal("last", support.receive(process.inbox()):payload())
  end)

  it("V-23 are refused by a restricted process as well, if it has a library that the sender has not", function()
    local few = restricted({ libs = { "base", "table" } })
    local more = restricted({ libs = { "base", "table", "string" } })
    local other = restricted({ libs = { "base", "math" } })
    local pid = caller(more)
    assert.equal(("cannot send a function (argument 3) to host %s"):format(more), sends(few, pid, "function() end"))
    assert.equal(("cannot send a function (argument 3) to host %s"):format(more), sends(other, pid, "function() end"))
    assert.is_true(process.terminate(pid))
  end)

  it("V-23 are taken by processes that have the same libraries or fewer", function()
    local more = restricted({ libs = { "base", "table", "string" } })
    for _, libs in ipairs({ { "base", "table", "string" }, { "base", "table" }, { "base" } }) do
      local host = restricted({ libs = libs })
      local pid = caller(host)
      local got = run(
        more,
        [[
          local captured = 41
          assert(process.send(..., "t", function() return captured + 1 end))
          return process.inbox():receive():payload()
        ]],
        pid
      )
      assert.equal(42, got)
      assert.is_true(process.terminate(pid))
    end
  end)

  it("V-23 are taken by all if no library is missing", function()
    local all = process.host_info("app:processes").libs
    local host = restricted({ libs = all })
    assert.is_true(sends(host, process.pid(), "function() return 42 end"))
    assert.equal(42, support.receive(process.inbox()):payload()())
  end)

  it("H-31 B-20 a receiver that lacks what is named refuses it, whoever sends", function()
    local host = restricted()
    local pid = caller(host)
    for _, value in ipairs({ io.open, os.getenv, debug.getinfo, loadfile, dofile }) do
      fails("cannot send a function (argument 3)", "INVALID", process.send(pid, "t", value))
    end
    for _, value in ipairs({ io, os, debug, package }) do
      fails("cannot send a table (argument 3)", "INVALID", process.send(pid, "t", value))
    end
    local open = io.open
    fails("cannot send a function (argument 3, local open)", "INVALID", process.send(pid, "t", function()
      return open
    end))
    -- Functions that the receiver has too arrive as its own.
    local upper = string.upper
    assert.is_true(process.send(pid, "t", function()
      return upper "own"
    end))
    assert.equal("OWN", support.receive(process.inbox()):payload())
    assert.is_true(process.terminate(pid))
  end)

  it("V-23 H-31 a function as an entry, as a definition or as an import does not bring a library along", function()
    local host = restricted()
    local open = io.open
    local function opening()
      return open
    end
    fails("cannot send a function (argument 1, local open)", "INVALID", process.spawn(opening, host))
    assert(process.define("spec.border:opening", opening))
    fails("cannot send a function (argument 1)", "INVALID", process.spawn("spec.border:opening", host))
    assert(process.define("spec.border:importing", {
      source = "return { main = function() local ok, err = pcall(require, 'it') return { ok, tostring(err) } end }",
      imports = { it = "spec.border:opening" },
    }))
    local pid = assert(process.spawn_monitored("spec.border:importing", host))
    local got = support.event_of(pid).result
    assert.is_false(got[1])
    assert.is_truthy(got[2]:find("cannot send a function", 1, true), got[2])
    local text = "cannot send a function (context) to host " .. host
    fails(text, "INVALID", process.with_context({ f = { open } }):spawn(idle, host))
  end)

  it("V-23 H-31 do not come as a result, as an error or in its details", function()
    local host = restricted()
    local entry = support.entry "return function() end"
    local text = "cannot send a function (result) to host main"
    fails(text, "INVALID", process.exec(entry, host))
    assert.equal(text, tostring(border.exit_of(host, "return { 1, function() end }").error))
    for _, body in ipairs({
      "error(errors.new({ message = 'm', details = { f = function() end } }))",
      "return nil, errors.new({ message = 'm', details = { f = function() end } })",
      "return false, errors.new({ message = 'm', details = { f = print } })",
    }) do
      local err = border.exit_of(host, body).error
      assert.equal("m", tostring(err))
      assert.is_nil(err:details())
      local _, executed = process.exec(support.entry(body), host)
      assert.equal("m", tostring(executed))
      assert.is_nil(executed:details())
    end
    local err = border.exit_of(host, "error({ f = function() end })").error
    assert.is_nil(err:details())
  end)

  it("V-23 H-31 stay what they are when others pass the error on that holds them", function()
    local host = restricted()
    local err = border.exit_of(host, "error(errors.new({ message = 'm', details = { f = function() end } }))").error
    local pid = support.spawn(support.parked)
    local refusal = select(2, process.send(pid, "t", err))
    assert.is_truthy(tostring(refusal):find(" to host " .. support.host, 1, true))
    refusal = select(2, process.send(pid, "t", errors.wrap(err, "wrapped"), print))
    assert.is_truthy(tostring(refusal):find(" to host " .. support.host, 1, true))
    refusal = select(2, process.send(pid, "t", holding(err)))
    assert.is_truthy(tostring(refusal):find(" to host " .. support.host, 1, true))
  end)

  it("V-23 H-31 are not made good by an error from elsewhere whose details hold a trusted function", function()
    local host = restricted()
    local body = [[
      local to, err = ...
      local said = {}
      local function try(...)
        local ok, refusal = process.send(to, "t", ...)
        said[#said + 1] = ok and "sent" or tostring(refusal)
      end
      try(err, function() end)
      try(function() end, err)
      try({ err, print, function() end })
      try({ [err] = function() return err end })
      try(errors.new({ message = "m", details = { err, function() end } }))
      return said
    ]]
    for _, said in ipairs(run(host, body, process.pid(), holding(function() end))) do
      assert.is_truthy(said:find(" to host main", 1, true), said)
    end
    -- Only the trusted one may go back.
    assert.is_true(run(host, "local to, err = ... return process.send(to, 't', err)", process.pid(), holding(print)))
    assert.equal(print, support.receive(process.inbox()):payload():details()[1])
  end)

  it("V-23 H-31 do not come as first messages of a builder with the name of somebody else", function()
    local host = restricted()
    assert(process.registry.register("spec.border.main"))
    local text = run(
      host,
      [[
        local builder = process.with_context({}):with_name("spec.border.main"):with_message("t", function() end)
        local _, err = builder:spawn(...)
        return tostring(err)
      ]],
      idle,
      host
    )
    assert.is_true(process.registry.unregister("spec.border.main"))
    assert.equal("cannot send a function (argument 2) to host main", text)
    assert.is_nil((support.waiting(process.inbox())))
  end)

  it("V-23 are code of a process, which nobody outside the program can send", function()
    -- Bytes that contain a binary chunk are a string, and stay one.
    local chunk = string.dump(function() end)
    assert.is_true(run(restricted(), "local to, chunk = ... return process.send(to, 't', chunk)", process.pid(), chunk))
    assert.equal(chunk, support.receive(process.inbox()):payload())
  end)
end)
