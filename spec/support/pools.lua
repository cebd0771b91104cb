-- Shared by the specs of pools that are kept.
local process = require "process"
local pool = require "process.pool"
local support = require "spec.support"
local assert = require "luassert"
local code = support.code

local pools = {}

local opened = {}

function pools.open(fn, options)
  local own = assert(pool.new(code(fn), options))
  opened[#opened + 1] = own
  return own
end

-- Nothing of an earlier spec is left in the mailbox, whatever its workers have sent.
function pools.reset()
  for _, topic in ipairs({ "runs", "worker" }) do
    process.unlisten(process.listen(topic))
  end
  support.reset()
end

function pools.finish()
  for _, own in ipairs(opened) do
    own:close("0s")
  end
  opened = {}
  assert.is_true(process.wait("20s"))
  assert.is_nil(support.waiting(process.events()))
  support.finish()
end

function pools.is_gone(pid)
  local _, err = process.terminate(pid)
  return tostring(err) == "process not found: " .. pid
end

-- A job that says that it runs, and runs until its worker gets a message: gated(parent, name).
function pools.gated(parent, name)
  process.send(parent, "runs", { pid = process.pid(), name = name })
  process.inbox():receive()
  return name
end

-- The next such job that runs: its name and the PID of its worker.
function pools.running()
  local told = support.receive(process.listen("runs"))
  return told.name, told.pid
end

-- Lets everything else go on.
function pools.pass()
  process.time.sleep("20ms")
end

return pools
