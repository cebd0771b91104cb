-- Where another process is.
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"
local host = support.host
local code = support.code

local INTERPRETED = "spec:traceback_interpreted"
assert(process.define_host(INTERPRETED, { jit = false, workers = support.workers }))

local function line_here()
  return debug.getinfo(2, "l").currentline
end

describe("a traceback", function()
  before_each(support.reset)
  after_each(support.finish)

  it("I-3 shows where a waiting process waits, and every coroutine of it", function()
    local line = line_here()
    local pid = assert(process.spawn(code(function()
      coroutine.spawn(function()
        process.events():receive()
      end)
      process.listen("go"):receive()
    end), host))
    support.eventually(function()
      return process.info(pid).coroutines == 1 and process.info(pid).state == "waiting"
    end)
    local before = assert(process.info(pid)).resumed
    local text = assert(process.traceback(pid))
    local main, other = text:match("^main\nstack traceback:\n(.*)\ncoroutine 1\nstack traceback:\n(.*)$")
    assert.is_truthy(main and main:find(":" .. line + 5 .. ": in function", 1, true), text)
    assert.is_truthy(other:find(":" .. line + 3 .. ": in function", 1, true), text)
    assert.equal(before, process.info(pid).resumed)
    process.terminate(pid)
  end)

  it("I-3 shows the line of a loop without end, inside coroutines and pcall, and the process goes on", function()
    local line = line_here()
    local pid = assert(process.spawn(code(function()
      local function spin()
        local done
        process.set_options({ trap_links = true })
        pcall(function()
          for i = 1, math.huge do done = i end
        end)
        return done
      end
      coroutine.wrap(spin)()
    end), INTERPRETED))
    support.eventually(function()
      return process.info(pid).trap_links
    end)
    for _ = 1, 20 do
      local text = assert(process.traceback(pid, "5s"))
      assert.is_truthy(text:find(":" .. line + 6 .. ":", 1, true), text)
      assert.is_truthy(text:find(":" .. line + 10 .. ":", 1, true), text)
      assert.equal("running", process.info(pid).state)
    end
    process.terminate(pid)
  end)

  it("I-3 is had of oneself, and of a main process that waits", function()
    local line = line_here()
    local own = assert(process.traceback(process.pid()))
    assert.is_truthy(own:find(":" .. line + 1 .. ":", 1, true), own)
    local text = process.exec(code(function(main)
      return (assert(require("process").traceback(main)))
    end), host, process.pid())
    assert.is_truthy(text:find("^main\nstack traceback:\n"), text)
  end)

  it("I-3 other coroutines of the asker run meanwhile, and several may ask at once", function()
    local pid = assert(process.spawn(code(function()
      require("process").inbox():receive()
    end), host))
    support.eventually(function()
      return process.info(pid).state == "waiting"
    end)
    local answers = channel.new(10)
    for _ = 1, 10 do
      coroutine.spawn(function()
        answers:send((assert(process.traceback(pid, "5s"))))
      end)
    end
    local first = support.receive(answers)
    for _ = 2, 10 do
      assert.equal(first, support.receive(answers))
    end
    process.terminate(pid)
  end)

  it("I-3, B-140 a process in a C function does not stop, and is asked in vain", function()
    local pid = assert(process.spawn(code(function()
      os.execute("sleep 1")
      require("process").inbox():receive()
    end), host))
    time.sleep("50ms")
    local start = time.now()
    local text, err = process.traceback(pid, "100ms")
    assert.is_nil(text)
    assert.equal("process does not stop for a traceback: " .. pid, tostring(err))
    assert.same({ "Timeout", true, pid }, { err:kind(), err:retryable(), err:details().pid })
    assert.is_true(time.now():sub(start):milliseconds() >= 100)
    -- When it comes back it answers others, and the late answer harms nobody.
    assert.is_truthy(assert(process.traceback(pid, "20s")):find("^main\n"))
    process.terminate(pid)
  end)

  it("I-3, B-11 a process that ends meanwhile is told of as gone", function()
    local pid = assert(process.spawn(code(function()
      os.execute("sleep 0.3")
    end), host))
    time.sleep("50ms")
    coroutine.spawn(function()
      process.terminate(pid)
    end)
    support.fails("process not found: " .. pid, "NOT_FOUND", process.traceback(pid, "20s"))
  end)

  it("I-3, B-10, B-11, B-40, B-41, B-42 refuses what cannot be asked", function()
    support.fails("destination not found: nobody", "NOT_FOUND", process.traceback("nobody"))
    support.fails("process not found: {a:b|zz}", "NOT_FOUND", process.traceback("{a:b|zz}"))
    local own = process.pid()
    support.fails("process.traceback: invalid duration: soon", "INVALID", process.traceback(own, "soon"))
    support.fails("process.traceback: duration must be greater than zero", "INVALID", process.traceback(own, 0))
    local text = 'process.traceback: 5 is 5 nanoseconds; write "5s", "5ms" or 5 * time.SECOND'
    support.fails(text, "INVALID", process.traceback(own, 5))
  end)
end)
