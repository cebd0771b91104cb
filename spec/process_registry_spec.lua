-- The registry of names.
local process = require "process"
local support = require "spec.support"

local registry = process.registry
local me = process.pid()

-- A live child's answer to one registry call. The child stays alive, and keeps its names, until the end of the test.
local clerk = [[
  while true do
    local msg = process.inbox():receive()
    local call = msg:payload()
    local first, err = process.registry[msg:topic()](call)
    process.send(msg:from(), "answer", first, err)
  end
]]

local function ask(pid, name, argument)
  process.send(pid, name, argument)
  local answer = support.receive(process.inbox()):payload()
  return answer[1], answer[2]
end

describe("the registry", function()
  before_each(support.reset)
  after_each(support.finish)

  it("P-70 is one table of names for the whole program; a process may have many", function()
    local pid = support.spawn(clerk)
    for _, name in ipairs({ "shop.till", "shop.clerk", "zero\0byte" }) do
      assert.is_true((ask(pid, "register", name)))
      assert.are.equal(pid, registry.lookup(name))
      assert.are.equal(pid, (ask(support.spawn(clerk), "lookup", name)))
    end
  end)

  it("P-71 register names the caller, or the live process given", function()
    local pid = support.spawn(support.parked)
    assert.is_true(registry.register("spec.me"))
    assert.is_true(registry.register("spec.other", pid))
    assert.are.equal(me, registry.lookup("spec.me"))
    assert.are.equal(pid, registry.lookup("spec.other"))
    assert(registry.unregister("spec.me"))
  end)

  it("P-71 B-70 is true again for the owner, an error for another; the error names the owner", function()
    local owner = support.spawn(clerk)
    for _ = 1, 2 do
      assert.is_true((ask(owner, "register", "spec.taken")))
      assert.is_true(registry.register("spec.taken", owner))
    end
    local err = support.fails("name already registered: spec.taken", "ALREADY_EXISTS", registry.register("spec.taken"))
    assert.are.same({ existing_pid = owner }, err:details())
    assert.are.equal(owner, registry.lookup("spec.taken"))
  end)

  it("P-72 B-71 takes any name of 1 to 65535 bytes that does not look like a PID", function()
    for _, name in ipairs({ "x", " ", "{", "}", "{open", "close}", "@at", ("n"):rep(65535) }) do
      assert.is_true(registry.register(name))
      assert.are.equal(me, registry.lookup(name))
      assert.is_true(registry.unregister(name))
    end
    for _, name in ipairs({ "", ("n"):rep(65536), "{}", "{app:processes|1}" }) do
      local first, err = registry.register(name)
      assert.is_nil(first)
      assert.are.equal("Invalid", err:kind())
      assert.is_nil((registry.lookup(name)))
    end
  end)

  it("P-73 B-72 knows four scopes, and has LOCAL only", function()
    assert.are.same({ 0, 1, 2, 3 }, { registry.LOCAL, registry.EVENTUAL, registry.CONSISTENT, registry.STRONG })
    assert.is_true(registry.register("spec.local", nil, registry.LOCAL))
    assert.is_true(registry.unregister("spec.local", registry.LOCAL))
    for _, scope in ipairs({ registry.EVENTUAL, registry.CONSISTENT, registry.STRONG }) do
      local first, err = registry.register("spec.local", nil, scope)
      assert.is_nil(first)
      assert.are.equal("Unavailable", err:kind())
      assert.is_nil((registry.lookup("spec.local")))
    end
  end)

  it("P-74 B-74 lookup gives the owner, or an error", function()
    assert(registry.register("spec.me"))
    local pid, err = registry.lookup("spec.me")
    assert.are.equal(me, pid)
    assert.is_nil(err)
    assert(registry.unregister("spec.me"))
    support.fails("name not registered: spec.me", "NOT_FOUND", registry.lookup("spec.me"))
  end)

  it("P-75 unregister tells whether the name existed; any process may do it", function()
    assert(registry.register("spec.me"))
    assert.is_true(support.result_of("return process.registry.unregister('spec.me')"))
    assert.is_nil((registry.lookup("spec.me")))
    local existed, err = registry.unregister("spec.me")
    assert.is_false(existed)
    assert.is_nil(err)
  end)

  it("P-76 L-14 releases all names of a process before its EXIT can be seen", function()
    local body = "for i = 1, 20 do assert(process.registry.register('spec.name' .. i)) end"
    for _ = 1, 20 do
      support.exit_of(body)
      for i = 1, 20 do
        support.fails("name not registered: spec.name" .. i, "NOT_FOUND", registry.lookup("spec.name" .. i))
      end
    end
  end)

  it("P-77 gives a free name to exactly one of many who want it at once", function()
    local rivals, rounds = 8, 50
    local body = [[
      local inbox = process.inbox()
      while true do
        local msg = inbox:receive()
        process.send(msg:from(), "tried", (process.registry.register(msg:payload())))
      end
    ]]
    local pids = {}
    for i = 1, rivals do
      pids[i] = support.spawn(body)
    end
    for round = 1, rounds do
      local name, winner = "spec.prize" .. round, nil
      for _, pid in ipairs(pids) do
        process.send(pid, "try", name)
      end
      for _ = 1, rivals do
        local msg = support.receive(process.inbox())
        if msg:payload() then
          assert.is_nil(winner)
          winner = msg:from()
        end
      end
      assert.is_not_nil(winner)
      assert.are.equal(winner, registry.lookup(name))
    end
  end)
end)
