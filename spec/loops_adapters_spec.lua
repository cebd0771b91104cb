-- loops.md: the adapters, inside real loops.
local support = require "spec.support"

-- What every script does: 200 numbers from four workers, a timer of the library, and an answer by request. `finish`
-- runs when all of that has come.
local traffic = [[
  local process = require "process"
  local left = 200 + 1 + 1
  local function one_less()
    left = left - 1
    if left == 0 then finish() end
  end
  process.on(process.listen("number"), one_less)
  process.on(require("process.time").after("20ms"), function(_, ok) if ok then one_less() end end)
  local echo
  for number = 1, 4 do
    echo = process.spawn(function(parent)
      local process = require "process"
      for i = 1, 50 do process.send(parent, "number", i) end
      while true do
        local msg = process.inbox():receive()
        msg:reply(msg:payload() * 2)
      end
    end, "app:processes", process.pid())
  end
  coroutine.spawn(function()
    assert(process.call(echo, "double", 21) == 42)
    one_less()
  end)
]]

-- Each attaches, runs its loop until `finish` was called, and lets it end.
local loops = {
  luv = [[
    local uv = require "luv"
    local attached = require("process.luv").attach()
    function finish() attached:detach() end
    %s
    uv.run()
  ]],
  cqueues = [[
    local cq = require("cqueues").new()
    local attached = require("process.cqueues").attach { controller = cq }
    function finish() attached:detach() end
    %s
    assert(cq:loop())
  ]],
  copas = [[
    local copas = require "copas"
    local done
    local attached = require("process.copas").attach()
    function finish() done = true attached:detach() end
    %s
    while not done do copas.step() end
  ]],
  select = [[
    local socket, process = require "socket", require "process"
    local done
    local object = { getfd = function() return process.pollfd() end, dirty = function() return false end }
    function finish() done = true end
    %s
    while not done do
      socket.select({ object }, nil)
      process.step()
    end
  ]],
}

-- Debian has copas for Lua 5.1 alone.
if not support.jit then
  loops.copas = nil
end

describe("adapters", function()
  for name, loop in pairs(loops) do
    it("M-8 M-1 serve workers, timers and calls from the loop of " .. name, function()
      local script = loop:gsub("%%s", function()
        return traffic
      end) .. " print('left')"
      assert.are.equal("left\n", support.output_of(script))
    end)
  end

  it("M-8 luv: timers of both worlds run beside each other, and the loop uses nothing when idle", function()
    local out = support.output_of [[
      local uv, process, time = require "luv", require "process", require "process.time"
      local attached = require("process.luv").attach()
      local order = {}
      local timer = uv.new_timer()
      timer:start(20, 0, function() order[#order + 1] = "luv" timer:close() end)
      process.on(time.after("5ms"), function(_, ok) if ok then order[#order + 1] = "early" end end)
      process.on(time.after("120ms"), function(_, ok)
        if ok then
          order[#order + 1] = "late"
          attached:detach()
        end
      end)
      local before = os.clock()
      uv.run()
      print(table.concat(order, " "), os.clock() - before < 0.05)
    ]]
    assert.are.equal("early luv late\ttrue\n", out)
  end)

  it("M-8 luv: keep_alive = false lets the loop end although the library waits", function()
    assert.are.equal("ended\n", support.output_of [[
      local attached = require("process.luv").attach { keep_alive = false }
      require("process").on(require("process").inbox(), print)
      require("luv").run()
      print("ended")
      attached:detach()
      attached:detach()
    ]])
  end)

  it("M-8 on_error gets what would be raised, and the loop goes on", function()
    assert.are.equal("caught of a coroutine\nends\n", support.output_of [[
      require "process"
      local cq = require("cqueues").new()
      local attached
      attached = require("process.cqueues").attach {
        controller = cq,
        on_error = function(err)
          print("caught " .. err)
          coroutine.spawn(function() attached:detach() end)
        end,
      }
      coroutine.spawn(function() error("of a coroutine", 0) end)
      assert(cq:loop())
      print("ends")
    ]])
  end)

  it("M-8 without on_error the error goes where those of the loop go, and the loop can go on", function()
    assert.are.equal("false\tof a coroutine\nserved\n", support.output_of [[
      require "process"
      local cq = require("cqueues").new()
      local attached = require("process.cqueues").attach { controller = cq }
      coroutine.spawn(function() error("of a coroutine", 0) end)
      local ok, err = cq:loop()
      print(ok, (tostring(err):match("of a coroutine")))
      coroutine.spawn(function() print("served") attached:detach() end)
      assert(cq:loop())
    ]])
  end)

  it("M-8 any controller can poll the object of process.cqueues", function()
    assert.are.equal("true\n", support.output_of [[
      local cqueues, process = require "cqueues", require "process"
      local cq, object = cqueues.new(), require("process.cqueues").object()
      process.send(process.pid(), "x", 1)
      cq:wrap(function() print(cqueues.poll(object, 20) == object) end)
      assert(cq:loop())
    ]])
  end)

  it("M-8 one is attached at a time, and bad options are refused", function()
    assert.are.equal(
      "cqueues.attach: process.luv is attached already|luv.attach: unknown option uvv (did you mean uv?)|"
        .. "luv.attach: keep_alive must be a boolean, got string|"
        .. "bad argument #1 to 'attach' (table expected, got number)|"
        .. "cqueues.attach: controller is missing|luv.attach: on_error must be a function, got boolean|"
        .. "nvim.attach: not inside Neovim|nginx.attach: not inside nginx",
      support.output_of([[
      local luv, cqueues = require "process.luv", require "process.cqueues"
      local texts = {}
      local function raised(attach, options)
        local ok, err = pcall(attach, options)
        texts[#texts + 1] = ok and "attached" or (tostring(err):gsub("^.-:%d+: ", ""))
      end
      local attached = luv.attach()
      raised(cqueues.attach, { controller = require("cqueues").new() })
      attached:detach()
      raised(luv.attach, { uvv = 1 })
      raised(luv.attach, { keep_alive = "yes" })
      raised(luv.attach, 5)
      raised(cqueues.attach, {})
      raised(luv.attach, { on_error = true })
      raised(require("process.nvim").attach)
      raised(require("process.nginx").attach)
      io.write(table.concat(texts, "|"))
    ]])
    )
  end)
end)
