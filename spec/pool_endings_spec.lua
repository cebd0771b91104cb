-- pool.md: the workers of a pool end with their owner.
local process = require "process"
local pools = require "spec.support.pools"
local support = require "spec.support"
local code = support.code
local reset, finish, is_gone = pools.reset, pools.finish, pools.is_gone

-- A process that makes a pool of workers which compute, trap links, or have nothing to do any more.
local owner = code(function(parent, how)
  local own = assert(require("process.pool").new(function(to, what)
    if what == "trap" then
      process.set_options({ trap_links = true })
    end
    process.send(to, "worker", process.pid())
    while what ~= "idle" do
      pcall(function()
        while true do end
      end)
    end
  end, { workers = 3 }))
  own:submit(parent, "compute")
  own:submit(parent, "trap")
  own:submit(parent, "idle"):receive()
  process.inbox():receive()
  if how == "fail" then
    error("broken", 0)
  elseif how == "compute" then
    while true do end
  end
end)

describe("the workers of a pool", function()
  before_each(reset)
  after_each(finish)

  for _, how in ipairs({ "return", "fail", "compute", "terminate" }) do
    it("W-9 end with their owner, which ends by: " .. how, function()
      local pid = support.keep(assert(process.spawn_monitored(owner, support.host, process.pid(), how)))
      local workers = {}
      for n = 1, 3 do
        workers[n] = support.receive(process.listen("worker"))
      end
      if how ~= "terminate" then
        process.send(pid, "go")
      end
      if how == "terminate" or how == "compute" then
        process.terminate(pid)
      end
      support.event_of(pid)
      for n = 1, 3 do
        support.eventually(function()
          return is_gone(workers[n])
        end)
      end
    end)
  end

  it("W-9 end with their owner at whatever moment that is terminated", function()
    local function count()
      return process.host_info(support.host).processes
    end
    local before = count()
    for turn = 1, 60 do
      local pid = assert(process.spawn(code(function()
        local own = assert(require("process.pool").new(function()
          while true do end
        end, { workers = 2 }))
        while true do
          own:submit()
        end
      end), support.host))
      process.time.sleep(turn % 20 * 200 .. "us")
      process.terminate(pid)
    end
    support.eventually(function()
      return count() <= before
    end)
  end)

  it("W-9 end with the program", function()
    local ran = support.run([[
      local process = require "process"
      local pool = require "process.pool"
      local own = assert(pool.new(function(parent)
        process.send(parent, "runs")
        while true do end
      end, { workers = 2 }))
      own:submit(process.pid())
      process.listen("runs"):receive()
      print("end")
    ]])
    assert.are.equal("0 end\n ", ran.code .. " " .. ran.out .. " " .. ran.err)
    assert.is_true(ran.seconds < 5, "took " .. ran.seconds)
  end)

  it("W-9 end with the program that failed in map", function()
    local ran = support.run([[
      local pool = require "process.pool"
      pool.map({ 1, 2, 3 }, function(n) while n > 1 do end end, {
        workers = 2, on_progress = function() error("no progress", 0) end,
      })
    ]])
    assert.are.equal(1, ran.code)
    assert.is_truthy(ran.err:find("no progress", 1, true), ran.err)
  end)
end)
