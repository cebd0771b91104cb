-- After a bare fork while something spawned is alive, the library is not available in the child; a second copy of it is
-- refused. lifecycle_prefork_spec.lua has the things that go on after a fork.
local support = require "spec.support"
local native = require "spec.support.native"

-- A script's beginning, with a process that lives when it forks. in_child(fn) runs fn in the child of a fork, prints
-- its exit code, and ends the parent.
local function prelude(folder)
  return native.source(folder) .. [[
    local process = require "process"
    assert(process.spawn(function() channel.new():receive() end, "app:processes"))
    local function in_child(fn)
      io.stdout:flush()
      local child = native.fork()
      if child == 0 then
        fn()
        return true
      end
      print("code " .. math.floor(native.wait(child)))
    end
  ]]
end

local function output_in_folder(script)
  local out
  support.with_folder({ ["keep"] = "" }, function(folder)
    out = support.output_of(prelude(folder) .. script)
  end)
  return out
end

describe("after a fork while something spawned is alive", function()
  it("L-69 calls that return errors return one", function()
    local out = output_in_folder([[
      in_child(function()
        local pid = process.pid
        local calls = {
          spawn = { "a:b", "app:processes" }, spawn_monitored = { "a:b", "app:processes" }, send = { "{main|1}", "t" },
          listen = { "t" }, unlisten = { process }, terminate = { "{main|1}" }, cancel = { "{main|1}" },
          monitor = { "{main|1}" }, unmonitor = { "{main|1}" }, link = { "{main|1}" }, unlink = { "{main|1}" },
          set_options = { {} }, define = { "a:b", "" }, define_host = { "a:b", {} }, host_info = { "app:processes" },
        }
        for name, arguments in pairs(calls) do
          local first, err = process[name]((table.unpack or unpack)(arguments))
          assert(not first, name)
          assert(tostring(err) == "not available after fork", name)
          assert(err:kind() == process.errors.UNAVAILABLE and err:retryable() == false, name)
        end
        for name, arguments in pairs({ register = { "n" }, lookup = { "n" }, unregister = { "n" } }) do
          local first, err = process.registry[name](arguments[1])
          assert(first == nil and tostring(err) == "not available after fork", name)
        end
        local time = process.time
        local timed = {
          after = { "1s" }, timer = { "1s" }, ticker = { "1s" }, parse = { "", "" }, load_location = { "UTC" },
          parse_duration = { "1s" },
        }
        for name, arguments in pairs(timed) do
          local first, err = time[name]((table.unpack or unpack)(arguments))
          assert(first == nil and tostring(err) == "not available after fork", name)
        end
      end)
    ]])
    assert.are.equal("code 0\n", out)
  end)

  it("L-69 calls that raise do so, waits that began before the fork too", function()
    local out = output_in_folder([[
      local ch = channel.new(1)
      local function raises(f, ...)
        local ok, err = pcall(f, ...)
        assert(not ok and tostring(err):find("not available after fork", 1, true), tostring(err))
      end
      local forked = in_child(function()
        raises(process.pid)
        raises(process.inbox)
        raises(process.events)
        raises(process.get_options)
        raises(ch.receive, ch)
        raises(ch.send, ch, 1)
        raises(ch.case_receive, ch)
        raises(channel.select, {})
        raises(channel.new)
        raises(process.time.sleep, "1ms")
        raises(process.time.now)
        raises(process.time.date, 2024, 1, 1, 0, 0, 0, 0)
        raises(process.time.unix, 0)
        raises(process.time.fixed_zone, "x", 0)
        raises(process.errors.new, "late")
        raises(process.errors.wrap, "late", "later")
        raises(coroutine.spawn, print)
      end)
      if forked then return end
      local here = "parent"
      coroutine.spawn(function()
        if not in_child(function() here = "child" end) then
          ch:send("served")
        end
      end)
      local ok, value = pcall(ch.receive, ch)
      if here == "parent" then
        print(value)
      else
        assert(not ok and value:find("not available after fork", 1, true), value)
      end
    ]])
    assert.are.equal("code 0\ncode 0\nserved\n", out)
  end)

  it("L-69 the end of the child waits for nothing, whatever runs in the parent", function()
    local out = output_in_folder([[
      process.define("spec:busy", "return function() local n = 0 while true do n = n + 1 end end")
      process.define("spec:patient", "return function() process.events() channel.new():receive() end")
      process.define("spec:sender", "return function(to) while true do process.send(to, 't', {}) end end")
      for _, entry in ipairs({ "spec:busy", "spec:patient", "spec:sender" }) do
        assert(process.spawn(entry, "app:processes", process.pid()))
      end
      for _ = 1, 50 do
        process.inbox():receive()
        if in_child(function() end) then return end
      end
      os.exit(0)
    ]])
    assert.are.equal(("code 0\n"):rep(50), out)
  end)

  it("L-69 a spawned process may fork; its child ends with its code, and the parent does not notice", function()
    local out
    support.with_folder({ ["keep"] = "" }, function(folder)
      out = support.output_of(([[
        local process = require "process"
        process.define("spec:forking", %q)
        local pid = assert(process.spawn_monitored("spec:forking", "app:processes"))
        local ev = process.events():receive()
        print(ev.from == pid, ev.error, ev.result)
      ]]):format(native.source(folder) .. [[
        return function()
          local results = {}
          for i = 1, 20 do
            local child = native.fork()
            if child == 0 then
              local sent, err = process.send(process and "x", "t")
              return tostring(err)
            end
            results[i] = math.floor(native.wait(child))
          end
          return table.concat(results, " ")
        end
      ]]))
    end)
    assert.are.equal("true\tnil\t" .. ("0 "):rep(19) .. "0\n", out)
  end)
end)

describe("a second copy of the module", function()
  it("L-70 is refused in a state that has the first, main or spawned", function()
    local path = package.searchpath and package.searchpath("process", package.cpath)
    path = path or assert(package.cpath:match("([^;]*build[^;]*)%?%.so")) .. "process.so"
    support.with_folder({ ["keep"] = "" }, function(folder)
      os.execute(("cp '%s' '%s/process.so'"):format(path, folder))
      local refused = "another copy of the process module is loaded in this state already"
      local out = support.output_of(([[
        local process = require "process"
        local second = assert(package.loadlib("%s/process.so", "luaopen_process"))
        local ok, err = pcall(second)
        print(ok, err)
        print(process.send(process.pid(), "t", 1), process.inbox():receive():payload())
        process.define("spec:second", [=[return function(path)
          local second = assert(package.loadlib(path, "luaopen_process_time"))
          local ok, err = pcall(second)
          return tostring(ok) .. " " .. err
        end]=])
        process.spawn_monitored("spec:second", "app:processes", "%s/process.so")
        print(process.events():receive().result)
      ]]):format(folder, folder))
      assert.are.equal(("false\t%s\ntrue\t1\nfalse %s\n"):format(refused, refused), out)
    end)
  end)
end)
