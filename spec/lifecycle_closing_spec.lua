-- Finalizers of the main state may do everything but wait while it closes. Nothing that they make outlives the
-- objects it points to.
local support = require "spec.support"

-- A heap that reveals use after free: freed memory is filled with other bytes.
local strict = "MALLOC_PERTURB_=165 MALLOC_CHECK_=3"

local start = support.FINALIZER .. [[
  local process = require "process"
  local channel, time, errors = process.channel, process.time, process.errors
  process.define("spec:sender", "return function(parent) require('process').send(parent, 'x', { 1 }) end")
  process.define("spec:idle", "return function() end")
  for _ = 1, 2 do assert(process.spawn("spec:sender", "app:processes", process.pid())) end
  kept = { process.inbox():receive(), process.inbox():receive(), process.events() }
]]

local uses = {
  ["makes a channel"] = "channel.new()",
  ["listens"] = "process.listen('x')",
  ["fills a channel"] = "local ch = channel.new(1) ch:send(1)",
  ["closes a channel"] = "local ch = channel.new() ch:close() pcall(ch.send, ch, 1)",
  ["receives"] = "pcall(function() process.inbox():receive() end) pcall(function() channel.new():receive() end)",
  ["selects"] = "pcall(function() channel.select({ channel.new():case_receive() }) end)",
  ["waits"] = "pcall(process.wait, '1ms') pcall(time.sleep, '1ms') pcall(time.sleep, 0)",
  ["asks for events"] = "process.events()",
  ["starts timers"] = "time.after('1ms') time.ticker('1ms') time.timer('1s'):stop()",
  ["asks for the time"] = "keep[#keep + 1] = time.now():format('2006')",
  ["makes errors"] = "keep[#keep + 1] = errors.new('x')",
  ["spawns"] = "process.spawn(function() end, 'app:processes') pcall(process.exec, 'spec:idle', 'app:processes')",
  ["spawns with options"] = "process.with_options({}):spawn('spec:idle', 'app:processes')",
  ["makes coroutines"] = "coroutine.spawn(function() end) coroutine.wrap(function() channel.new() end)()",
  ["reads messages"] = [[
    for i = 1, 2 do pcall(function() keep[#keep + 1] = kept[i]:payload() end) end
    process.set_options({ wrapped = true })
    for i = 1, 2 do pcall(function() keep[#keep + 1] = kept[i]:payload() end) end]],
  ["sends messages"] = "process.send(process.pid(), 'x', { 1 })",
  ["defines and names"] = "process.define('spec:x', 'return 1') process.registry.register('spec.x')",
}
local all = {}
for _, use in pairs(uses) do
  all[#all + 1] = "pcall(function() " .. use .. " end)"
end
uses["does all of this"] = table.concat(all, " ")

describe("a finalizer of the main state", function()
  for name, use in pairs(uses) do
    it("H-54 L-65 harms nothing while the state closes if it " .. name, function()
      for _, kind in ipairs({
        "keep = {} keep[1] = finalizer(use)",
        -- A finalizer that makes the next one, more often than LuaJIT follows.
        [[
          keep = {}
          local function make(count)
            keep[#keep + 1] = finalizer(function() use() if count > 0 then make(count - 1) end end)
          end
          make(14)]],
      }) do
        local script = start .. "local function use() pcall(function() " .. use .. " end) end\n" .. kind ..
          "\nprint('end of script')"
        assert.are.equal("end of script\n", support.output_of(script, 30, strict))
      end
    end)
  end

  it("H-54 B-56 uses the library until the last", function()
    assert.are.equal("true\ttrue\n", support.output_of(start .. [[
      local pid = process.pid()
      keep = {}
      local function use()
        local ok, err = pcall(function() channel.new():receive() end)
        return process.pid() == pid and not ok and tostring(err):find("cannot wait in a finalizer", 1, true) ~= nil
      end
      keep[1] = finalizer(function()
        local first = use()
        if not newproxy then return print(first, true) end
        keep[2] = finalizer(function() keep[3] = finalizer(function() print(first, use()) end) end)
      end)
    ]], 30, strict))
  end)
end)
