-- hosts-and-entries.md: openers of the spawner's package.preload in new processes.
local process = require "process"
local border = require "spec.support.border"
local support = require "spec.support"

-- Which of the names the process finds, and whether it can load them.
local code = support.code(function(names)
  local found = {}
  for _, name in ipairs(names) do
    found[name] = type(package.preload[name]) == "function" and (pcall(require, name))
  end
  return found
end)

describe("the host option preload", function()
  before_each(support.reset)
  after_each(function()
    support.finish()
    for _, name in ipairs { "spec.preload.c", "spec.preload.lua", "spec.preload.other" } do
      package.preload[name] = nil
    end
  end)

  local names = { "spec.preload.c", "spec.preload.lua", "spec.preload.other" }

  local function found_on(option)
    local opener = assert(package.loadlib(package.searchpath("cjson", package.cpath), "luaopen_cjson"))
    package.preload["spec.preload.c"] = opener
    package.preload["spec.preload.other"] = opener
    package.preload["spec.preload.lua"] = function() return {} end
    local host = border.host { preload = option }
    local found, err = process.exec(code, host, names)
    assert.is_nil(err)
    return found, process.host_info(host).preload
  end

  it("H-33 gives new processes the C openers that the spawner has, all or some", function()
    local found, info = found_on(true)
    assert.are.same({ ["spec.preload.c"] = true, ["spec.preload.lua"] = false, ["spec.preload.other"] = true }, found)
    assert.is_true(info)
    found, info = found_on { "spec.preload.other", "spec.preload.lua" }
    assert.are.same({ ["spec.preload.c"] = false, ["spec.preload.lua"] = false, ["spec.preload.other"] = true }, found)
    assert.are.same({ "spec.preload.other", "spec.preload.lua" }, info)
    for _, none in ipairs { false, {} } do
      found = found_on(none)
      assert.are.same({ false, false, false }, { found[names[1]], found[names[2]], found[names[3]] })
    end
  end)

  it("H-33 an upgraded process has them too, and hands them on", function()
    found_on(false)
    local host = border.host { preload = true }
    assert(process.define("spec.preload:second", ([[
      return function(host)
        local process = require "process"
        return process.exec(function() return type(require("spec.preload.c")) end, host)
      end
    ]])))
    local first = support.code(function(own) require("process").upgrade("spec.preload:second", own) end)
    assert.are.equal("table", process.exec(first, host, host))
  end)

  it("H-33 B-39 is refused on a restricted host, and is true or a list of names", function()
    local options = { max_processes = 1, mailbox_limit = 10, memory_limit = 1000000, libs = border.libs }
    options.preload = true
    local text = "preload: not possible on a host with libs"
    support.fails(text, "INVALID", process.define_host("spec.preload:r", options))
    support.fails(
      "preload: table expected, got string",
      "INVALID",
      process.define_host("spec.preload:s", { preload = "x" })
    )
    support.fails("preload: not a name: 1", "INVALID", process.define_host("spec.preload:s", { preload = { 1 } }))
  end)
end)
