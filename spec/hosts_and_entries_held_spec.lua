-- Pool hosts whose workers are all held by waits where nothing can yield: the pool goes on.
local process = require "process"
local time = require "process.time"
local support = require "spec.support"

local defined = 0
local function new_host(workers, options)
  defined = defined + 1
  local name = "spec:held" .. defined
  options = options or {}
  options.workers = workers
  assert(process.define_host(name, options))
  return name
end

-- The number of threads of this program; nil where the system does not tell.
local function threads()
  local status = io.open("/proc/self/status")
  if status then
    local text = status:read("*a")
    status:close()
    return tonumber(text:match("Threads:%s*(%d+)"))
  end
end

-- Each is an expression that calls `wait` where it cannot yield, on at least one VM.
local ways = {
  ["string.gsub"] = [[(("a"):gsub("a", function() return (wait()) end))]],
  ["table.sort"] = [[(function()
    local r
    table.sort({ 2, 1 }, function(a, b) r = r or wait() return a < b end)
    return r
  end)()]],
  ["require"] = [[(function() package.preload.late = function() return wait() end return (require("late")) end)()]],
  ["the handler of xpcall"] = [[select(2, xpcall(error, function() return wait() end))]],
  ["__tostring"] = [[tostring(setmetatable({}, { __tostring = function() return (wait()) end }))]],
  ["__index"] = [[setmetatable({}, { __index = function() return (wait()) end }).x]],
  ["__concat"] = [[(setmetatable({}, { __concat = function() return (wait()) end }) .. "x")]],
  ["__lt"] = [[(function() local r local m = { __lt = function() r = wait() end }
    return (setmetatable({}, m) < setmetatable({}, m)) or r end)()]],
  ["an iterator"] = [[(function() for v in function() return (wait()) end do return v end end)()]],
  ["the reader of load"] = [[(function() local r load(function() r = r or wait() end) return r end)()]],
  ["dofile"] = [[(function()
    local name = os.tmpname()
    local file = io.open(name, "w")
    file:write("return wait()")
    file:close()
    _G.wait = wait
    local r = dofile(name)
    os.remove(name)
    return r
  end)()]],
  ["coroutine.wrap"] = [[coroutine.wrap(wait)()]],
  ["coroutine.wrap in string.gsub"] = [[(("a"):gsub("a", function()
    return coroutine.wrap(function() return (wait()) end)()
  end))]],
}

describe("a pool whose workers are all held by waits", function()
  before_each(support.reset)
  after_each(support.finish)

  local function spawn(body, host, ...)
    return support.keep(assert(process.spawn_monitored(support.entry(body), host, ...)))
  end

  local inbox = process.inbox()

  -- Waits until this many processes have said that they are about to wait.
  local function all_ready(count)
    for _ = 1, count do
      assert.equal("ready", support.receive(inbox, "60s"):topic())
    end
    -- Nothing depends on it, but a pool that has gone to sleep shows more.
    time.sleep("20ms")
  end

  for name, way in pairs(ways) do
    it("H-23, C-33 goes on when they wait inside " .. name .. " for one that is queued", function()
      local host = new_host(2)
      local body = [[
        local main = ...
        local go = process.listen("go")
        local function wait() return (go:receive()) end
        process.send(main, "ready")
        return ]] .. way
      local pids = {}
      for i = 1, 5 do
        pids[i] = spawn(body, host, process.pid())
      end
      all_ready(5)
      spawn([[
        for _, pid in ipairs((...)) do
          process.send(pid, "go", "message")
        end
      ]], host, pids)
      for _ = 1, 6 do
        local event = support.receive(process.events())
        assert.is_nil(event.error)
        assert.is_true(event.result == "message" or event.result == nil)
      end
    end)
  end

  it("H-23, T-12 goes on when somebody has slept for long enough", function()
    local host = new_host(1)
    local sleeper = spawn([[
      local main, span = ...
      process.send(main, "ready")
      while true do
        time.sleep(span)
        process.send(main, "awake")
      end
    ]], host, process.pid(), "20ms")
    for _ = 1, 3 do
      spawn([[
        process.send(..., "ready");
        ("x"):gsub("x", function() process.inbox():receive() end)
      ]], host, process.pid())
    end
    local ready, awake = 0, 0
    repeat
      local topic = support.receive(inbox):topic()
      ready = ready + (topic == "ready" and 1 or 0)
      -- After the last one has begun to wait.
      awake = awake + (topic == "awake" and ready == 4 and 1 or 0)
    until awake == 5
    process.terminate(sleeper)
  end)

  it("H-23, H-26, B-95 holds hundreds of processes that wait so, with threads that end afterwards", function()
    local host = new_host(2)
    local before = threads()
    local pids = {}
    for i = 1, 300 do
      pids[i] = spawn([[
        process.send(..., "ready");
        ("x"):gsub("x", function() process.inbox():receive() end)
        return 1
      ]], host, process.pid())
    end
    all_ready(300)
    for _, pid in ipairs(pids) do
      process.send(pid, "end")
    end
    for _ = 1, 300 do
      assert.equal(1, support.receive(process.events(), "60s").result)
    end
    if before then
      support.eventually(function() return threads() <= before + 5 end)
    end
  end)

  it("H-23 has those go on at once that are woken while all workers compute", function()
    local host = new_host(2)
    local waiting = {}
    for i = 1, 3 do
      waiting[i] = spawn([[
        local main = ...
        process.send(main, "ready");
        ("x"):gsub("x", function()
          process.inbox():receive()
          process.send(main, "woken")
        end)
        local n = 0
        while true do n = n + 1 end
      ]], host, process.pid())
    end
    all_ready(3)
    for _ = 1, 2 do
      spawn([[
        process.send(..., "ready")
        local n = 0
        while true do n = n + 1 end
      ]], host, process.pid())
    end
    all_ready(2)
    for i = 1, 3 do
      process.send(waiting[i], "go")
      assert.equal("woken", support.receive(inbox):topic())
    end
    -- Five processes compute now; one more has its turn all the same.
    spawn([[process.send(..., "ready")]], host, process.pid())
    all_ready(1)
  end)

  it("H-23 gives those that wait and compute by turns their turns", function()
    local host = new_host(1)
    for i = 1, 3 do
      spawn([[
        local main, number = ...
        ("x"):rep(100):gsub("x", function()
          time.sleep("1ms")
          for _ = 1, 20000 do number = number + 0 end
        end)
        return number
      ]], host, process.pid(), i)
    end
    local sum = 0
    for _ = 1, 3 do
      sum = sum + support.receive(process.events(), "60s").result
    end
    assert.equal(6, sum)
  end)

  it("H-23, L-50, L-52 ends those that wait so", function()
    local host = new_host(2)
    for _ = 1, 20 do
      local pids = {}
      for i = 1, 6 do
        pids[i] = spawn([[
          process.send(..., "ready");
          ("x"):gsub("x", function() channel.new():receive() end)
        ]], host, process.pid())
      end
      all_ready(6)
      for i = 1, 6 do
        process.terminate(pids[i])
      end
      for _ = 1, 6 do
        assert.equal("process terminated", tostring(support.receive(process.events()).error))
      end
    end
    assert.equal(0, process.host_info(host).processes)
    assert.equal(0, process.host_info(host).abandoned)
  end)

  it("H-23, P-57 lets one that has waited so go on with other code", function()
    local host = new_host(1)
    local after = support.entry("return 'upgraded'")
    local pids = {}
    for i = 1, 3 do
      pids[i] = spawn([[
        local main, after = ...
        process.send(main, "ready");
        ("x"):gsub("x", function()
          process.listen("go"):receive()
          process.upgrade(after)
        end)
      ]], host, process.pid(), after)
    end
    all_ready(3)
    spawn("for _, pid in ipairs((...)) do process.send(pid, 'go') end", host, pids)
    for _ = 1, 4 do
      local event = support.receive(process.events())
      assert.is_nil(event.error)
      assert.is_true(event.from ~= pids[1] or event.result == "upgraded")
    end
  end)

  it("H-23, H-32 starts others while their init modules wait", function()
    support.with_folder({
      ["waits_at_first.lua"] = "process.listen('go'):receive() return true",
    }, function(folder)
      local path = package.path
      package.path = folder .. "/?.lua;" .. path
      local host = new_host(2, { init = "waits_at_first" })
      local pids = {}
      for i = 1, 5 do
        pids[i] = spawn("return 1", host)
      end
      package.path = path
      -- As above; the first ones hold the workers.
      time.sleep("20ms")
      for i = 5, 1, -1 do
        process.send(pids[i], "go")
        local event = support.receive(process.events())
        assert.equal(pids[i], event.from)
        assert.equal(1, event.result)
      end
    end)
  end)
end)
