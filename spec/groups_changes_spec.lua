-- groups.md: who comes and goes, and what is left of those who end.
local process = require "process"
local channel = require "process.channel"
local shared = require "spec.support.groups"
local support = require "spec.support"
local scope, member, act, said = shared.scope, shared.member, shared.act, shared.said
local start, within, host = support.start, support.within, support.host

describe("changes of process groups", function()
  before_each(support.reset)
  after_each(support.finish)

  it("G-5 G-6 a subscription shows the members, and tells every change after", function()
    local own, name = scope()
    local first = member(name, "a")
    local subscription, members = own:monitor("a")
    local changes = subscription:channel()
    assert.are.same({ first }, members)
    assert.are.equal(changes, subscription:channel())
    own:join({ "a", "other", "a" })
    local second = member(name, "a")
    own:leave("a")
    own:leave("a")
    process.terminate(first)
    local pid = process.pid()
    local expected = {
      { "member.joined", "a", pid }, { "member.joined", "a", second }, { "member.left", "a", pid },
      { "member.left", "a", first },
    }
    for _, change in ipairs(expected) do
      assert.are.same(change, said(within(changes)))
    end
    assert.is_true(support.silent(changes))
    own:leave("other")
    assert.is_true(subscription:close())
  end)

  it("G-5 events tells of all groups", function()
    local own, name = scope()
    local first = member(name, { "a", "b" })
    local subscription, groups = own:events()
    assert.are.same({ a = { first }, b = { first } }, groups)
    act(first, function(groups_of)
      groups_of:join("c")
      groups_of:leave("a")
    end)
    assert.are.same({ "member.joined", "c", first }, said(within(subscription:channel())))
    assert.are.same({ "member.left", "a", first }, said(within(subscription:channel())))
    subscription:close()
  end)

  it("G-5 C-9 what waits in a closed subscription can still be received, unless it is flushed", function()
    local own = scope()
    for _, options in ipairs({ false, { flush = false }, { flush = true } }) do
      local subscription = own:monitor("a")
      own:join("a")
      own:leave("a")
      assert.is_true(subscription:close(options or nil))
      assert.is_false(subscription:close())
      own:join("a")
      own:leave("a")
      if not (options and options.flush) then
        assert.are.equal("member.joined", within(subscription:channel()).kind)
        assert.are.equal("member.left", within(subscription:channel()).kind)
      end
      assert.are.same({ n = 2, nil, false }, support.pack(subscription:channel():receive()))
    end
  end)

  it("G-5 a waiting receive and a select end when the subscription is closed", function()
    local own = scope()
    local subscription = own:monitor("a")
    local done = channel.new(2)
    coroutine.spawn(function()
      done:send({ subscription:channel():receive() })
    end)
    coroutine.spawn(function()
      local got = channel.select({ subscription:channel():case_receive() })
      done:send({ got.value, got.ok })
    end)
    require("process.time").sleep("5ms")
    subscription:close()
    assert.are.same({ nil, false }, within(done))
    assert.are.same({ nil, false }, within(done))
  end)

  it("G-5 P-36 B-1 the channel is for receiving only, and options are checked", function()
    local own = scope()
    local subscription = own:monitor("a")
    assert.has_error(function() subscription:channel():send(1) end, "cannot send on a mailbox channel")
    assert.has_error(function() subscription:channel():close() end, "cannot close on a mailbox channel")
    local text = "close: unknown option flsh (did you mean flush?)"
    assert.has_error(function() subscription:close({ flsh = true }) end, text)
    assert.has_error(function() subscription:close({ flush = 1 }) end,
      "bad argument #1 to 'close' (field 'flush': boolean expected, got number)")
    assert.has_error(function() subscription:close(1) end,
      "bad argument #1 to 'close' (table expected, got number)")
    assert.has_error(function() own:monitor() end,
      "bad argument #1 to 'monitor' (string expected, got no value)")
    assert.is_true(subscription:close())
  end)

  it("G-5 a subscription that is lost goes on, and several hear the same", function()
    local own = scope()
    local first, second = own:monitor("a"):channel(), own:monitor("a"):channel()
    collectgarbage()
    collectgarbage()
    own:join("a")
    assert.are.equal("member.joined", within(first).kind)
    assert.are.equal("member.joined", within(second).kind)
    own:leave("a")
    assert.are.equal("member.left", within(first).kind)
    assert.are.equal("member.left", within(second).kind)
  end)

  it("G-7 who ends has left before its EXIT is seen, however it ends", function()
    local own, name = scope()
    local subscription = own:monitor("a")
    local endings = {
      function() end,
      function() error("x", 0) end,
      function() process.terminate(process.pid()) end,
    }
    for number = 1, #endings do
      local pid = start(function(of, ending)
        require("process.pg").open(of):join({ "a", "b" })
        process.inbox():receive()
        ending()
      end, name, support.code(endings[number]))
      assert.are.same({ "member.joined", "a", pid }, said(within(subscription:channel())))
      process.send(pid, "end")
      support.event_of(pid)
      assert.are.same({}, own:get_members("a"))
      assert.are.same({}, own:which_groups())
      local got = channel.select({ subscription:channel():case_receive(), default = true })
      assert.are.same({ "member.left", "a", pid }, said(got.value))
    end
    subscription:close()
  end)

  it("G-7 a join in a finalizer is undone too", function()
    local own, name = scope()
    local subscription = own:monitor("late")
    local pid = start(function(of)
      local groups = require("process.pg").open(of)
      local function finalize()
        groups:join("late")
      end
      if newproxy then
        local proxy = newproxy(true)
        getmetatable(proxy).__gc = finalize
        rawset(_G, "kept", proxy)
      else
        rawset(_G, "kept", setmetatable({}, { __gc = finalize }))
      end
    end, name)
    support.event_of(pid)
    assert.are.same({}, own:get_members("late"))
    assert.are.same({ "member.joined", "late", pid }, said(within(subscription:channel())))
    assert.are.same({ "member.left", "late", pid }, said(within(subscription:channel())))
    subscription:close()
  end)

  it("G-7 P-57 memberships survive an upgrade, subscriptions do not", function()
    local own, name = scope()
    local next_main = support.entry [[
      local of, parent = ...
      process.send(parent, "upgraded", true)
      process.listen("end"):receive()
      return process.events():receive("0s") == nil and process.inbox():receive("0s") == nil
    ]]
    local upgraded = process.listen("upgraded")
    local pid = start(function(of, entry, parent)
      local groups = require("process.pg").open(of)
      groups:join("a")
      groups:monitor("a")
      groups:events()
      groups:join("b")
      process.upgrade(entry, of, parent)
    end, name, next_main, process.pid())
    within(upgraded)
    assert.are.same({ pid }, own:get_members("a"))
    own:join("a")
    own:leave("a")
    process.send(pid, "end", true)
    assert.is_true(support.event_of(pid).result)
    assert.are.same({}, own:which_groups())
  end)

  it("G-5 G-7 what subscribers hear agrees with the members, whatever comes and goes", function()
    local own, name = scope()
    local subscription, members = own:monitor("g")
    local known, count, alternating = {}, 0, true
    for _, pid in ipairs(members) do
      known[pid] = true
    end
    local function follow(change)
      local pid, joined = change.data.PIDs[1], change.kind == "member.joined"
      alternating = alternating and (known[pid] == nil) == joined
      known[pid] = joined or nil
      count = count + 1
    end
    local function restless(of, seed, steps)
      local groups = require("process.pg").open(of)
      for _ = 1, steps do
        seed = (seed * 1103515245 + 12345) % 2147483648
        if seed % 7 < 4 then
          groups:join("g")
        else
          groups:leave("g")
        end
      end
      if seed % 2 == 0 then
        error("over", 0)
      end
      process.inbox():receive()
    end
    local pids = {}
    for number = 1, 24 do
      pids[number] = support.keep(assert(process.spawn_monitored(support.code(restless), host, name, number, 200)))
      if number % 3 == 0 then
        process.terminate(pids[number - 1])
      end
      local got = channel.select({ subscription:channel():case_receive(), default = true })
      while not got.default do
        follow(got.value)
        got = channel.select({ subscription:channel():case_receive(), default = true })
      end
    end
    for _, pid in ipairs(pids) do
      process.send(pid, "end")
    end
    for _ = 1, #pids do
      within(process.events())
    end
    subscription:close()
    for _, change in subscription:channel():iter() do
      follow(change)
    end
    assert.is_true(alternating)
    assert.is_true(count > 100)
    assert.are.same({}, known)
    assert.are.same({}, own:get_members("g"))
  end)
end)
