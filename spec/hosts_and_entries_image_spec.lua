-- luacheck: no max line length
-- Processes born as copies of an image (all but the first of a host), and the same ones without images.
local support = require "spec.support"

local OFF = "PROCESS_IMAGE=off"

-- What the program prints with images and without.
local function both(program)
  return support.output_of(program, 60), support.output_of(program, 60, OFF)
end

describe("a process born from an image", function()
  it("H-40 H-50 finds what a process without one finds, on every kind of host", function()
    local with, without = both(([[
      local process = require "process"
      local workers = %d
      process.define_host("x:plain", { workers = workers })
      process.define_host("x:interpreted", { workers = workers, jit = false })
      process.define_host("x:init", { workers = workers, init = "process" })
      process.define_host("x:few", { workers = workers, libs = { "base", "string", "table" }, max_processes = 9, mailbox_limit = 9, memory_limit = 9e6 })
      process.define("x:look", { source = [=[
        local lines = {}
        local function look(name, value, deeper)
          lines[#lines + 1] = name .. " " .. type(value)
          if type(value) == "table" and deeper > 0 then
            for key, field in pairs(value) do
              look(name .. "." .. tostring(key), field, deeper - 1)
            end
          end
        end
        return function()
          look("_G", _G, 3)
          look("string", getmetatable("").__index, 1)
          table.sort(lines)
          return table.concat(lines, "\n")
        end
      ]=] })
      for _, host in ipairs { "x:plain", "x:interpreted", "x:init", "x:few" } do
        local first
        for i = 1, 5 do
          local found = assert(process.exec("x:look", host))
          first = first or found
          assert(found == first, host .. " " .. i)
        end
        print(host, first)
      end
    ]]):format(support.workers))
    assert.equal(without, with)
    local _, lines = with:gsub("\n", "")
    assert.is_true(lines > 500)
  end)

  it("H-5 has the paths of its spawner, and H-56 random numbers of its own", function()
    local program = ([[
      local process = require "process"
      process.define_host("x:plain", { workers = %d })
      process.define("x:tell", { source = "return function() return package.path .. math.random(1e9) .. ' ' .. math.random(1e9) .. ' ' .. package.cpath end" })
      local told, path, cpath = {}, package.path, package.cpath
      for i = 1, 50 do
        package.path, package.cpath = path .. ";first" .. i .. "/?.lua ", cpath .. ";second" .. i .. "/?.so"
        local found = assert(process.exec("x:tell", "x:plain"))
        assert(found:find("first" .. i .. "/?.lua ", 1, true) and found:find("second" .. i .. "/?.so", 1, true), found)
        local numbers = assert(found:match("%%.lua (%%d+ %%d+) "))
        assert(not told[numbers])
        told[numbers] = true
      end
      print("fine")
    ]]):format(support.workers)
    assert.equal("fine\n", support.output_of(program, 60))
  end)

  it("H-27 has its memory counted from the same start", function()
    local function used(options)
      return tonumber(support.output_of(([[
        local process = require "process"
        process.define("x:grow", { source = "return function(n) return #('x'):rep(n) end" })
        local number = 0
        local function fits(n, limit)
          local name = "x:limited" .. number
          number = number + 1
          process.define_host(name, { workers = %d, memory_limit = limit, report = false })
          for _ = 1, 2 do
            process.exec("x:grow", name, 1)
          end
          return process.exec("x:grow", name, n) == n
        end
        local low, high = 0, 400 * 1024
        while high - low > 2048 do
          local limit = math.floor((low + high) / 2)
          if fits(1, limit) then high = limit else low = limit end
        end
        print(high)
      ]]):format(support.workers), 60, options))
    end
    local with, without = used(), used(OFF)
    assert.is_true(with < 1.25 * without and with > 0.5 * without, with .. " " .. without)
  end)

  if support.jit then
    it("H-24 compiles as others do, however many of them there are", function()
      local program = ([[
        local process = require "process"
        process.define_host("x:plain", { workers = %d })
        process.define("x:loop", { source = [=[
          return function()
            local x = 0
            for i = 1, 1000 do x = x + i %% 7 end
            local compiled = require("jit.util").traceinfo(1) ~= nil
            process.listen("end"):receive()
            return compiled
          end
        ]=] })
        local events, compiled = process.events(), 0
        local pids = {}
        for i = 1, 120 do
          pids[i] = assert(process.spawn_monitored("x:loop", "x:plain"))
        end
        for _, pid in ipairs(pids) do
          process.send(pid, "end", true)
        end
        for _ = 1, 120 do
          compiled = compiled + (events:receive().result and 1 or 0)
        end
        print(compiled)
      ]]):format(support.workers)
      assert.equal("120\n", support.output_of(program, 60))
    end)
  end

  it("H-56 a host goes on when its image is made anew, after thousands of births", function()
    local program = ([[
      local process = require "process"
      process.define_host("x:plain", { workers = %d })
      process.define("x:one", { source = "return function(n) return n + 1 end" })
      local sum = 0
      for n = 1, 8300 do
        sum = sum + assert(process.exec("x:one", "x:plain", n)) - n
      end
      print(sum)
    ]]):format(support.workers)
    assert.equal("8300\n", support.output_of(program, 60))
  end)
end)

describe("a process born without an image", function()
  for _, name in ipairs({
    "seed", "process", "process_messages", "process_exec", "process_upgrade", "channel", "channel_coroutine", "lifecycle",
    "lifecycle_monitors", "lifecycle_links", "values", "values_functions", "values_functions_names", "hosts_and_entries_hosts",
    "hosts_and_entries_inside", "hosts_and_entries_init", "hosts_and_entries_restricted", "hosts_and_entries_collector",
    "limits_process", "errors",
  }) do
    it("H-50 does what others do: " .. name, function()
      local passed, text = support.run_spec(name, OFF)
      assert.is_true(passed, text)
    end)
  end
end)
