-- calls.md: process.server.
local process = require "process"
local server = require "process.server"
local errors = require "process.errors"
local border = require "spec.support.border"
local support = require "spec.support"
local spawn, within = support.start, support.within

-- A server with one handler of each kind.
local function counter()
  return spawn(function()
    local own = require "process.server"
    local later = {}
    return own.run({
      call = {
        add = function(state, n)
          state.sum = state.sum + n
          return state.sum
        end,
        fail = function()
          return nil, "cannot"
        end,
        raise = function()
          error("broken handler", 0)
        end,
        later = function(_, _, msg)
          later[#later + 1] = msg
          return own.later
        end,
        thread = function()
          return coroutine.create(print)
        end,
        stop = function(_, value)
          own.stop(value)
          return "stopping"
        end,
      },
      cast = {
        now = function(_, value)
          later[1]:reply(value)
        end,
        show = function(_, value, msg)
          process.send(msg:from(), "shown", value)
        end,
      },
      event = function(state, event)
        state.events = (state.events or 0) + 1
        process.send(state.parent, "event", event.kind)
      end,
      terminate = function(state, reason)
        return { state.sum, reason }
      end,
    }, { sum = 0 })
  end)
end

describe("a server", function()
  before_each(support.reset)
  after_each(support.finish)

  it("A-20 A-11 replies with what a handler returns", function()
    local pid = counter()
    assert.are.equal(2, process.call(pid, "add", 2))
    assert.are.equal(5, process.call(pid, "add", 3))
    local value, err = process.call(pid, "fail")
    assert.are.same({ nil, "cannot" }, { value, tostring(err) })
    value, err = process.call(pid, "thread")
    assert.are.same({ nil, "cannot send a thread (argument 1)" }, { value, tostring(err) })
  end)

  it("A-20 lets a handler reply later", function()
    local pid = counter()
    local done = process.channel.new(1)
    coroutine.spawn(function()
      done:send((process.call(pid, "later")))
    end)
    require("process.time").sleep("10ms")
    assert.are.equal(1, process.call(pid, "add", 1))
    process.send(pid, "now", "at last")
    assert.are.equal("at last", within(done))
  end)

  it("A-20 B-115 has words for topics without a handler", function()
    local pid = counter()
    local value, err = process.call(pid, "subtract", 1)
    assert.are.same({ nil, "no handler for subtract", errors.NOT_FOUND }, { value, tostring(err), err:kind() })
    process.send(pid, "nothing")
    assert.are.equal(1, process.call(pid, "add", 1))
    local other = spawn(function()
      return require("process.server").run({
        other = function(state, msg)
          state.seen = (state.seen or "") .. msg:topic()
          if msg:waiting() then
            msg:reply(state.seen)
          end
        end,
      })
    end)
    process.send(other, "a")
    assert.are.equal("ab", process.call(other, "b"))
  end)

  it("A-20 takes events, and leaves topics with a listener alone", function()
    local events = process.listen("event")
    local pid = spawn(function(parent)
      local own = require "process.server"
      local topic = process.listen("own")
      process.spawn_monitored(function()
        return "bye"
      end, "app:processes")
      return own.run({
        event = function(_, event)
          process.send(parent, "event", event.kind, event.result)
          own.stop(topic:receive())
        end,
      })
    end, process.pid())
    local event = within(events)
    assert.are.equal("pid.exit", event[1])
    process.send(pid, "own", "mine")
    assert.are.equal("mine", support.event_of(pid).result)
  end)

  it("A-23 ends at a CANCEL", function()
    local pid = counter()
    process.call(pid, "add", 4)
    process.cancel(pid, "closing time")
    assert.are.same({ 4, "closing time" }, support.event_of(pid).result)
  end)

  it("A-23 ends after the handler that stops it", function()
    local pid = counter()
    assert.are.equal("stopping", process.call(pid, "stop", "value"))
    assert.are.equal("value", support.event_of(pid).result)
    pid = counter()
    process.call(pid, "stop")
    assert.are.same({ 0 }, support.event_of(pid).result)
  end)

  it("A-23 ends at once if another coroutine stops it", function()
    local pid = spawn(function()
      local own = require "process.server"
      local enough = process.listen("enough")
      coroutine.spawn(function()
        enough:receive()
        own.stop("enough")
      end)
      return own.run({})
    end)
    process.send(pid, "enough")
    assert.are.equal("enough", support.event_of(pid).result)
  end)

  it("A-23 hands out values whatever the form of payloads", function()
    local pid = spawn(function()
      process.set_options({ wrapped = true })
      return require("process.server").run({
        call = {
          kind = function(_, payload)
            return { type(payload), payload }
          end,
        },
        cast = {
          several = function(_, payload)
            require("process.server").stop(payload)
          end,
        },
      })
    end)
    assert.are.same({ "number", 5 }, process.call(pid, "kind", 5))
    assert.are.same({ "table", { 1 } }, process.call(pid, "kind", { 1 }))
    assert.are.same({ "nil" }, process.call(pid, "kind"))
    process.send(pid, "several", "a", "b")
    local several = support.event_of(pid).result
    assert.are.same({ "a", "b" }, { several[1], several[2] })
  end)

  it("A-21 B-112 lets an error of a handler end the process", function()
    local pid = counter()
    local value, err = process.call(pid, "raise")
    assert.is_nil(value)
    assert.are.equal("process ended before it replied: " .. pid .. ": broken handler", tostring(err))
    local event = support.event_of(pid)
    assert.are.equal("broken handler", tostring(event.error))
    assert.is_truthy(event.error:stack():find("calls_server_spec.lua", 1, true))
  end)

  it("A-21 B-116 can be run again after an error, but not twice at once", function()
    local pid = spawn(function()
      local own = require "process.server"
      local texts = {}
      local function serve()
        return own.run({
          cast = {
            again = function()
              texts[#texts + 1] = tostring(select(2, pcall(own.run, {})))
            end,
            raise = function()
              error("broken", 0)
            end,
            stop = function()
              own.stop(texts)
            end,
          },
        })
      end
      texts[1] = tostring(select(2, pcall(serve)))
      return serve()
    end)
    for _, topic in ipairs { "raise", "again", "stop" } do
      process.send(pid, topic)
    end
    local texts = support.event_of(pid).result
    assert.are.equal("broken", texts[1])
    assert.is_truthy(texts[2]:find("server: already running$"))
  end)

  it("B-116 raises for misuse", function()
    local function text(fn, ...)
      local done, err = pcall(fn, ...)
      assert.is_false(done)
      return (err:gsub("^.-:%d+: ", ""))
    end
    assert.are.equal("server: not running", text(server.stop))
    assert.are.equal("server: handlers: table expected, got no value", text(server.run))
    assert.are.equal("server: handlers: table expected, got number", text(server.run, 5))
    assert.are.equal("server: cal: unknown field", text(server.run, { cal = {} }))
    assert.are.equal("server: call: table expected, got function", text(server.run, { call = print }))
    assert.are.equal("server: call.add: function expected, got number", text(server.run, { call = { add = 5 } }))
    assert.are.equal("server: cast: a topic is a string, got number", text(server.run, { cast = { print } }))
    assert.are.equal("server: event: function expected, got boolean", text(server.run, { event = true }))
  end)

  it("H-31 A-20 runs on restricted hosts", function()
    local result = border.run(border.restricted(), [[
      local own = require "process.server"
      coroutine.spawn(function()
        own.stop((process.call(process.pid(), "double", 4)))
      end)
      return own.run({ call = { double = function(_, n) return 2 * n end } })
    ]])
    assert.are.equal(8, result)
  end)
end)
