-- loops.md: OS signals as values of a channel.
local process = require "process"
local descriptors = require "spec.support.descriptors"
local support = require "spec.support"

-- Scripts begin with this; SIGUSR1 and SIGTERM are 10 and 15 on Linux.
local head = descriptors.source
  .. "local process, channel, time = require 'process', require 'channel', require 'time' "
  .. "local USR1, TERM, INT = 10, 15, 2 "
  .. "local function kill(signal) native.raise(signal) end "

local function output_of(script, limit)
  return (support.output_of(head .. script, limit):gsub("%s+", " "):gsub(" $", ""))
end

describe("process.signals", function()
  it("M-30 yields the names of the signals that come, and the program goes on", function()
    assert.are.equal("TERM true USR1 true", output_of [[
      local ch = process.signals { "TERM", "USR1" }
      kill(TERM)
      print(ch:receive("20s"))
      kill(USR1)
      print(ch:receive("20s"))
    ]])
  end)

  it("M-30 several channels get the same signal, in a select beside others", function()
    assert.are.equal("TERM TERM", output_of [[
      local a, b = process.signals { "TERM" }, process.signals { "TERM", "HUP" }
      local late = time.after("20s")
      kill(TERM)
      print(channel.select({ a:case_receive(), late:case_receive() }).value)
      print(channel.select({ b:case_receive(), late:case_receive() }).value)
    ]])
  end)

  it("M-30 wakes the main process from any wait", function()
    local script = [[
      local ch = process.signals { "TERM" }
      os.execute("(sleep 0.1; kill -TERM $PPID) &")
      print((ch:receive("20s")))
    ]]
    assert.are.equal("TERM", output_of(script))
  end)

  it("M-30 close restores what the signal did before, when no other channel needs it", function()
    local ran = support.run(head .. [[
      local a, b = process.signals { "TERM" }, process.signals { "TERM" }
      a:close()
      print(a:receive())
      kill(TERM)
      print(b:receive("20s"))
      b:close()
      io.stdout:flush()
      kill(TERM)
      print("not reached")
    ]])
    assert.are.equal("nil\tfalse\nTERM\ttrue\n", ran.out)
    assert.are.equal(143, ran.code)
  end)

  it("M-30 leaves alone what somebody else has installed since", function()
    assert.are.equal("1", output_of [[
      local ch = process.signals { "USR1" }
      native.catch(USR1)
      ch:close()
      print(("%d"):format(native.raise(USR1)))
    ]])
  end)

  it("M-30 is not collected while it is open, and the end of the program ends it", function()
    assert.are.equal("still", output_of [[
      process.signals { "TERM" }
      collectgarbage() collectgarbage()
      kill(TERM)
      print("still")
    ]])
  end)

  it("M-30 L-66 started programs get the system's default", function()
    local ran = support.run(head .. [[
      process.signals { "TERM", "USR1" }
      local _, how, code = os.execute("kill -TERM $$")
      print(how or "", code or "")
      process.exec(function() os.execute("kill -USR1 $$") return true end, "app:processes")
    ]])
    assert.are.equal(0, ran.code)
    if not support.jit then
      assert.are.equal("signal\t15\n", ran.out)
    end
  end)

  it("M-30 P-36 can be received from and closed, nothing else", function()
    assert.are.equal("false cannot send on a mailbox channel", (output_of [[
      local ch = process.signals { "WINCH" }
      local ok, err = pcall(ch.send, ch, 1)
      print(ok, (tostring(err):gsub("^.-:%d+: ", "")))
      ch:close()
      ch:close()
    ]]))
  end)

  it("M-30 works for a loop that watches pollfd", function()
    assert.are.equal("1 TERM", output_of [[
      local seen
      process.on(process.signals { "TERM" }, function(name) seen = name end)
      repeat until not process.step()
      kill(TERM)
      print(("%d"):format(native.readable(process.pollfd(), 20000)))
      while not seen do process.step() end
      print(seen)
    ]])
  end)

  it("M-30 B-153 refuses no names, unknown names, the library's own signal, and spawned processes", function()
    support.fails("signals: no names", "INVALID", process.signals {})
    support.fails("signals: unknown signal KILL", "INVALID", process.signals { "TERM", "KILL" })
    support.fails("signals: unknown signal term", "INVALID", process.signals { "term" })
    assert.are.equal("#1 (table expected, got string)", support.bad_argument(process.signals, "TERM"))
    assert.are.equal("#1 (array of strings expected)", support.bad_argument(process.signals, { 15 }))
    local err = support.result_of("return select(2, process.signals { 'TERM' })")
    assert.are.equal("signals: only in the main process", tostring(err))
    assert.are.equal(require("process.errors").UNAVAILABLE, err:kind())
    local script = "print(select(2, require('process').signals { 'USR2' }))"
    local out = support.output_of(script, 20, "PROCESS_SIGNAL=12")
    assert.are.equal("signals: used by the library: USR2\n", out)
    support.finish()
  end)
end)
