-- groups.md: process groups, joining, leaving, sending.
local process = require "process"
local pg = require "process.pg"
local border = require "spec.support.border"
local shared = require "spec.support.groups"
local support = require "spec.support"
local scope, member, sorted = shared.scope, shared.member, shared.sorted
local start, within = support.start, support.within

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
