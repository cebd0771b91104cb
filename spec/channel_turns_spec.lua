-- Ready coroutines take turns: neither short waits nor a channel that never runs dry keep others away.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

-- This many values may be taken in a row.
local ROW = 1000

-- Where waits happen: each calls `fn` there. The text is the same in this process and in spawned ones.
local places = {
  ["plain code"] = "return fn()",
  ["string.gsub"] = "local r = nil; ('x'):gsub('x', function() r = fn() end) return r",
  ["a plain coroutine"] = "return coroutine.wrap(fn)()",
  ["a plain coroutine in table.sort"] =
    "local r table.sort({ 1, 2 }, function(a, b) r = r or coroutine.wrap(fn)() return a < b end) return r",
}

-- Runs the body, which has `inside(fn)`, in this process or in a spawned one; the body returns its result.
local function run(where, place, body)
  local source = "local function inside(fn) " .. places[place] .. " end " .. body
  if where == "a spawned process" then
    return support.result_of(source)
  end
  local env = setmetatable({ process = process, channel = channel, time = time }, { __index = _G })
  return support.in_environment(source, env)()
end

-- Each defines `next()`, which takes a value from something that never runs dry.
local floods = {
  ["a flooded listener"] = [[
    local topic, own = process.listen("flood"), process.pid()
    process.send(own, "flood", 1)
    local function next() process.send(own, "flood", 1) return topic:receive() end
  ]],
  ["a flooded listener, by select"] = [[
    local topic, own = process.listen("flood"), process.pid()
    local never = channel.new()
    process.send(own, "flood", 1)
    local function next()
      process.send(own, "flood", 1)
      return channel.select({ topic:case_receive(), never:case_receive() })
    end
  ]],
  ["a flooded listener, by select with default"] = [[
    local topic, own = process.listen("flood"), process.pid()
    process.send(own, "flood", 1)
    local function next()
      process.send(own, "flood", 1)
      assert(not channel.select({ topic:case_receive(), default = true }).default)
    end
  ]],
  ["a buffered channel"] = [[
    local queue = channel.new(10)
    queue:send(1)
    local function next() queue:send(1) return queue:receive() end
  ]],
  ["a closed channel"] = [[
    local queue = channel.new(10)
    queue:close()
    local function next() return queue:receive() end
  ]],
  ["a fast ticker"] = [[
    local ticker = time.ticker("1ns")
    local ticks = ticker:channel()
    local function next() return ticks:receive() end
  ]],
}

for _, where in ipairs({ "the main process", "a spawned process" }) do
  describe("in " .. where, function()
    before_each(support.reset)
    after_each(support.finish)

    for place in pairs(places) do
      it("C-31, C-33 a wait that is over at once lets those that are ready run, in " .. place, function()
        assert.equal("1 2 3", run(where, place, [[
          local log = {}
          for i = 1, 3 do
            coroutine.spawn(function() log[#log + 1] = i end)
          end
          inside(function() time.sleep("1ns") end)
          return table.concat(log, " ")
        ]]))
      end)

      it("C-31, C-33 repeating short sleeps starves no coroutine, in " .. place, function()
        local sleeps = run(where, place, [[
          local done, sleeps = false, 0
          coroutine.spawn(function()
            for _ = 1, 20 do time.sleep("1ns") end
            done = true
          end)
          inside(function()
            repeat time.sleep("1ns") sleeps = sleeps + 1 until done or sleeps == 10000
          end)
          return sleeps
        ]])
        -- A coroutine whose time has come has its turn at the next sleep or the one after.
        assert.is_true(sleeps <= 60, sleeps)
      end)

      it("C-31, C-33 a coroutine that is woken again and again lets a wait end, in " .. place, function()
        local turns = run(where, place, [[
          local over, turns = false, 0
          coroutine.spawn(function()
            while not over and turns < 10000 do time.sleep(0) turns = turns + 1 end
          end)
          inside(function() time.sleep("1ns") end)
          over = true
          return turns
        ]])
        assert.is_true(turns <= 2, turns)
      end)
    end

    for name, flood in pairs(floods) do
      for place in pairs(places) do
        it("C-31 whoever takes from " .. name .. " in " .. place .. " lets the others run", function()
          local most = run(where, place, flood .. [[
            local over, in_row, most = false, 0, 0
            coroutine.spawn(function()
              while not over do
                in_row = 0
                time.sleep(0)
              end
            end)
            inside(function()
              for _ = 1, 5000 do
                next()
                in_row = in_row + 1
                most = math.max(most, in_row)
              end
            end)
            over = true
            time.sleep(0)
            if topic then process.unlisten(topic) end
            return most
          ]])
          assert.is_true(most <= ROW, most)
        end)
      end

      for place in pairs(places) do
        it("C-31 a coroutine that takes from " .. name .. " lets a wait end in " .. place, function()
          local taken = run(where, place, flood .. [[
            local over, taken = false, 0
            coroutine.spawn(function()
              while not over and taken < 20000 do
                next()
                taken = taken + 1
              end
            end)
            inside(function() time.sleep("1ns") end)
            over = true
            time.sleep(0)
            if topic then process.unlisten(topic) end
            return taken
          ]])
          assert.is_true(taken <= 2 * ROW, taken)
        end)
      end
    end

    it("C-31, C-40 who lets others run takes what is there then, or waits on", function()
      assert.equal("3000 values in order, 0 left", run(where, "plain code", [[
        local queue, got = channel.new(5000), {}
        for i = 1, 3000 do queue:send(i) end
        queue:close()
        local left = 2
        for _ = 1, 2 do
          coroutine.spawn(function()
            while true do
              local value, ok = queue:receive()
              if not ok then break end
              got[#got + 1] = value
            end
            left = left - 1
          end)
        end
        while left > 0 do time.sleep(0) end
        for i = 1, #got do assert(got[i] == i) end
        return #got .. " values in order, " .. left .. " left"
      ]]))
    end)

    for place in pairs(places) do
      it("C-31, C-41 a receive that lets others run keeps its time-out, in " .. place, function()
        assert.equal("2000 values, then nil nil, nil nil, 1 in time", run(where, place, [[
          local queue, turns = channel.new(2000), 0
          for i = 1, 2000 do queue:send(i) end
          coroutine.spawn(function() turns = turns + 1 end)
          return inside(function()
            local got = 0
            for _ = 1, 2000 do
              got = got + (queue:receive("1h") and 1 or 0)
            end
            local a, b = queue:receive(0)
            -- The next receive is the one that lets others run.
            for i = 1, 999 do queue:send(i) queue:receive() end
            local c, d = queue:receive("1ms")
            local text = "%d values, then %s %s, %s %s, %d in time"
            return text:format(got, tostring(a), tostring(b), tostring(c), tostring(d), turns)
          end)
        ]]))
      end)
    end

    it("C-22, C-31 select with default does not wait, even if others have taken what was there", function()
      assert.equal("1000 default 500", run(where, "plain code", [[
        local queue, other = channel.new(1500), 0
        for i = 1, 1500 do queue:send(i) end
        coroutine.spawn(function()
          for _ = 1, 500 do
            assert(queue:receive())
            other = other + 1
          end
        end)
        local own = 0
        for _ = 1, 1000 do
          own = own + (channel.select({ queue:case_receive(), default = true }).default and 0 or 1)
        end
        local result = channel.select({ queue:case_receive(), default = true })
        return own .. " " .. (result.default and "default" or "value") .. " " .. other
      ]]))
    end)
  end)
end

describe("a finalizer", function()
  it("C-31 takes as much as there is: it has nobody to wait for", function()
    local queue = channel.new(3000)
    for i = 1, 3000 do
      queue:send(i)
    end
    assert.equal(3000, support.in_finalizer(function()
      local count = 0
      while channel.select({ queue:case_receive(), default = true }).ok and count < 3000 do
        count = count + 1
      end
      return count
    end))
  end)
end)
