-- pool.md: pool.map.
local process = require "process"
local channel = require "process.channel"
local errors = require "process.errors"
local pool = require "process.pool"
local border = require "spec.support.border"
local support = require "spec.support"
local code, fails, host = support.code, support.fails, support.host

local function numbers(count)
  local items = {}
  for number = 1, count do
    items[number] = number
  end
  return items
end

local function set_of(values)
  local set, count = {}, 0
  for index = 1, values.n do
    local value = values[index]
    count = count + (set[value] and 0 or 1)
    set[value] = true
  end
  return set, count
end

-- Results and errors as text: "1=10 2=! bad".
local function shown(results, failures)
  local list = {}
  for index = 1, results.n do
    local failure = failures and failures[index]
    list[index] = ("%d=%s"):format(index, failure and "! " .. failure or tostring(results[index]))
  end
  return table.concat(list, " ")
end

local double = code(function(n)
  return 2 * n
end)

local own_pid = code(function()
  return process.pid()
end)

-- Nothing of a pool is left, and nothing of it was to be seen.
local function is_clean()
  assert.is_true(process.wait("20s"))
  assert.is_nil(support.waiting(process.events()))
  assert.is_nil(support.waiting(process.inbox()))
end

describe("pool.map", function()
  before_each(support.reset)
  after_each(function()
    is_clean()
    support.finish()
  end)

  it("W-6 gives the results in order, and their number", function()
    local results, failures = pool.map(numbers(50), double)
    assert.is_nil(failures)
    assert.are.equal(50, results.n)
    for index = 1, 50 do
      assert.are.equal(2 * index, results[index])
    end
  end)

  it("W-6 hands item and index to fn, with what it has captured", function()
    local rate = 10
    local results = pool.map({ "a", "b" }, code(function(item, index, ...)
      return item .. index * rate .. select("#", ...)
    end), { workers = 2 })
    assert.same({ "a100", "b200", n = 2 }, results)
  end)

  it("W-6 uses as many processes as there are workers, none of them the caller's", function()
    local pids, count = set_of(pool.map(numbers(3), own_pid, { workers = 3 }))
    assert.are.equal(3, count)
    assert.is_nil(pids[process.pid()])
    assert.are.equal(1, select(2, set_of(pool.map(numbers(30), own_pid, { workers = 1 }))))
  end)

  it("W-6 never uses more processes than there are items", function()
    -- One more would not find room.
    local small = border.host({ max_processes = 2 })
    local results, failures = pool.map(numbers(2), double, { workers = 9, host = small })
    assert.are.equal("1=2 2=4", shown(results, failures))
  end)

  it("W-6 uses as many workers as there are processors, unless told", function()
    local _, count = set_of(pool.map(numbers(40), own_pid))
    assert.is_true(count <= process.cpus())
    local small = border.host({ max_processes = process.cpus() })
    assert.are.equal(40, pool.map(numbers(40), double, { host = small }).n)
  end)

  it("W-6 of no items starts nothing", function()
    assert.same({ n = 0 }, pool.map({}, double))
    assert.is_nil(select(2, pool.map({}, double)))
    assert.same({ n = 0 }, pool.map({}, double, { host = "no:host" }))
  end)

  it("W-6 counts what fn returns and raises as for main", function()
    local failing = {
      code(function() return nil end),
      code(function() return false end),
      code(function() return false, 5 end),
      code(function() return 7, "note" end),
      code(function() return nil, "no stock" end),
      code(function() return false, "no stock" end),
      code(function() return nil, errors.new({ message = "gone", kind = errors.NOT_FOUND, details = { n = 1 } }) end),
      code(function() error("broken") end),
      code(function() error("broken", 0) end),
      code(function(item) return item.field.field end),
      code(function() error(errors.wrap(errors.new({ message = "gone", kind = "Own", retryable = true }), "here")) end),
      code(function() error(42) end),
      code(function() error(nil) end),
      code(function() error(false) end),
      code(function() error(setmetatable({ code = 7 }, { __tostring = function(e) return "code " .. e.code end })) end),
      code(function() error(setmetatable({}, { __tostring = function() error("no text") end })) end),
      code(function() return { deep = { coroutine.create(print) } } end),
      code(function() return coroutine.create(print) end),
      code(function() return print, coroutine.create(print) end),
      code(function() local function f() return 1 + f() end return f() end),
    }
    for number, fn in ipairs(failing) do
      local value, err = process.exec(fn, host, 1)
      local results, failures = pool.map({ 1 }, fn)
      local failure = failures and failures[1]
      local where = "function " .. number
      assert.same(value, results[1], where)
      assert.are.equal(tostring(err), tostring(failure), where)
      if err then
        assert.are.equal(err:kind(), failure:kind(), where)
        assert.are.equal(err:retryable(), failure:retryable(), where)
        assert.same(err:details() or {}, failure:details() or {}, where)
      end
    end
  end)

  it("W-6 gives a raised error the stack of where it was raised", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local _, failures = pool.map({ 1 }, code(function()
      error("broken")
    end))
    assert.is_truthy(failures[1]:stack():find("pool_map_spec.lua:" .. line, 1, true), failures[1]:stack())
  end)

  it("W-6 B-20 counts an item that cannot cross as failed, and says which", function()
    local results, failures = pool.map({ 1, io.stdout, { log = { io.stdout } }, 4 }, code(function(item)
      return item
    end))
    assert.are.equal(
      "1=1 2=! cannot send a userdata (item 2) 3=! cannot send a userdata (item 3, .log[1]) 4=4",
      shown(results, failures)
    )
    assert.are.equal(errors.INVALID, failures[2]:kind())
  end)

  it("W-6 replaces a worker that dies, and counts its item alone as failed", function()
    local results, failures = pool.map(numbers(8), code(function(n)
      if n == 3 or n == 4 then
        process.terminate(process.pid())
      end
      return n
    end), { workers = 2 })
    for index = 1, 8 do
      if index == 3 or index == 4 then
        local text = tostring(failures[index])
        assert.is_truthy(text:find("^process ended before it replied: {.*}: process terminated$"), text)
        assert.are.equal(errors.UNAVAILABLE, failures[index]:kind())
      else
        assert.are.equal(index, results[index])
        assert.is_nil(failures[index])
      end
    end
  end)

  it("W-6 replaces the last worker of a host without room for another", function()
    local small = border.host({ max_processes = 1 })
    local results, failures = pool.map(numbers(4), code(function(n)
      if n % 2 == 0 then
        process.terminate(process.pid())
      end
      return n
    end), { workers = 1, host = small })
    assert.is_true(results[1] == 1 and results[3] == 3)
    for _, index in ipairs({ 2, 4 }) do
      assert.is_truthy(tostring(failures[index]):find("process terminated$"))
    end
  end)

  it("W-6 H-27 replaces a worker that ran out of memory", function()
    local small = border.host({ memory_limit = 8 * 1024 * 1024 })
    local results, failures = pool.map(numbers(6), code(function(n)
      kept = {} -- luacheck: ignore
      for i = 1, n == 2 and 1e7 or 10 do
        kept[i] = { i } -- luacheck: ignore
      end
      return n
    end), { workers = 1, host = small })
    local text = tostring(failures[2])
    assert.is_truthy(text:find("not enough memory$"), text)
    failures[2] = nil
    assert.is_nil(next(failures))
    assert.is_nil(results[2])
    assert.are.equal(6, results[6])
  end)

  it("W-6 B-162 ends an item that takes too long, whatever it does", function()
    local results, failures = pool.map({ "sleep", "compute", "protected", "work" }, code(function(what)
      if what == "sleep" then
        process.time.sleep("1h")
      end
      while what == "compute" do end
      while what == "protected" do
        pcall(function()
          while true do end
        end)
      end
      return what
    end), { timeout = "250ms", workers = 2 })
    local late = "pool: job not done within 250ms"
    assert.are.equal(
      ("1=! %s 2=! %s 3=! %s 4=work"):format(late, late, late), shown(results, failures)
    )
    assert.are.equal(errors.TIMEOUT, failures[1]:kind())
    assert.is_false(failures[1]:retryable())
  end)

  it("W-6 tells the progress to the caller", function()
    local told, here = {}, coroutine.running()
    local results = pool.map(numbers(5), double, {
      on_progress = function(done, total)
        told[#told + 1] = done .. "/" .. total
        assert.are.equal(here, coroutine.running())
      end,
    })
    assert.same({ "1/5", "2/5", "3/5", "4/5", "5/5" }, told)
    assert.are.equal(10, results[5])
  end)

  it("W-6 counts failed items as progress", function()
    local last
    pool.map(numbers(3), code(function()
      error("broken", 0)
    end), {
      on_progress = function(done)
        last = done
      end,
    })
    assert.are.equal(3, last)
  end)

  it("W-6 is left by an error of on_progress, and ends its workers", function()
    local thrown = { "an error" }
    local done, caught = pcall(pool.map, numbers(5), code(function(n)
      while n > 1 do end
    end), {
      workers = 2,
      on_progress = function()
        error(thrown)
      end,
    })
    assert.is_false(done)
    assert.are.equal(thrown, caught)
    is_clean()
  end)

  it("W-6 starts nothing more after an error with stop_on_error, and finishes what runs", function()
    local last = 0
    local results, failures = pool.map(numbers(100), code(function(n)
      if n == 3 then
        error("broken", 0)
      end
      process.time.sleep("20ms")
      return n
    end), {
      workers = 2,
      stop_on_error = true,
      on_progress = function(done)
        last = done
      end,
    })
    assert.are.equal(100, results.n)
    assert.are.equal("broken", tostring(failures[3]))
    assert.are.equal(1, results[1])
    assert.are.equal(2, results[2])
    local finished = 0
    for index = 1, 100 do
      finished = finished + ((results[index] or failures[index]) and 1 or 0)
    end
    assert.are.equal(last, finished)
    assert.is_true(finished <= 5, "finished " .. finished)
  end)

  it("W-6 with stop_on_error the worker that failed starts nothing more either", function()
    local results, failures = pool.map(numbers(10), code(function(n)
      return n ~= 3 and n or nil, n == 3 and "broken" or nil
    end), { workers = 1, stop_on_error = true })
    assert.are.same({ 1, 2, n = 10 }, results)
    assert.are.equal("broken", tostring(failures[3]))
    assert.is_nil(next(failures, 3))
  end)

  it("W-6 goes on after an error without stop_on_error", function()
    local results, failures = pool.map(numbers(4), code(function(n)
      return n ~= 2 and n or nil, n == 2 and "no two" or nil
    end), { stop_on_error = false })
    assert.are.equal("1=1 2=! no two 3=3 4=4", shown(results, failures))
  end)

  it("W-6 takes the results of another map, with holes", function()
    local first = pool.map(numbers(4), code(function(n)
      return n % 2 == 1 and n or nil
    end))
    local second, failures = pool.map(first, code(function(item, index)
      return tostring(item) .. index
    end))
    assert.are.equal("1=11 2=nil2 3=33 4=nil4", shown(second, failures))
  end)

  it("W-6 leaves the options of the caller alone", function()
    process.set_options({ wrapped = true, trap_links = true })
    local results, failures = pool.map({ { 1 }, { 2 } }, code(function(item)
      if item[1] == 2 then
        error("broken", 0)
      end
      return item
    end))
    assert.same({ 1 }, results[1])
    assert.are.equal("broken", tostring(failures[2]))
    is_clean()
  end)

  it("W-6 works whatever options fn sets, and keeps fn's mailbox to itself", function()
    local results, failures = pool.map(numbers(6), code(function(n)
      process.set_options({ wrapped = true, trap_links = true })
      process.send(process.pid(), "own", n)
      return process.inbox():receive():payload():data()
    end), { workers = 1 })
    assert.are.equal("1=1 2=2 3=3 4=4 5=5 6=6", shown(results, failures))
  end)

  it("W-6 can be called by several coroutines at once, and in plain ones", function()
    local finished = channel.new(3)
    for number = 1, 3 do
      coroutine.spawn(function()
        local results = pool.map(numbers(10), double, { workers = 2 })
        finished:send(results[10] + number)
      end)
    end
    local plain = coroutine.wrap(function()
      return pool.map(numbers(10), double)[10]
    end)
    assert.are.equal(20, plain())
    local sum = 0
    for _ = 1, 3 do
      sum = sum + support.receive(finished)
    end
    assert.are.equal(66, sum)
  end)

  it("W-6 can be called in a worker", function()
    local results, failures = pool.map(numbers(2), code(function(n)
      local own = require "process.pool"
      return own.map({ 1, 2, 3 }, function(m)
        return n * m
      end, { workers = 2 })
    end))
    assert.is_nil(failures)
    assert.same({ 2, 4, 6, n = 3 }, results[2])
  end)

  it("W-6 fails as spawn does if its workers cannot be started, and leaves nothing", function()
    fails("host not found: no:host", "NOT_FOUND", pool.map({ 1 }, double, { host = "no:host" }))
    fails("not a host reference (namespace:name): nohost", "INVALID", pool.map({ 1 }, double, { host = "nohost" }))
    local small = border.host({ max_processes = 1 })
    fails("host is full: " .. small .. " (limit 1)", "UNAVAILABLE", pool.map({ 1, 2 }, double, {
      host = small, workers = 2,
    }))
    is_clean()
    assert.are.equal(2, pool.map({ 1 }, double, { host = small, workers = 2 })[1])
  end)

  it("W-6 B-20 B-38 fails if fn cannot cross", function()
    local log = io.stdout
    fails("cannot send a userdata (argument 2, local log)", "INVALID", pool.map({ 1 }, code(function()
      return log
    end)))
    fails("entry function must not be a C function", "INVALID", pool.map({ 1 }, print))
  end)

  it("W-6 runs on restricted hosts", function()
    local small = border.restricted()
    assert.are.equal("1=2 2=4", shown(pool.map(numbers(2), double, { host = small })))
    local _, failures = pool.map(numbers(1), code(function()
      error("broken", 0)
    end), { host = small })
    assert.are.equal("broken", tostring(failures[1]))
  end)

  it("W-6 W-9 B-100 is refused to restricted processes", function()
    local small = border.restricted()
    for _, call in ipairs({ "map({ 1 }, function() end)", "new(function() end)" }) do
      local told = border.run(small, ([[
        local pool = require "process.pool"
        local result, err = pool.%s
        return { tostring(result), tostring(err), err:kind() }
      ]]):format(call))
      assert.same({ "nil", "not allowed on host " .. small .. ": spawn", errors.PERMISSION_DENIED }, told)
    end
  end)

  it("W-6 raises what is wrong with its arguments", function()
    local map = pool.map
    assert.are.equal("#1 (table expected, got no value)", support.bad_argument(map))
    assert.are.equal("#1 (table expected, got string)", support.bad_argument(map, "x", double))
    assert.are.equal("#2 (function expected, got no value)", support.bad_argument(map, {}))
    assert.are.equal("#2 (function expected, got string)", support.bad_argument(map, {}, "app:entry"))
    assert.are.equal("#3 (table expected, got number)", support.bad_argument(map, {}, double, 1))
    assert.are.equal("#1 (array expected, got a table with the key x)", support.bad_argument(map, { x = 1 }, double))
    assert.are.equal("#1 (array expected, got a table with the key 1.5)", support.bad_argument(map, {
      [1] = 1, [1.5] = 2,
    }, double))
    for text, options in pairs({
      ["pool: unknown option worker (did you mean workers?)"] = { worker = 1 },
      ["pool: unknown option 1"] = { "app:processes" },
      ["pool: unknown option queue"] = { queue = 1 },
      ["pool: workers: whole number from 1 expected, got 0"] = { workers = 0 },
      ["pool: workers: whole number from 1 expected, got 1.5"] = { workers = 1.5 },
      ["pool: workers: whole number from 1 expected, got 2 of them"] = { workers = "2 of them" },
      ["pool: host: string expected, got number"] = { host = 1 },
      ["pool: on_progress: function expected, got boolean"] = { on_progress = true },
      ["pool: stop_on_error: boolean expected, got string"] = { stop_on_error = "yes" },
    }) do
      assert.are.equal(text, support.raised(map, { 1 }, double, options))
    end
  end)

  it("W-6 B-40 B-41 B-42 returns what is wrong with a time-out", function()
    local function with(timeout)
      return pool.map({ 1 }, double, { timeout = timeout })
    end
    fails("pool.map: invalid duration: soon", "INVALID", with("soon"))
    fails('pool.map: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND', "INVALID", with(5))
    fails("pool.map: duration must be greater than zero", "INVALID", with("0s"))
    fails("pool.map: duration must be greater than zero", "INVALID", with("-1s"))
    fails("pool.map: invalid duration: soon", "INVALID", pool.map({}, double, { timeout = "soon" }))
    assert.are.equal(2, with(false)[1])
    assert.are.equal(2, with(process.time.parse_duration("20s"))[1])
  end)
end)
