-- Programs that spawned processes start with os.execute and io.popen: they run like those that a plain script starts.
local support = require "spec.support"
local native = require "spec.support.native"
local process = require "process"

after_each(support.finish)

-- A script that calls `probe` in the main process and in a child, and prints the result of each.
local function twice(probe)
  return [[
    local process = require "process"
    local function probe()
      ]] .. probe .. [[
    end
    print(probe())
    print(process.exec(probe, "app:processes"))
  ]]
end

-- Runs such a script: the output of the main process, which is also that of the child.
local function same(probe, environment, before)
  local out = support.output_of((before or "") .. twice(probe), 30, environment)
  local main, child = out:sub(1, #out / 2), out:sub(#out / 2 + 1)
  assert.are.equal(main, child)
  return main
end

-- The signals that a program blocks and ignores.
local signals = [[
  local list = {}
  local program = io.popen("grep '^Sig[BI]' /proc/self/status | cat")
  for line in program:lines() do list[#list + 1] = line end
  program:close()
  local name = os.tmpname()
  os.execute("grep '^Sig[BI]' /proc/self/status | cat >" .. name)
  for line in io.lines(name) do list[#list + 1] = line end
  os.remove(name)
  return table.concat(list, "\n")
]]

-- Whether a signal is in the first such set of a list.
local function has(list, set, signal)
  local digits = list:match(set .. ":%s*(%x+)")
  local place = math.floor((signal - 1) / 4)
  return math.floor(tonumber(digits:sub(-place - 1, -place - 1), 16) / 2 ^ ((signal - 1) % 4)) % 2 == 1
end

local INT, USR1, USR2 = 2, 10, 12

describe("a program that a child starts", function()
  it("L-68 has the signals that one of the main process has", function()
    local list = same(signals)
    assert.are.equal(2, select(2, list:gsub("SigBlk:%s*0+\n", "")), list)
  end)

  it("L-68 has the signals ignored that the main process ignores", function()
    local list = same(signals, "sh -c 'trap \"\" USR1; exec \"$@\"' -")
    assert.is_true(has(list, "SigIgn", USR1))
  end)

  it("L-68 has Ctrl-C ignored if the main process was started so", function()
    support.with_folder({ ["inner.lua"] = support.prelude .. twice(signals) }, function(folder)
      local out = support.output_of(("os.execute(%q)"):format(
        ("trap '' INT; exec timeout -s KILL 20 %s %s/inner.lua"):format(support.lua, folder)))
      -- `timeout` itself does not let it be ignored.
      assert.are.equal(out:sub(1, #out / 2), out:sub(#out / 2 + 1))
    end)
  end)

  it("L-68 has the signals blocked that the main process blocks", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local list = same(signals, nil, native.source(folder) .. "native.block(12)\n")
      assert.is_true(has(list, "SigBlk", USR2), list)
    end)
  end)

  it("L-68 hears Ctrl-C while the main process waits for one in os.execute, which ignores it", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local pipe = folder .. "/pipe"
      os.execute(("mkfifo '%s'"):format(pipe))
      local out = support.output_of(([[
        local process = require "process"
        assert(process.define("spec:starter", [=[return { main = function(pipe)
          local ignored
          repeat
            for line in io.lines("/proc/self/status") do ignored = line:match("^SigIgn:.*([%%x])$") or ignored end
          until math.floor(tonumber(ignored, 16) / 2) %% 2 == 1
          local program = io.popen("grep ^SigIgn /proc/self/status")
          local line = program:read("*l")
          program:close()
          local go_on = io.open(pipe, "w")
          go_on:write("now\n")
          go_on:close()
          return line
        end }]=]))
        assert(process.spawn_monitored("spec:starter", "app:processes", %q))
        os.execute("read line <" .. %q)
        print(process.events():receive().result)
      ]]):format(pipe, pipe))
      assert.is_false(has(out, "SigIgn", INT), out)
    end)
  end)

  it("L-68 changes no disposition of the program while it runs", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local pipe = folder .. "/pipe"
      os.execute(("mkfifo '%s'"):format(pipe))
      local pid = support.spawn_monitored([[
        local parent, pipe = ...
        return (select(select("#", os.execute("read line <" .. pipe)), os.execute("true"))) and "done"
      ]], process.pid(), pipe)
      local before = {}
      for line in io.lines("/proc/self/status") do
        before[#before + 1] = line:match("^SigIgn:.*")
      end
      -- The shell runs when somebody reads.
      local go_on = io.open(pipe, "w")
      local meanwhile = {}
      for line in io.lines("/proc/self/status") do
        meanwhile[#meanwhile + 1] = line:match("^SigIgn:.*")
      end
      go_on:write("now\n")
      go_on:close()
      assert.are.equal("done", support.event_of(pid).result)
      assert.are.same(before, meanwhile)
    end)
  end)
end)

-- The results of a call, in one line.
local shown = [[
  local function shown(...)
    local list = {}
    for i = 1, select("#", ...) do list[i] = tostring((select(i, ...))):gsub("0x%x+", "ADDRESS") end
    return table.concat(list, " ")
  end
  local list = {}
  local function note(...) list[#list + 1] = shown(...) end
]]

local commands = { "exit 0", "exit 3", "exit 255", "kill -9 $$", "kill -TERM $$", "exec /no/such/program 2>/dev/null",
  "" }

describe("in a child", function()
  it("H-50 os.execute returns what it does elsewhere", function()
    local out = same(shown .. ("for _, command in ipairs({ %q, %q, %q, %q, %q, %q, %q }) do ")
      :format(support.unpack(commands)) .. [[
        note(os.execute(command))
      end
      note(os.execute())
      note(pcall(os.execute, {}))
      return table.concat(list, "\n")
    ]])
    assert.are.equal(#commands + 2, select(2, out:gsub("\n", "")))
  end)

  for name, close in pairs({ ["file:close()"] = "file:close()", ["io.close(file)"] = "io.close(file)" }) do
    it("H-50 " .. name .. " returns of a program what it does elsewhere", function()
      local out = same(shown .. ("for _, command in ipairs({ %q, %q, %q, %q, %q, %q, %q }) do ")
        :format(support.unpack(commands)) .. [[
          local file = assert(io.popen(command))
          note(]] .. close .. [[)
          note(io.type(file), file)
          note(pcall(io.close, file))
        end
        return table.concat(list, "\n")
      ]])
      assert.are.equal(3 * #commands, select(2, out:gsub("\n", "")))
    end)
  end

  it("H-50 what io.popen returns is a file like any other", function()
    local out = same(shown .. [[
      local file = io.popen("echo 12 one; echo two; echo three; printf four")
      note(io.type(file), file, getmetatable(file) == getmetatable(io.stdout))
      note(file:read("*n", "*l"))
      for line in file:lines() do note(line) if line == "two" then break end end
      io.input(file)
      note(io.read("*l"))
      note(io.read("*a"))
      note(io.read("*l"))
      note(file:seek())
      note(file:close())
      note(pcall(file.read, file))
      io.input(io.stdin)
      local writer = io.popen("cat >/dev/null; exit 4", "w")
      io.output(writer)
      note(io.write("through the default output"))
      note(io.close())
      io.output(io.stdout)
      note(io.popen("exit 1", "r"):close())
      for _, arguments in ipairs({ { "true", "x" }, { "true", "rw" }, { "true", "" }, { {} }, { "true", {} }, {} }) do
        note(pcall(io.popen, arguments[1], arguments[2]))
      end
      note(pcall(io.close, {}))
      note(pcall(io.stdout.close))
      return table.concat(list, "\n")
    ]])
    assert.is_truthy(out:find("four", 1, true))
  end)

  it("H-50 io.popen fails without descriptors as it does elsewhere, and keeps none", function()
    local out = same(shown .. [[
      local files = {}
      repeat
        local file = io.open("/dev/null")
        files[#files + 1] = file
      until not file
      note(io.popen("true"))
      files[#files]:close()
      note(io.popen("true"))
      files[#files] = nil
      for i = 1, 10 do files[#files]:close() files[#files] = nil end
      note((io.popen("true"):close()))
      for _ = 1, 50 do assert(io.popen("true")):close() end
      for _, file in ipairs(files) do file:close() end
      return table.concat(list, "\n")
    ]], "sh -c 'ulimit -n 60; exec \"$@\"' -")
    assert.is_truthy(out:find("Too many open files", 1, true), out)
  end)

  it("H-50 io.popen puts what the process has written before what the program writes", function()
    local out = support.output_of([[
      local process = require "process"
      local function child()
        for i = 1, 3 do
          io.write(i, " child\n")
          local program = io.popen("cat", "w")
          program:write(i, " program\n")
          program:close()
        end
        local name = os.tmpname()
        io.output(name)
        io.write("own file\n")
        local program = io.popen("cat " .. name)
        local read = program:read("*a")
        program:close()
        os.remove(name)
        return read
      end
      io.write(process.exec(child, "app:processes"))
    ]])
    assert.are.equal("1 child\n1 program\n2 child\n2 program\n3 child\n3 program\nown file\n", out)
  end)

  it("L-2 H-54 a program whose file was left open has ended when its process has", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local name = folder .. "/over"
      local pid = support.spawn_monitored([[
        local name = ...
        KEEP = io.popen("cat >" .. name .. "; echo over >>" .. name, "w")
        KEEP:write("written\n")
        return "left"
      ]], name)
      assert.are.equal("left", support.event_of(pid).result)
      local file = assert(io.open(name))
      assert.are.equal("written\nover\n", file:read("*a"))
      file:close()
      local zombies = support.result_of([[
        for i = 1, 5 do io.popen("true") end
        collectgarbage()
        collectgarbage()
        local list = io.popen("ps -o stat= --ppid $PPID | grep -c Z")
        local count = list:read("*n")
        list:close()
        return count
      ]])
      assert.are.equal(0, zombies)
    end)
  end)

  it("H-55 a program inherits no pipe to another one", function()
    support.with_folder({ ["keep"] = "" }, function(folder)
      local pipe = folder .. "/pipe"
      os.execute(("mkfifo '%s'"):format(pipe))
      local writer = support.spawn_monitored([[
        local parent = ...
        local program = io.popen("cat >/dev/null", "w")
        process.send(parent, "open")
        process.listen("close"):receive()
        program:close()
        return "closed"
      ]], process.pid())
      support.receive(process.listen("open"))
      support.spawn_monitored("os.execute('read line <' .. (...))", pipe)
      -- Opens when the shell has opened the other end.
      local go_on = assert(io.open(pipe, "w"))
      process.send(writer, "close")
      assert.are.equal("closed", support.event_of(writer).result)
      go_on:close()
    end)
  end)

  it("H-22 one that waits for a program holds up nobody", function()
    support.with_folder({ ["dofile.lua"] = "return 'done'" }, function(folder)
      local pipe = folder .. "/pipe"
      os.execute(("mkfifo '%s'"):format(pipe))
      local waiting = support.spawn_monitored([[
        local program = io.popen("cat " .. (...))
        local line = program:read("*l")
        program:close()
        return line
      ]], pipe)
      -- Opens when the program reads; the process of that program is about to wait for a line.
      local write = assert(io.open(pipe, "w"))
      for _ = 1, 20 do
        local got = support.result_of([[
          local program = io.popen("echo answer")
          local line = program:read("*l")
          program:close()
          io.open("/dev/null"):close()
          return line .. " " .. dofile((...) .. "/dofile.lua")
        ]], folder)
        assert.are.equal("answer done", got)
      end
      write:write("at last\n")
      write:close()
      assert.are.equal("at last", support.event_of(waiting).result)
    end)
  end)
end)

describe("on a restricted host", function()
  it("H-31 io and os start programs if they are granted", function()
    assert(process.define_host("spec:granted", {
      libs = { "base", "io", "os", "string" },
      max_processes = 5,
      mailbox_limit = 100,
      memory_limit = 8 * 1024 * 1024,
      workers = support.workers > 0 and support.workers or nil,
    }))
    local pid = support.keep(assert(process.spawn_monitored(support.entry([[
      local program = io.popen("echo answer; exit 2")
      local line = program:read("*l")
      program:close()
      return line .. " " .. tostring((os.execute("true")))
    ]]), "spec:granted")))
    local event = support.event_of(pid)
    assert.are.equal(support.jit and "answer 0" or "answer true", event.result or event.error)
  end)
end)
