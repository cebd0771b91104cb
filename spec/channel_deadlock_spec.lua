-- Waits that cannot end: those that the library finds out, and those that it leaves alone. The scripts run in an
-- interpreter of their own, because the process that runs the specs may have children.
local process = require "process"
local support = require "spec.support"
local native = require "spec.support.native"

local deadlock = "deadlock: nothing can wake the main process"

local function script(source)
  return support.run('local process = require "process"\n' .. source)
end

describe("a main process that nothing can wake", function()
  local waits = {
    ["receive"] = "channel.new():receive()",
    ["send"] = "channel.new():send(1)",
    ["select"] = "channel.select({ channel.new():case_receive(), channel.new():case_send(1) })",
    ["receive of a message"] = "process.inbox():receive()",
    ["receive of an event"] = "process.events():receive()",
    ["receive in a plain coroutine"] = "coroutine.wrap(function() channel.new():receive() end)()",
    ["receive in a callback"] = "string.gsub('x', 'x', function() channel.new():receive() end)",
    ["receive of a timer that fired before"] = [[
      local late = time.after("1ms")
      late:receive()
      late:receive()
    ]],
    ["receive while another coroutine waits for ever"] = [[
      coroutine.spawn(function()
        channel.new():receive()
      end)
      channel.new():receive()
    ]],
  }
  for name, source in pairs(waits) do
    it("C-37 B-55 raises in " .. name, function()
      local got = script(source)
      assert.equal(1, got.code)
      assert.matches(deadlock, got.err, 1, true)
    end)
  end

  it("C-37 B-55 goes on when it catches the error", function()
    local got = script([[
      local ch = channel.new(1)
      print(select(2, pcall(ch.receive, ch)))
      ch:send("goes on")
      print(ch:receive())
    ]])
    assert.equal(deadlock .. "\ngoes on\ttrue\n", got.out)
    assert.equal(0, got.code)
  end)

  it("C-37 waits as long as a process is alive", function()
    local got = script([[
      process.define("spec:child", "return { main = function() time.sleep('50ms') print('child is over') end }")
      process.spawn("spec:child", "app:processes")
      print(select(2, pcall(process.inbox().receive, process.inbox())))
    ]])
    assert.equal("child is over\n" .. deadlock .. "\n", got.out)
  end)

  it("C-37 waits as long as a timer runs", function()
    local got = script([[
      local start, late = time.now(), time.after("50ms")
      local ok, message = pcall(channel.new().receive, channel.new())
      print(time.now():sub(start):milliseconds() >= 50, ok, message, select(2, late:receive()))
    ]])
    assert.equal("true\tfalse\t" .. deadlock .. "\ttrue\n", got.out)
  end)

  it("C-37 B-55 waits as long as the handler of a signal may do something", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      assert.equal("true\ttrue\tfalse\n", support.output_of(native.source(folder) .. [[
        local process = require "process"
        local deadlock = select(2, pcall(channel.new().receive, channel.new()))
        native.catch(12)
        -- The interpreter's own handler raises, which ends the wait.
        os.execute("(sleep 0.2; kill -INT $PPID) &")
        local interrupted = select(2, pcall(channel.new().receive, channel.new()))
        print(
          tostring(deadlock):find("deadlock", 1, true) ~= nil,
          tostring(interrupted):find("interrupted!", 1, true) ~= nil,
          tostring(interrupted):find("deadlock", 1, true) ~= nil
        )
      ]]))
    end)
  end)

  it("C-37 B-55 L-54 does not wait for a process that was given up", function()
    local got = script([[
      process.define_host("spec:short", { terminate_grace = "50ms", report = false })
      process.define("spec:stuck", "return { main = function(parent) " ..
        "process.send(parent, 'there') io.popen('sleep 3'):read('*a') end }")
      local pid = process.spawn_monitored("spec:stuck", "spec:short", process.pid())
      process.inbox():receive()
      process.terminate(pid)
      process.events():receive()
      print(select(2, pcall(process.inbox().receive, process.inbox())))
    ]])
    assert.equal(deadlock .. "\n", got.out)
  end)

  it("C-37 is woken by the last words of a process that has ended", function()
    local got = script([[
      process.define("spec:child", "return { main = function(parent) process.send(parent, 'last words') end }")
      for _ = 1, 100 do
        process.spawn_monitored("spec:child", "app:processes", process.pid())
        assert(process.inbox():receive():topic() == "last words")
        assert(process.events():receive().kind == process.event.EXIT)
      end
      print("all received")
    ]])
    assert.equal("all received\n", got.out)
  end)
end)

-- Each runs the body of a function in one kind of process, and returns the string that the function returns.
local places = {
  ["the main process"] = function(body)
    return script("io.write((function()\n" .. body .. "\nend)())").out
  end,
  ["a spawned process"] = function(body)
    return support.result_of(body)
  end,
}

describe("waits inside waits", function()
  before_each(support.reset)
  after_each(support.finish)

  for place, run in pairs(places) do
    it("C-33 B-57 nest up to 150 levels, one more raises, in " .. place, function()
      assert.equal("too many nested waits after 150", run([[
        local gate, waiting, refusal = channel.new(), 0, nil
        local function nest()
          string.gsub("x", "x", function()
            if not refusal then
              coroutine.spawn(nest)
            end
            waiting = waiting + 1
            local ok, message = pcall(gate.receive, gate)
            waiting = waiting - 1
            if not ok then
              refusal = message .. " after " .. waiting
              gate:close()
            end
          end)
        end
        nest()
        return refusal
      ]]))
    end)

    it("C-33 go on in turn when each is served from below, in " .. place, function()
      assert.equal("3,2,1", run([[
        local log, gates = {}, { channel.new(), channel.new(), channel.new() }
        local function nest(level)
          string.gsub("x", "x", function()
            if level < 3 then
              coroutine.spawn(nest, level + 1)
            else
              coroutine.spawn(function()
                for i = 3, 1, -1 do
                  gates[i]:send(i)
                end
              end)
            end
            table.insert(log, (gates[level]:receive()))
          end)
        end
        nest(1)
        return table.concat(log, ",")
      ]]))
    end)

    it("C-33 B-58 raise when one waits for a coroutine that it holds up itself, in " .. place, function()
      -- The outer wait is served, but its coroutine cannot go on before the inner wait returns, and nobody else can
      -- serve the inner one.
      assert.equal("deadlock: waiting for a coroutine that is held up by this wait", run([[
        local outer, inner, refusal = channel.new(), channel.new(), nil
        coroutine.spawn(function()
          string.gsub("x", "x", function()
            outer:send("served")
            refusal = select(2, pcall(inner.receive, inner))
          end)
        end)
        string.gsub("x", "x", function()
          outer:receive()
        end)
        return refusal
      ]]))
    end)
  end

  it("C-33 C-37 a nested wait that another process may serve goes on waiting", function()
    local pid = support.spawn_monitored([[
      local outer = channel.new()
      local name
      coroutine.spawn(function()
        string.gsub("x", "x", function()
          outer:send("served")
          name = process.inbox():receive():topic()
        end)
      end)
      string.gsub("x", "x", function()
        outer:receive()
      end)
      return name
    ]])
    assert.is_true(support.silent(process.events()))
    process.send(pid, "from outside")
    assert.equal("from outside", support.event_of(pid).result)
  end)
end)
