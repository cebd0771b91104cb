-- luacheck: no max line length
-- LuaJIT builds that take no allocator: any LuaJIT behaves like one of them if it is told to.
local support = require "spec.support"

describe("a VM that takes no allocator", function()
  if not support.jit then
    return
  end
  local VM = "PROCESS_ALLOCATOR=vm"

  it("H-27 runs processes, and looks at their limits when they wait and now and then", function()
    local printed = support.output_of(([[
      local process = require "process"
      process.define_host("x:limited", { memory_limit = 8 * 1024 * 1024, report = false, workers = %d })
      local hoard = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end "
      local function tell(what, body)
        process.define("spec:" .. what, "return { main = function() " .. body .. " end }")
        local result, err = process.exec("spec:" .. what, "x:limited")
        io.write(what, " ", tostring(result), " ", tostring(err), "\n")
      end
      tell("small", "return 'fine'")
      tell("strings", hoard)
      tell("tables", "local t while true do t = { t } end")
      tell("caught", "local _, err = pcall(function() " .. hoard .. " end) collectgarbage() return tostring(err)")
      tell("waiting", "collectgarbage('stop') local t = {} for i = 1, 20000 do t[i] = ('x'):rep(1000) .. i end time.sleep('1ms') return #t")
      tell("garbage", "for i = 1, 100000 do local _ = ('x'):rep(1000) .. i end return 'fine'")
      tell("last", "return 'fine'")
    ]]):format(support.workers), 60, VM)
    assert.equal(table.concat({
      "small fine nil",
      "strings nil not enough memory",
      "tables nil not enough memory",
      "caught not enough memory nil",
      "waiting nil not enough memory",
      "garbage fine nil",
      "last fine nil",
      "",
    }, "\n"), printed)
  end)

  for _, name in ipairs({
    "seed", "process_messages", "process_exec", "process_upgrade", "channel_coroutine", "lifecycle_monitors", "values_functions",
  }) do
    it("H-27 does what others do: " .. name, function()
      local passed, text = support.run_spec(name, VM)
      assert.is_true(passed, text)
    end)
  end
end)
