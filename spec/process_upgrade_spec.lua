-- process.upgrade: other code for the same process. What others know of it stays, what its Lua state held goes.
local process = require "process"
local support = require "spec.support"

-- Defines an entry of this name whose main has the given body.
local function define(ref, body)
  assert(process.define(ref, "return { main = function(...)\n" .. body .. "\nend }"))
  return ref
end

-- Spawns a monitored child with this body.
local function spawn(body, ...)
  return assert(process.spawn_monitored(support.entry(body), support.host, ...))
end

describe("upgrade", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-56 P-8 goes on with another entry and its arguments", function()
    define("spec.upgrade:next", "return { process.id(), ... }")
    local pid = spawn("process.upgrade('spec.upgrade:next', 'state', nil, 3)")
    local ev = support.event_of(pid)
    assert.is_nil(ev.error)
    assert.equal("spec.upgrade:next", ev.result[1])
    assert.equal("state", ev.result[2])
    assert.equal(3, ev.result[4])
  end)

  it("P-57 keeps PID, names, waiting messages in their order, events, links, watchers and options", function()
    define("spec.upgrade:second", [[
      local before = ...
      local seen = { process.pid() == before, process.registry.lookup("spec.upgrade") == before,
        process.get_options().trap_links }
      for _ = 1, 3 do
        seen[#seen + 1] = process.inbox():receive():payload()
      end
      seen[#seen + 1] = process.events():receive().kind
      return seen
    ]])
    local pid = spawn([[
      process.registry.register("spec.upgrade")
      process.set_options({ trap_links = true })
      local listener = process.listen("second")
      local child = process.spawn_linked(function() error("gone", 0) end, "app:processes")
      process.send(..., "ready")
      process.listen("go"):receive()
      while process.registry.lookup("spec.upgrade") and process.send(child, "t") do time.sleep("1ms") end
      process.upgrade("spec.upgrade:second", process.pid())
    ]], process.pid())
    assert.equal("ready", support.receive(process.inbox()):topic())
    for number, topic in ipairs({ "first", "second", "third" }) do
      process.send(pid, topic, number)
    end
    process.send(pid, "go")
    local ev = support.event_of(pid)
    assert.is_nil(ev.error, tostring(ev.error))
    assert.same({ true, true, true, 1, 2, 3, process.event.LINK_DOWN }, ev.result)
  end)

  it("P-57 forgets globals, listeners, timers and coroutines; the old state's finalizers run", function()
    define("spec.upgrade:clean", [[
      local late = time.after("50ms")
      local got = channel.select({ process.inbox():case_receive(), late:case_receive() })
      return { rawget(_G, "left") == nil, got.channel ~= late and got.value:topic() }
    ]])
    local pid = spawn([[
      left = true
      local own = process.pid()
      local function finalize() process.send(own, "finalized") end
      if newproxy then
        keep = newproxy(true)
        getmetatable(keep).__gc = finalize
      else
        keep = setmetatable({}, { __gc = finalize })
      end
      process.listen("topic")
      coroutine.spawn(function() time.sleep("1ms") process.send(own, "from a coroutine") end)
      process.upgrade("spec.upgrade:clean")
    ]])
    assert.same({ true, "finalized" }, support.event_of(pid).result)
  end)

  it("P-56 without an entry takes the present one anew, a function too", function()
    local runs = process.exec(function(runs)
      if runs == 3 then
        return runs
      end
      process.upgrade(nil, runs + 1)
    end, support.host, 1)
    assert.equal(3, runs)
    support.with_folder({ ["spec_upgraded.lua"] = "return function() process.upgrade() end" }, function(folder)
      local file = folder .. "/spec_upgraded.lua"
      assert(process.define("spec.upgrade:file", { source = "file://" .. file }))
      local waiting = "return function() process.send(%q, 'old') process.inbox():receive() process.upgrade() end"
      support.write(file, waiting:format(process.pid()))
      local pid = assert(process.spawn_monitored("spec.upgrade:file", support.host))
      assert.equal("old", support.receive(process.inbox()):topic())
      support.write(file, "return function() return 'read again' end")
      process.send(pid, "go")
      assert.equal("read again", support.event_of(pid).result)
    end)
  end)

  it("P-56 B-31 B-32 B-20 returns an error and the old code goes on", function()
    local result = support.result_of([[
      local function text(_, err) return tostring(err) .. " " .. err:kind() end
      return {
        text(process.upgrade("no colon")),
        text(process.upgrade("no.such:entry")),
        text(process.upgrade("spec.upgrade:next", 1, { io.stdout })),
      }
    ]])
    assert.same({
      "not an entry reference (namespace:name): no colon Invalid",
      "entry not found: no.such:entry NotFound",
      "cannot send a userdata (argument 3, [1]) Invalid",
    }, result)
    assert.equal("#1 (string expected, got number)", support.bad_argument(process.upgrade, 5))
  end)

  it("B-19 P-62 is refused to the main process", function()
    support.fails("not possible for the main process", "INVALID", process.upgrade("spec.upgrade:next"))
  end)

  it("L-11 (p) ends the process if the new code fails to start", function()
    define("spec.upgrade:broken", "error('no start', 0)")
    local ev = support.event_of(spawn("pcall(process.upgrade, 'spec.upgrade:broken')"))
    assert.equal("no start", tostring(ev.error))
    assert(process.define("spec.upgrade:empty", "return {}"))
    ev = support.event_of(spawn("process.upgrade('spec.upgrade:empty')"))
    assert.equal("entry spec.upgrade:empty: no function main", tostring(ev.error))
  end)

  it("P-56 leaves from inside coroutines, callbacks and pcall", function()
    define("spec.upgrade:end", "return 'there'")
    for _, body in ipairs({
      "pcall(process.upgrade, 'spec.upgrade:end')",
      "coroutine.wrap(function() process.upgrade('spec.upgrade:end') end)()",
      "('x'):gsub('.', function() process.upgrade('spec.upgrade:end') end)",
      "coroutine.spawn(function() process.upgrade('spec.upgrade:end') end) channel.new():receive()",
    }) do
      assert.equal("there", support.event_of(spawn(body)).result, body)
    end
  end)
end)
