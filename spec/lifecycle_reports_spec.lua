-- The one report that a crash writes to standard error when nobody else would learn of it.
local support = require "spec.support"

-- Starts the entry "spec:subject" with this source; `gone` waits until its main is over and its state closed.
local prelude = [[
  local process = require "process"
  local time = require "process.time"
  local source = "process.registry.register('spec.subject') " .. %q
  assert(process.define("spec:subject", source))

  local function gone(pid)
    while process.send(pid, "are you there?") do time.sleep("1ms") end
    while process.registry.lookup("spec.subject") do time.sleep("1ms") end
  end
]]

-- The output of a script that starts such a subject and goes on as `rest` says.
local function run(source, rest)
  local script = support.run(prelude:format(source) .. rest)
  assert.are.equal(0, script.code, script.err)
  return script
end

local function main(body)
  return "return { main = function() " .. body .. " end }"
end

local spawned = [[
  local pid = assert(process.spawn("spec:subject", "app:processes"))
  print(pid)
]]

describe("the report of a crash", function()
  local no_stock = "error(errors.new({ message = 'no stock', kind = errors.NOT_FOUND }))"

  -- Sources, the text they fail with, and whether Lua code raised it: then there is a traceback.
  local crashes = {
    { "(f) an error", main("error('no stock')"), "no stock", true },
    { "(f) a mistake", main("local shelf; return shelf.stock"), "attempt to index", true },
    { "(f) an error in a coroutine",
      main("coroutine.spawn(function() error('no stock') end); channel.new():receive()"), "no stock", true },
    { "(g) an error object", main(no_stock), "no stock", true },
    { "(h) another value", main("error(setmetatable({}, { __tostring = function() return 'no stock' end }))"),
      "no stock", true },
    { "(i) an error in the main chunk", "error('no stock')", "no stock", true },
    { "(j) a missing main", "return {}", "entry spec:subject: no function main", false },
    { "(o) a result that cannot cross", main("return io.stdout"), "cannot send a userdata (result)", false },
  }
  for _, crash in ipairs(crashes) do
    it("L-16 tells PID, entry, text and traceback of " .. crash[1], function()
      -- Waits until the text is in the file that standard error of this script goes to.
      local script = run(crash[2], spawned .. ([[
        local text, written = %q, ""
        repeat
          time.sleep("2ms")
          local file = assert(io.open(arg[0] .. ".err"))
          written = file:read("*a")
          file:close()
        until written:find(text, 1, true) and written:sub(-1) == "\n"
        gone(pid)
      ]]):format(crash[3]))
      local pid = script.out:match("{.-}")
      assert.is_truthy(script.err:find(pid, 1, true), script.err)
      assert.is_truthy(script.err:find("spec:subject", 1, true), script.err)
      assert.is_truthy(script.err:find(crash[3], 1, true), script.err)
      local _, tracebacks = script.err:gsub("stack traceback:", "")
      if crash[4] then
        assert.are.equal(1, tracebacks, script.err)
      end
    end)
  end

  local linked = [[
    assert(process.set_options({ trap_links = true }))
    local pid = assert(process.spawn_linked("spec:subject", "app:processes"))
    assert(process.events():receive().from == pid)
    gone(pid)
  ]]
  local watched = [[
    local pid = assert(process.spawn_monitored("spec:subject", "app:processes"))
    assert(process.events():receive().error)
    gone(pid)
  ]]

  -- Sources and scripts that write nothing.
  local silent = {
    { "a normal exit", main("return 42"), spawned .. "gone(pid)" },
    { "(d) a returned text", main("return nil, 'no stock'"), spawned .. "gone(pid)" },
    { "(e) a returned error", main("return false, errors.new('no stock')"), spawned .. "gone(pid)" },
    { "(l) a termination", main("channel.new():receive()"), spawned .. "process.terminate(pid) gone(pid)" },
    { "a crash that somebody watches", main("error('no stock')"), watched },
    { "a crash that somebody is linked to", main("error('no stock')"), linked },
    { "(n) a broken link", main([[
        process.define('spec:partner', "return { main = function() error('no stock') end }")
        process.spawn_linked('spec:partner', 'app:processes')
        channel.new():receive()
      ]]), spawned .. "gone(pid)" },
  }
  for _, row in ipairs(silent) do
    it("L-16 is not written for " .. row[1], function()
      assert.are.equal("", run(row[2], row[3]).err)
    end)
  end
end)
