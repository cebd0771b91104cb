-- convenience.md: telling processes that their code was redefined.
local process = require "process"
local support = require "spec.support"
local host = support.host

-- An upgradable process of this entry, which reports every event it gets.
local watcher = [[
  return { main = function(parent)
    local process = require "process"
    process.set_options { upgradable = true }
    process.send(parent, "ready", process.pid())
    for event in function() return (process.events():receive()) end do
      if process.listen("hold"):receive(0) then process.listen("go"):receive() end
      process.send(parent, "event", { event.kind, event.from, event.sources, type(event.at) })
    end
  end }
]]

local function start(reference)
  local pid = support.keep(assert(process.spawn(reference, host, process.pid())))
  assert.are.equal("ready", support.receive(process.inbox()):topic())
  return pid
end

local function told()
  return support.receive(process.inbox()):payload()
end

describe("OUTDATED", function()
  before_each(support.reset)
  after_each(support.finish)

  it("W-7 tells an upgradable process that its entry was redefined, by whom and when", function()
    assert.are.equal("pid.outdated", process.event.OUTDATED)
    assert.is_false(process.get_options().upgradable)
    assert(process.define("spec.outdated:one", watcher))
    start("spec.outdated:one")
    assert(process.define("spec.outdated:other", watcher))
    assert(process.define("spec.outdated:one", watcher))
    assert.are.same({ "pid.outdated", process.pid(), { "spec.outdated:one" }, "userdata" }, told())
    assert(process.define("spec.outdated:one", watcher))
    assert.are.equal("pid.outdated", told()[1])
  end)

  it("W-7 tells it of its imports, and of the index file that redefines them", function()
    assert(process.define("spec.outdated:part", "return {}"))
    assert(process.define("spec.outdated:whole", { source = watcher, imports = { part = "spec.outdated:part" } }))
    start("spec.outdated:whole")
    assert(process.define("spec.outdated:part", "return {}"))
    assert.are.same({ "spec.outdated:part" }, told()[3])
    support.with_folder({
      ["_index.yaml"] = [[
version: "1.0"
namespace: spec.outdated
entries:
  - name: part
    kind: process.lua
    source: file://part.lua
    method: main
]],
      ["part.lua"] = "return {}",
    }, function(folder)
      assert(process.load(folder))
    end)
    assert.are.same({ "spec.outdated:part" }, told()[3])
  end)

  it("W-7 while one waits untaken its sources grow, each once", function()
    assert(process.define("spec.outdated:part", "return {}"))
    assert(process.define("spec.outdated:whole", [[
      return { main = function(parent)
        local process = require "process"
        process.set_options { upgradable = true }
        process.send(parent, "ready", process.pid())
        process.listen("go"):receive()
        local event = process.events():receive()
        process.send(parent, "event", { event.sources, (process.events():receive("10ms")) == nil })
      end }
    ]]))
    local definition = { source = "return {}", imports = { part = "spec.outdated:part" } }
    assert(process.define("spec.outdated:again", definition))
    local pid = start("spec.outdated:whole")
    for _ = 1, 3 do
      assert(process.define("spec.outdated:whole", "return {}"))
    end
    process.send(pid, "go")
    assert.are.same({ { "spec.outdated:whole" }, true }, told())
  end)

  it("W-7 the answer is process.upgrade, and the option stays", function()
    local first = [[
      return { main = function(parent)
        local process = require "process"
        process.set_options { upgradable = true }
        process.send(parent, "ready", process.pid())
        process.events():receive()
        process.upgrade(nil, parent)
      end }
    ]]
    assert(process.define("spec.outdated:upgraded", first))
    start("spec.outdated:upgraded")
    assert(process.define("spec.outdated:upgraded", [[
      return { main = function(parent)
        local process = require "process"
        process.send(parent, "new", process.get_options().upgradable)
      end }
    ]]))
    local msg = support.receive(process.inbox())
    assert.are.same({ "new", true }, { msg:topic(), msg:payload() })
  end)

  it("W-7 others hear nothing, and the option is a boolean", function()
    assert(process.define("spec.outdated:deaf", [[
      return { main = function(parent)
        local process = require "process"
        process.send(parent, "ready", process.pid())
        process.listen("go"):receive()
        process.send(parent, "event", (process.events():receive(0)) == nil)
      end }
    ]]))
    local pid = start("spec.outdated:deaf")
    assert(process.define("spec.outdated:deaf", "return {}"))
    process.send(pid, "go")
    assert.is_true(told())
    support.fails("option upgradable must be a boolean", "INVALID", process.set_options { upgradable = 1 })
  end)
end)
