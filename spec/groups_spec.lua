-- groups.md: process groups.
local process = require "process"
local channel = require "process.channel"
local pg = require "process.pg"
local border = require "spec.support.border"
local support = require "spec.support"
local start, within = support.start, support.within
local host = support.host

local scopes = 0

-- A scope that no other spec has used, and its name.
local function scope()
  scopes = scopes + 1
  local name = "spec.groups:s" .. scopes
  return assert(pg.open(name)), name
end

-- A process that joins these groups, says so, and then does what it is told: a function of the scope.
local function member(name, groups)
  local joined = process.listen("joined")
  local pid = start(function(of, names, parent)
    local own = require("process.pg").open(of)
    if names then
      assert(own:join(names))
    end
    process.send(parent, "joined", true)
    for _, msg in process.listen("act", { message = true }):iter() do
      msg:reply(msg:payload()(own))
    end
  end, name, groups, process.pid())
  within(joined)
  process.unlisten(joined)
  return pid
end

-- Has a member do this with its scope.
local function act(pid, fn)
  return process.call(pid, "act", support.code(fn))
end

-- What an event says, in short.
local function said(event)
  assert.are.equal("pg", event.system)
  assert.are.equal(event.path, event.data.Group)
  assert.are.equal(1, #event.data.PIDs)
  return { event.kind, event.path, event.data.PIDs[1] }
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("process groups", function()
  before_each(support.reset)
  after_each(support.finish)

  it("G-1 a scope is one for the whole program", function()
    assert.are.equal(pg, process.pg)
    local own, name = scope()
    local pid = member(name, "a")
    assert.are.same({ pid }, own:get_members("a"))
    assert.are.same({ pid }, pg.open(name):get_members("a"))
    assert.are.same({}, scope():get_members("a"))
  end)

  it("G-1 B-31 B-1 refuses what is no reference", function()
    support.fails("not a scope reference (namespace:name): rooms", "INVALID", pg.open("rooms"))
    support.fails("not a scope reference (namespace:name): ", "INVALID", pg.open(""))
    support.fails("not a scope reference (namespace:name): a:\\255", "INVALID", pg.open("a:\255"))
    assert.has_error(function() pg.open(5) end, "bad argument #1 to 'open' (string expected, got number)")
    assert.has_error(function() pg.open() end, "bad argument #1 to 'open' (string expected, got no value)")
  end)

  it("G-2 join and leave count", function()
    local own = scope()
    local pid = process.pid()
    assert.is_true(own:join("a"))
    assert.is_true(own:join({ "a", "b", "a" }))
    assert.is_true(own:leave({ "c", "a", "a" }))
    assert.are.same({ pid }, own:get_members("a"))
    assert.is_true(own:leave("a"))
    assert.are.same({}, own:get_members("a"))
    assert.are.same({ "b" }, own:which_groups())
    assert.is_true(own:leave("b"))
    assert.are.same({}, own:which_groups())
  end)

  it("G-2 an empty list changes nothing, and a list ends at the first nil", function()
    local own = scope()
    assert.is_true(own:join({}))
    assert.is_true(own:leave({}))
    assert.is_true(own:join({ "a", nil, "c" }))
    assert.are.same({ "a" }, own:which_groups())
    own:leave("a")
  end)

  it("G-2 B-120 B-121 B-1 one bad name changes nothing", function()
    local own = scope()
    local long = ("x"):rep(65536)
    support.fails("group name cannot be empty", "INVALID", own:join({ "a", "" }))
    support.fails("group name too long (65536 bytes, limit 65535)", "INVALID", own:join({ "a", long }))
    support.fails("group name cannot be empty", "INVALID", own:leave(""))
    support.fails("group name cannot be empty", "INVALID", own:get_members(""))
    support.fails("group name cannot be empty", "INVALID", own:monitor(""))
    support.fails("group name cannot be empty", "INVALID", own:broadcast("", "t"))
    support.fails("not a member of b", "INVALID", own:leave({ "b", "c" }))
    support.fails("not a member of b", "INVALID", own:leave("b"))
    assert.has_error(function() own:join({ "a", 5 }) end,
      "bad argument #1 to 'join' (item [2]: string expected, got number)")
    assert.has_error(function() own:join() end,
      "bad argument #1 to 'join' (string or table expected, got no value)")
    assert.has_error(function() own.join("a") end, "calling 'join' on bad self (scope expected, got string)")
    assert.are.same({}, own:which_groups())
    assert.is_true(own:join(long:sub(2)))
    assert.is_true(own:leave(long:sub(2)))
  end)

  it("G-3 members are listed once each, and groups with members only", function()
    local own, name = scope()
    local first, second = member(name, { "a", "b", "a" }), member(name, "a")
    local both = sorted({ first, second })
    assert.are.same(both, sorted(own:get_members("a")))
    assert.are.same(both, sorted(own:get_local_members("a")))
    assert.are.same({}, own:get_members("unknown"))
    assert.are.same({ "a", "b" }, sorted(own:which_groups()))
    assert.are.same({ "a", "b" }, sorted(own:which_local_groups()))
    own:monitor("watched"):close()
    local subscription = own:monitor("watched")
    assert.are.same({ "a", "b" }, sorted(own:which_groups()))
    subscription:close()
  end)

  it("G-4 broadcasts to every member once, the caller included", function()
    local own, name = scope()
    local heard = process.listen("heard")
    local function listener(of, parent)
      local groups = require("process.pg").open(of)
      local lines = process.listen("line", { message = true })
      groups:join({ "a", "a" })
      process.send(parent, "heard", "ready")
      for _, msg in lines:iter() do
        process.send(parent, "heard", { msg:payload(), msg:from(), msg:topic() })
      end
    end
    for _ = 1, 3 do
      start(listener, name, process.pid())
      within(heard)
    end
    assert.are.equal(0, own:broadcast("unknown", "line", 1))
    for _, text in ipairs({ "short", ("long"):rep(1000) }) do
      assert.are.equal(3, own:broadcast("a", "line", text))
      for _ = 1, 3 do
        assert.are.same({ text, process.pid(), "line" }, within(heard))
      end
    end
    own:join("a")
    assert.are.equal(4, own:broadcast_local("a", "line", "own"))
    local msg = process.inbox():receive("5s")
    assert.are.same({ "own", process.pid() }, { msg:payload(), msg:from() })
    assert.is_true(support.silent(process.inbox()))
    own:leave("a")
  end)

  it("G-4 P-21 keeps the order of broadcasts and messages", function()
    local own, name = scope()
    local pid = start(function(of)
      require("process.pg").open(of):join("a")
      local last = 0
      for _ = 1, 300 do
        local got = process.inbox():receive():payload()
        if got ~= last + 1 then
          return ("%d after %d"):format(got, last)
        end
        last = got
      end
      return "in order"
    end, name)
    support.eventually(function()
      return #own:get_members("a") == 1
    end)
    for number = 1, 300 do
      if number % 3 == 0 then
        process.send(pid, "t", number)
      else
        own:broadcast("a", "t", number)
      end
    end
    assert.are.equal("in order", support.event_of(pid).result)
  end)

  it("G-4 passes over members that do not take it", function()
    local own, name = scope()
    local full = support.keep(assert(process.spawn_monitored(support.code(function(of)
      require("process.pg").open(of):join("a")
      require("process.channel").new():receive()
    end), border.host { mailbox_limit = 1 }, name)))
    local pid = member(name, "a")
    support.eventually(function()
      return #own:get_members("a") == 2
    end)
    assert.are.equal(2, own:broadcast("a", "t", 1))
    assert.are.equal(1, own:broadcast("a", "t", 2))
    process.terminate(full)
    support.event_of(full)
    assert.are.same({ pid }, own:get_members("a"))
    assert.are.equal(1, own:broadcast("a", "t", 3))
  end)

  it("G-4 B-12 B-13 B-14 B-20 B-1 refuses bad arguments and sends nothing", function()
    local own = scope()
    own:join("a")
    support.fails("empty topic", "INVALID", own:broadcast("a", ""))
    support.fails("reserved topic (begins with @): @x", "INVALID", own:broadcast("a", "@x"))
    support.fails("topic too long (65536 bytes, limit 65535)", "INVALID", own:broadcast("a", ("x"):rep(65536)))
    local _, err = own:broadcast("a", "t", 1, coroutine.create(print))
    assert.is_truthy(tostring(err):find("(argument 4)", 1, true), tostring(err))
    assert.has_error(function() own:broadcast("a") end,
      "bad argument #2 to 'broadcast' (string expected, got no value)")
    assert.has_error(function() own:broadcast() end,
      "bad argument #1 to 'broadcast' (string expected, got no value)")
    assert.is_true(support.silent(process.inbox()))
    own:leave("a")
  end)

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
    assert.has_error(function() subscription:close({ flsh = true }) end, "close: unknown option flsh")
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

  it("G-8 thousands of members", function()
    local own, name = scope()
    local limited = border.host { workers = 2 }
    for _ = 1, 3000 do
      support.keep(assert(process.spawn(support.code(function(of)
        require("process.pg").open(of):join("all")
        process.inbox():receive()
      end), limited, name)))
    end
    support.eventually(function()
      return #own:get_members("all") == 3000
    end)
    assert.are.equal(3000, own:broadcast("all", "end"))
    support.eventually(function()
      return #own:get_members("all") == 0
    end)
  end)
end)

describe("process groups on restricted hosts", function()
  before_each(support.reset)
  after_each(support.finish)

  it("G-9 B-100 only scopes of the host can be opened", function()
    local own, name = scope()
    local open = [[
      local of = ...
      local pg = process.pg
      local groups, err = pg.open(of)
      return groups and groups:join("a") and #groups:get_members("a") or tostring(err)
    ]]
    local closed = border.restricted()
    assert.are.equal("not allowed on host " .. closed .. ": pg.open", border.run(closed, open, name))
    assert.are.equal(1, border.run(border.restricted { scopes = { "a:b", name } }, open, name))
    assert.are.same({}, own:get_members("a"))
  end)

  it("G-9 B-39 H-25 the option is a list of references", function()
    support.fails("scopes: table expected, got string", "INVALID", process.define_host("spec.g:h", { scopes = "a:b" }))
    support.fails("scopes: not a scope reference (namespace:name): ab", "INVALID",
      process.define_host("spec.g:h", { scopes = { "ab" } }))
    support.fails("scopes: must be a list of scope references", "INVALID",
      process.define_host("spec.g:h", { scopes = { x = "a:b" } }))
    assert.are.same({ "a:b" }, process.host_info(border.restricted { scopes = { "a:b" } }).scopes)
    assert.are.same({}, process.host_info(border.restricted()).scopes)
  end)

  it("G-9 B-7 memberships, subscriptions and their events count", function()
    local _, name = scope()
    local limited = border.restricted { scopes = { name }, memory_limit = 4 * 1024 * 1024 }
    for _, body in ipairs({
      "local n = 0 while true do n = n + 1 groups:join(('x'):rep(1000) .. n) end",
      "while true do groups:monitor('a') end",
      "groups:monitor('a') while true do groups:join('a') groups:leave('a') end",
    }) do
      local exit = border.exit_of(limited, "local groups = process.pg.open(...) " .. body, name)
      assert.are.equal("not enough memory", tostring(exit.error))
    end
  end)
end)
