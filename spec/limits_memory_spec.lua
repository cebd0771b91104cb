-- luacheck: no max line length
-- What happens when the system has no memory left. Each script runs in an interpreter whose address space is limited.
local support = require "spec.support"

-- Enough for the interpreter, the library and a few processes; LuaJIT's have stacks of 64 MiB.
local LIMIT = support.jit and 700000 or 300000

-- Runs a script under the limit, in KiB.
local function run(source, limit)
  return support.run(source, 120, ("sh -c 'ulimit -c 0; ulimit -v %d; exec \"$@\"' sh"):format(limit or LIMIT))
end

-- A process on `host` runs `body`, which uses up all memory; afterwards another process answers.
local SCRIPT = [[
  local process = require "process"
  local host = %q
  process.define("spec:hog", %q)
  local pid = assert(process.spawn_monitored("spec:hog", host))
  local event
  repeat event = process.events():receive() until event.kind == process.event.EXIT and event.from == pid
  local text = tostring(event.error)
  event = nil
  collectgarbage()
  -- Memory comes back bit by bit.
  local answer, err
  for _ = 1, 5000 do
    local ok, first, second = pcall(process.exec, function(x) return x .. "!" end, host, "fine")
    answer, err = ok and first, ok and second or first
    if answer then break end
    process.time.sleep("2ms")
  end
  io.write(text:sub(1, 200), "\n", tostring(answer or err))
  os.exit(0, true)
]]

describe("memory of the system", function()
  local hogs = {
    ["strings"] = "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end",
    ["tables"] = "local t while true do t = { t, {} } end",
    ["coroutines"] = "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    ["messages to itself"] = "local s = ('x'):rep(1000) while true do assert(process.send(process.pid(), 't', s)) end",
    ["large messages to itself"] = "local s = ('x'):rep(300000) while true do assert(process.send(process.pid(), 't', s)) end",
    ["a message that doubles"] = "local s = 'x' while true do s = s .. s assert(process.send(process.pid(), 't', s)) end",
    ["channels"] = "local t = {} while true do t[#t + 1] = channel.new(10) t[#t]:send(1) end",
    ["a channel's buffer"] = "local c = channel.new(1e9) while true do c:send({ 1, 2 }) end",
    ["timers"] = "local t = {} while true do t[#t + 1] = time.after('1h') end",
    ["listeners"] = "local n = 0 while true do n = n + 1 process.listen('topic' .. n) end",
    ["names"] = "local n, s = 0, ('x'):rep(1000) while true do n = n + 1 assert(process.registry.register(('name%d'):format(n) .. s)) end",
    ["managed coroutines"] = "while true do coroutine.spawn(function() channel.new():receive() end) end",
    ["errors"] = "local t, s = {}, ('x'):rep(1000) while true do t[#t + 1] = errors.new(s) end",
    ["requests to end"] = "local s = ('x'):rep(1000) while true do assert(process.cancel(process.pid(), s)) end",
    ["contexts"] = "local t, v = {}, { x = ('x'):rep(10000) } while true do t[#t + 1] = process.with_context(v) end",
  }
  for what, body in pairs(hogs) do
    it("B-7 B-37 L-11 a process that uses it up by " .. what .. " ends alone", function()
      local entry = "return { main = function() " .. body .. " end }"
      local ran = run(SCRIPT:format(support.host, entry))
      assert.same({ 0, "not enough memory\nfine!" }, { ran.code, ran.out })
    end)
  end

  it("B-7 L-11 the text of an error is as long as it may be", function()
    local entry = "return { main = function() local s = ('x'):rep(1e7) while true do s = s .. s error(s) end end }"
    local ran = run(SCRIPT:format(support.host, entry))
    assert.equal(0, ran.code)
    assert.equal("fine!", ran.out:match("\n(.*)$"))
  end)

  -- Definitions stay, so there need not be memory for anything else afterwards.
  for what, body in pairs({
    ["entries"] = "assert(process.define('a:e' .. n, '-- ' .. s .. '\\nreturn { main = function() end }'))",
    ["hosts"] = "assert(process.define_host('a:h' .. n .. s:sub(1, 200), {}))",
  }) do
    it("B-7 defining " .. what .. " without end raises", function()
      local ran = run([[
        local process = require "process"
        local n, s = 0, ("x"):rep(4000)
        local ok, err = pcall(function() while true do n = n + 1 ]] .. body .. [[ end end)
        io.write(tostring(ok), " ", tostring(err))
        os.exit(0, true)
      ]], 200000)
      assert.same({ 0, "false not enough memory" }, { ran.code, ran.out })
    end)
  end

  for _, limit in ipairs({ 100000, 200000, 300000 }) do
    it("B-37 B-6 L-11 starts what can be started within " .. limit .. " KiB, and no more", function()
      local ran = run(([[
        local process = require "process"
        local time = process.time
        process.define("spec:parked", "return { main = function() return process.inbox():receive():payload() end }")
        local pids, answer = {}, nil
        local function start()
          local last
          for _ = 1, 5000 do
            local pid, err = process.spawn_monitored("spec:parked", %q)
            if pid then
              pids[#pids + 1] = pid
            else
              last = err
              break
            end
          end
          assert(not last or tostring(last):find("^cannot start process: "), tostring(last))
          assert(not last or last:kind() == "Unavailable" and last:retryable())
        end
        local function finish()
          for _, pid in ipairs(pids) do process.terminate(pid) end
          for _ = 1, 4000 do
            if process.wait("5ms") then break end
          end
          pids = {}
          collectgarbage()
        end
        local function start_again()
          for _ = 1, 5000 do
            local pid = process.spawn("spec:parked", %q)
            if pid then
              answer = process.terminate(pid)
              return
            end
            time.sleep("2ms")
          end
        end
        -- The main process may find no memory itself, like any program: it tries again.
        local ok, err = pcall(start)
        assert(ok or tostring(err):find("not enough memory", 1, true), err)
        for _, step in ipairs({ finish, start_again }) do
          for _ = 1, 1000 do
            if pcall(step) then break end
          end
        end
        io.write(tostring(answer))
        os.exit(0, true)
      ]]):format(support.host, support.host), limit)
      local err = ran.err:gsub("process %b{} %b() failed: not enough memory\n", "")
      assert.same({ 0, "true", "" }, { ran.code, ran.out, err })
    end)
  end
end)
