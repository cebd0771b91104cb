-- The end of the program while its threads are inside streams of the C library. It takes bounded time, has the right
-- code, and loses nothing that was written. Each script has a standard input on which nothing ever comes.
local support = require "spec.support"
local native = require "spec.support.native"

-- The start of the scripts: `reader()` spawns a child, and returns when the child waits for a line of standard input.
local prelude = [[
  local process = require "process"
  local function define(name, body)
    assert(process.define(name, "return { main = function(...) " .. body .. " end }"))
  end
  local function spawn(name, ...) return assert(process.spawn(name, "app:processes", ...)) end
  local function waits(thread)
    local file = io.open("/proc/self/task/" .. thread .. "/syscall")
    local call = file:read("*l")
    file:close()
    return call:match("^%d+ 0x0 ") ~= nil
  end
  define("spec:reader", "process.send(..., 'thread', io.open('/proc/thread-self/stat'):read('*n')) io.read('*l')")
  local function reader()
    local threads = process.listen("thread")
    spawn("spec:reader", process.pid())
    local thread = ("%d"):format(threads:receive())
    while not waits(thread) do process.time.sleep("1ms") end
    process.unlisten(threads)
  end
]]

-- Runs such a script in a new folder, which it knows as `folder`. `first(folder)` runs before the library is loaded.
local function run(source, fn, first)
  support.with_folder({ ["keep"] = "" }, function(folder)
    local pipe = folder .. "/pipe"
    os.execute(("mkfifo '%s'"):format(pipe))
    local text = ("local folder = %q\n"):format(folder) .. (first and first(folder) or "")
      .. support.prelude .. prelude .. source(folder)
    -- A process that opens both ends waits for a line for ever.
    local ran = support.run(text, 30, ("<>'%s'"):format(pipe), true)
    fn(ran, folder)
  end)
end

local function plain(source)
  return function()
    return source
  end
end

local function ends(source, code, out)
  run(plain(source), function(ran)
    assert.are.equal(code, ran.code, ran.err)
    assert.are.equal(out or "", ran.out)
    assert.are.equal("", ran.err)
  end)
end

local ways = {
  { "at its end", "", 0 },
  { "by os.exit", "os.exit(4)", 4 },
  { "by os.exit that closes", "os.exit(4, true)", 4 },
  { "by os.exit of a child", "define('spec:exit', 'os.exit(4)') spawn('spec:exit') process.time.sleep('20s')", 4 },
}

describe("the program ends", function()
  for _, way in ipairs(ways) do
    it("L-65 L-66 although a child waits for input and another one starts programs: " .. way[1], function()
      ends([[
        reader()
        define("spec:starter", [=[
          local program = io.popen("echo started")
          process.send(..., "started", program:read("*l"))
          program:close()
          while true do io.popen("true"):close() end
        ]=])
        local started = process.listen("started")
        spawn("spec:starter", process.pid())
        print((started:receive()))
      ]] .. way[2], way[3], "started\n")
    end)

    it("L-65 L-66 with all that was written, and the handlers of others: " .. way[1], function()
      run(plain([[
          reader()
          FILE = io.open(folder .. "/file", "w")
          FILE:write("to a file")
          io.write("to standard output\n")
          native.at_exit()
        ]] .. way[2]), function(ran, folder)
        assert.are.equal(way[3], ran.code, ran.err)
        local lines = {}
        for line in ran.out:gmatch("[^\n]+") do
          lines[#lines + 1] = line
        end
        table.sort(lines)
        assert.are.same({ "handler", "handler", "to standard output" }, lines)
        local file = assert(io.open(folder .. "/file"))
        assert.are.equal("to a file", file:read("*a"))
        file:close()
      end, function(folder)
        return native.source(folder) .. "native.at_exit()\n"
      end)
    end)
  end

  it("H-53 by os.exit of a child although the main process waits for all streams", function()
    ends([[
      reader()
      define("spec:exit", [=[
        -- The main process is to hold the list of open streams and wait for one of them. Then no file can be opened.
        local main, pid = ...
        local file = io.open("/proc/self/task/" .. main .. "/syscall")
        file:setvbuf("no")
        process.send(pid, "open")
        local call
        repeat
          file:seek("set", 0)
          call = file:read("*l"):match("^%d+")
        until call == "202" or call == "98" -- futex
        os.exit(4)
      ]=])
      local open = process.listen("open")
      spawn("spec:exit", ("%d"):format(io.open("/proc/self/stat"):read("*n")), process.pid())
      open:receive()
      io.popen("true")
    ]], 4)
  end)

  it("L-65 after an error, with the code of that", function()
    run(plain("reader() error('it fails', 0)"), function(ran)
      assert.are.equal(1, ran.code)
      assert.is_truthy(ran.err:find("it fails", 1, true))
    end)
  end)

  it("L-66 only when a slow reader of standard output has all of it", function()
    run(function(folder)
      return ([[
        if arg[1] == "inside" then return end
        local name = folder .. "/inside.lua"
        local file = io.open(name, "w")
        file:write(%q)
        file:close()
        -- Reads when the program has filled the pipe, and says so.
        os.execute(("timeout -s KILL 20 %%s %%s | { read line <%%s/full; wc -c; }"):format(%q, name, folder))
      ]]):format(("local folder = %q\n"):format(folder) .. prelude .. [[
        reader()
        io.stdout:setvbuf("full", 4096)
        define("spec:teller", [=[
          local folder, main = ...
          local status = io.open("/proc/self/task/" .. main .. "/syscall")
          status:setvbuf("no")
          local call
          repeat
            status:seek("set", 0)
            call = status:read("*l"):match("^%d+ 0x1 ")
          until call == "1 0x1 " or call == "64 0x1 " -- write
          local file = io.open(folder .. "/full", "w")
          file:write("now\n")
          file:close()
        ]=])
        os.execute("mkfifo " .. folder .. "/full")
        spawn("spec:teller", folder, ("%d"):format(io.open("/proc/self/stat"):read("*n")))
        io.write(("x"):rep(65536))
        io.write(("y"):rep(4000))
        os.exit(0)
      ]], support.lua)
    end, function(ran)
      assert.are.equal("69536\n", (ran.out:gsub(" ", "")))
    end)
  end)
end)

describe("a child that waits for input", function()
  it("H-22 holds up no other child that opens files, loads them or starts programs", function()
    ends([[
      reader()
      define("spec:busy", [=[
        local program = io.popen("echo program")
        local line = program:read("*l")
        program:close()
        local name = os.tmpname()
        local file = io.open(name, "w")
        file:write("return 'file'")
        file:close()
        local loaded = dofile(name)
        os.remove(name)
        return line .. " " .. loaded
      ]=])
      for _ = 1, 10 do print((process.exec("spec:busy", "app:processes"))) end
    ]], 0, ("program file\n"):rep(10))
  end)
end)
