-- The life of a process: its states, the order of its end, and which end counts as which exit.
local process = require "process"
local errors = require "process.errors"
local support = require "spec.support"

local me = process.pid()

describe("the states of a process", function()
  -- A process in the state "ending" goes on when this name is registered (spec/entries/life/lingerer.lua).
  local release, lingerers = "spec.release", {}

  -- Starts one, brings about its end with finish(pid), and gives its PID when it is ending.
  local function ending(finish)
    local pid = assert(process.spawn("life:lingerer", support.host, me, release, "spec.subject"))
    lingerers[#lingerers + 1] = pid
    assert.are.equal("alive", support.receive(process.inbox()):topic())
    assert.is_true(finish(pid))
    assert.are.equal("ending", support.receive(process.inbox()):topic())
    return pid
  end

  before_each(support.reset)
  after_each(function()
    process.registry.register(release)
    for _, pid in ipairs(lingerers) do
      support.kill(pid)
    end
    process.registry.unregister(release)
    lingerers = {}
    support.finish()
  end)

  -- Each makes a process in that state; it has the name "spec.subject" as long as it has names.
  local states = {
    alive = function()
      local pid = support.spawn(support.parked)
      assert(process.registry.register("spec.subject", pid))
      return pid
    end,
    ending = function()
      return ending(function(pid)
        return process.send(pid, "end", "lingered")
      end)
    end,
    ["ending by terminate"] = function()
      return ending(process.terminate)
    end,
    gone = function()
      return support.exit_of("process.registry.register('spec.subject')").from
    end,
  }

  local function send(pid)
    return process.send(pid, "greeting", "hello")
  end

  local function lookup()
    return process.registry.lookup("spec.subject")
  end

  local function register(pid)
    return process.registry.register("spec.subject.too", pid)
  end

  -- The result of each operation by state: true, the owner's PID, or an error (B-11 if it is a destination).
  local operations = {
    { name = "send", call = send, alive = true, ending = false, gone = false },
    { name = "cancel", call = process.cancel, alive = true, ending = false, gone = false },
    { name = "terminate", call = process.terminate, alive = true, ending = true, gone = false },
    { name = "monitor", call = process.monitor, alive = true, ending = true, gone = false },
    { name = "link", call = process.link, alive = true, ending = false, gone = false },
    { name = "unmonitor", call = process.unmonitor, alive = true, ending = true, gone = true },
    { name = "unlink", call = process.unlink, alive = true, ending = true, gone = true },
    { name = "register", call = register, alive = true, ending = false, gone = false },
  }

  for state, subject in pairs(states) do
    for _, operation in ipairs(operations) do
      local works = operation[state:match("%a+")]
      it(("L-1 %s of a process that is %s %s"):format(operation.name, state, works and "works" or "fails"), function()
        local pid = subject()
        local result, err = operation.call(pid)
        if works then
          assert.is_true(result)
          assert.is_nil(err)
        else
          support.fails("process not found: " .. pid, "NOT_FOUND", result, err)
        end
      end)
    end
  end

  it("L-1 a name finds its process until the process is ending, none that is gone", function()
    local pid = states.alive()
    assert.are.equal(pid, (lookup()))
    support.kill(pid)
    support.fails("name not registered: spec.subject", "NOT_FOUND", lookup())

    pid = states.ending()
    local found, err = lookup()
    if found then
      assert.are.equal(pid, found)
    else
      support.fails("name not registered: spec.subject", "NOT_FOUND", found, err)
    end

    assert(process.registry.register(release))
    support.kill(pid)
    support.fails("name not registered: spec.subject", "NOT_FOUND", lookup())

    states.gone()
    support.fails("name not registered: spec.subject", "NOT_FOUND", lookup())
  end)

  it("L-1 a monitor set while the process is ending still gives the EXIT", function()
    local pid = states.ending()
    assert.is_true(process.monitor(pid))
    assert(process.registry.register(release))
    assert.are.equal("lingered", support.event_of(pid).result)
  end)

  it("L-2 the result is copied first, finalizers run next, names go last", function()
    local exit = support.exit_of([[
      local parent = ...
      local finally, result = require "life.finally", { "as main left it" }
      assert(process.registry.register("spec.subject"))
      finally(function()
        result[1] = "changed by a finalizer"
        local sent = process.send(process.pid(), "late", 1)
        process.send(parent, "finalizer", sent, process.registry.lookup("spec.subject") == process.pid())
      end)
      return result
    ]], me)
    assert.are.same({ "as main left it" }, exit.result)
    local msg = support.waiting(process.inbox())
    assert.are.equal("finalizer", msg:topic())
    assert.are.same({ n = 2, nil, true }, msg:payload())
    assert.is_nil((lookup()))
  end)
end)

describe("an exit", function()
  before_each(support.reset)
  after_each(support.finish)

  -- Bodies of `main` that end normally, with the result that watchers see.
  local normal = {
    { "(a) returns nothing", "return", nil },
    { "(a) returns nil", "return nil", nil },
    { "(b) returns a value", "return { 42 }", { 42 } },
    { "(b) returns several values", "return 'first', 'second', 3", "first" },
    { "(c) returns false alone", "return false", false },
    { "(c2) returns nil and a number", "return nil, 42", nil },
    { "(c2) returns nil, then nil and a string", "return nil, nil, 'third'", nil },
    { "(c2) returns false and a table", "return false, {}", false },
    { "(c2) returns false and a function", "return false, print", false },
    { "(b) returns a name and a note", "return 'name', 'note'", "name", also = "L-12 " },
    { "(b) returns true and an error", "return true, errors.new('only a note')", true, also = "L-12 " },
  }
  for _, row in ipairs(normal) do
    it(("L-10 L-11 L-31 %sis normal if main %s"):format(row.also or "", row[1]), function()
      local exit = support.exit_of(row[2])
      assert.is_nil(exit.error)
      assert.are.same(row[3], exit.result)
    end)
  end

  local position = "^.+:%d+: "
  local no_stock = "errors.new({ message = 'no stock', kind = errors.NOT_FOUND, details = { sku = 17 } })"

  -- Bodies of `main` that end abnormally: pattern of the error's text, its kind, its details, and text of its stack.
  local abnormal = {
    { "(d) returns nil and a string", "return nil, 'no stock'", "^no stock$", "INTERNAL", also = "L-13 " },
    { "(d) returns false and a string", "return false, 'no stock', 3", "^no stock$", "INTERNAL", also = "L-13 " },
    { "(e) returns nil and an error", "return nil, " .. no_stock, "^no stock$", "NOT_FOUND", { sku = 17 } },
    { "(e) returns false and an error", "return false, " .. no_stock, "^no stock$", "NOT_FOUND", { sku = 17 } },
    { "(e) hands on what a call returned", "return process.send('nobody', 't')", "^destination not found: nobody$",
      "NOT_FOUND" },
    { "(f) raises a text", "error('no stock')", position .. "no stock$", "INTERNAL", nil, "stack traceback" },
    { "(f) raises a text without position", "error('no stock', 0)", "^no stock$", "INTERNAL", nil, "stack traceback" },
    { "(f) makes a mistake", "local shelf; return shelf.stock", position .. "attempt to index", "INTERNAL", nil,
      "stack traceback" },
    { "(f) starts a coroutine that raises", "coroutine.spawn(error, 'no stock', 0); channel.new():receive()",
      "no stock$", "INTERNAL", also = "C-32 " },
    { "(g) raises an error object", "error(" .. no_stock .. ")", "^no stock$", "NOT_FOUND", { sku = 17 } },
    { "(h) raises nil", "error(nil)", "^nil$", "INTERNAL" },
    { "(h) raises false", "error(false)", "^false$", "INTERNAL", { value = false } },
    { "(h) raises a number", "error(42, 0)", "^42$", "INTERNAL", { value = 42 } },
    { "(h) raises a table", "error({ sku = 17 })", "^{ sku = 17 }$", "INTERNAL", { value = { sku = 17 } } },
    { "(h) raises an object that has a text",
      "error(setmetatable({ sku = 17 }, { __tostring = function() return 'no stock' end }))",
      "^no stock$", "INTERNAL", { value = { sku = 17 } } },
    { "(h) raises an object whose text cannot be had",
      "error(setmetatable({ sku = 17 }, { __tostring = function() error('nor this') end }))",
      "^%(error object is a table value%)$", "INTERNAL", { value = { sku = 17 } } },
    { "(h) raises what cannot cross", "error(coroutine.create(print))", "^thread: ", "INTERNAL" },
    { "(l) is terminated", "process.terminate(process.pid())", "^process terminated$", "CANCELED", also = "B-62 " },
    { "(o) returns what cannot cross", "return io.stdout", "^cannot send a userdata %(result%)$", "INVALID",
      also = "V-11 " },
    { "(o) returns it within a table", "return { 1, { log = io.stderr } }",
      "^cannot send a userdata %(result, %[2%]%.log%)$", "INVALID", also = "V-11 " },
  }
  for _, row in ipairs(abnormal) do
    it(("L-10 L-11 L-32 %sis abnormal if main %s"):format(row.also or "", row[1]), function()
      local exit = support.exit_of(row[2])
      assert.is_nil(exit.result)
      assert.is_truthy(tostring(exit.error):find(row[3]), tostring(exit.error))
      assert.are.equal(errors[row[4]], exit.error:kind())
      if row[5] then
        assert.are.same(row[5], exit.error:details())
      end
      assert.is_truthy(exit.error:stack():find(row[6] or "", 1, true))
    end)
  end

  it("L-11 (i) is abnormal, as in main, if the main chunk of the entry raises", function()
    local chunks = {
      { "error('no stock', 0)", "^no stock$" },
      { "error(errors.new('no stock'))", "^no stock$" },
      { "error({ sku = 17 })", "^{ sku = 17 }$" },
      { "local shelf; return shelf.stock", "attempt to index" },
    }
    for _, chunk in ipairs(chunks) do
      assert(process.define("spec.exit:chunk", chunk[1]))
      local exit = support.event_of(assert(process.spawn_monitored("spec.exit:chunk", support.host)))
      assert.is_truthy(exit.error:find(chunk[2]), tostring(exit.error))
    end
  end)

  it("L-11 (j) B-64 is abnormal if the entry has no such method", function()
    local specs = {
      { "return {}", "main" },
      { "return { main = 'no function' }", "main" },
      { "return 42", "main" },
      { "", "main" },
      { { source = "return { main = print }", method = "run" }, "run" },
    }
    for _, spec in ipairs(specs) do
      assert(process.define("spec.exit:method", spec[1]))
      local exit = support.event_of(assert(process.spawn_monitored("spec.exit:method", support.host)))
      support.fails("entry spec.exit:method: no function " .. spec[2], "NOT_FOUND", exit.result, exit.error)
    end
  end)

  it("L-11 (n) B-65 is abnormal if a linked process failed", function()
    local exit = support.exit_of("process.spawn_linked(..., 'app:processes'); channel.new():receive()",
      support.entry("error('no stock', 0)"))
    local details = exit.error:details()
    support.fails("linked process failed: " .. details.from .. ": no stock", "INTERNAL", exit.result, exit.error)
    assert.are.equal("no stock", details.reason)
  end)

  it("L-14 is seen when the process is gone: no messages taken, files closed, its own messages arrived", function()
    local name = os.tmpname()
    local exit = support.exit_of([[
      local parent, name = ...
      file = assert(io.open(name, "w"))
      file:write("never closed")
      for i = 1, 100 do process.send(parent, "before the end", i) end
    ]], me, name)
    for i = 1, 100 do
      assert.are.equal(i, support.waiting(process.inbox()):payload())
    end
    support.fails("process not found: " .. exit.from, "NOT_FOUND", process.send(exit.from, "greeting"))
    local file = assert(io.open(name))
    assert.are.equal("never closed", file:read("*a"))
    file:close()
    os.remove(name)
  end)

  it("L-15 C-34 comes with the end of main, whatever is left: messages, timers, coroutines", function()
    local exit = support.exit_of([[
      local parent = ...
      process.send(process.pid(), "unread", 1)
      local late = time.after("10h")
      coroutine.spawn(function()
        late:receive()
        process.send(parent, "survived")
      end)
      time.sleep(0)
      return "done"
    ]], me)
    assert.are.equal("done", exit.result)
    assert.is_nil(support.waiting(process.inbox()))
  end)
end)
