-- process.md: the context that a process hands on to its children.
local process = require "process"
local ctx = require "process.ctx"
local support = require "spec.support"
local code = support.code
local host = support.host
local shown = support.context

describe("the context", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-81 is read in the child by process.ctx", function()
    local got = process.with_context({ request = "r-9", tries = 3, flags = { debug = true }, off = false })
      :exec(code(function()
        local get = require("process.ctx").get
        return { get("request"), get("tries"), get("flags").debug, get("off") }
      end), host)
    assert.are.same({ "r-9", 3, true, false }, got)
  end)

  it("H-42 P-81 is the module process.ctx, in every process", function()
    assert.are.equal(ctx, process.ctx)
    assert.is_true(process.exec(code(function()
      return require("process.ctx") == process.ctx
    end), host))
  end)

  it("P-81 is empty in the main process and in what it spawns without a builder", function()
    assert.is_nil(next(ctx.all()))
    assert.are.equal("", (process.exec(shown, host)))
  end)

  it("P-81 is handed on to children, by spawn and exec alike; values of a builder win", function()
    local me = process.pid()
    local result = process.with_context({ a = 1, b = 1 }):exec(code(function()
      local child = process.exec(code(function()
        return process.with_context({ b = 2, c = 3 }):exec(code(function()
          process.spawn(code(function()
            process.send(me, "grandchild", shown())
          end), host)
          process.wait()
          return shown()
        end), host)
      end), host)
      return child .. "; " .. shown()
    end), host)
    assert.are.equal("a=1, b=2, c=3; a=1, b=1", result)
    assert.are.equal("a=1, b=2, c=3", support.receive(process.inbox()):payload())
  end)

  it("P-80 P-81 merges: later values win, others stay", function()
    local builder = process.with_context({ a = 1, b = 1 }):with_context({ b = 2 }):with_context({})
    assert.are.equal("a=1, b=2", (builder:exec(shown, host)))
  end)

  it("P-81 gives a copy each time: changes of one are seen by nobody", function()
    assert.are.equal(1, (process.with_context({ list = { 1 } }):exec(code(function()
      local own = require "process.ctx"
      own.get("list")[1] = 2
      local all = own.all()
      all.list[1], all.more = 3, true
      return own.get("more") == nil and own.get("list")[1]
    end), host)))
  end)

  it("P-81 V-1 holds any value that crosses, under any key that is a string", function()
    local long = ("k"):rep(100000)
    local shared = { 1 }
    local builder = process.with_context({ ["a\0b"] = 1, [long] = 2, [" "] = { shared, shared }, f = math.floor })
    assert.are.same({ 1, 2, true, true }, (builder:exec(code(function()
      local get = require("process.ctx").get
      local pair = get(" ")
      return { get("a\0b"), get(long), pair[1] == pair[2], get("f") == math.floor }
    end), host)))
  end)

  it("P-81 survives the end of those it came from", function()
    local me = process.pid()
    local pid = support.keep(process.with_context({ key = "kept" }):spawn_monitored(code(function()
      process.spawn(code(function()
        process.send(me, "ready", process.pid())
        process.inbox():receive()
        process.send(me, "context", (require("process.ctx").get("key")))
      end), host)
    end), host))
    local child = support.receive(process.inbox()):payload()
    support.event_of(pid)
    collectgarbage()
    process.send(child, "go on")
    assert.are.equal("kept", support.receive(process.inbox()):payload())
  end)

  it("B-80 P-81 says which key is unknown or empty", function()
    support.fails("context key not found: request", "NOT_FOUND", ctx.get("request"))
    support.fails("context key cannot be empty", "INVALID", ctx.get(""))
    -- No rule forbids the empty key; only `get` does.
    assert.are.equal("=1", (process.with_context({ [""] = 1 }):exec(shown, host)))
    local _, err = process.with_context({ [""] = 1 }):exec(code(function()
      return nil, select(2, require("process.ctx").get(""))
    end), host)
    support.fails("context key cannot be empty", "INVALID", nil, err)
  end)
end)
