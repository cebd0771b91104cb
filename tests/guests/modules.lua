-- C modules inside processes, on both kinds of host.
local process = require "process"

assert(process.define_host("guests:pool", { workers = 2 }))

local uses = {
  cjson = function()
    local cjson = require "cjson"
    return cjson.decode(cjson.encode { answer = 42 }).answer == 42
  end,
  lpeg = function()
    local lpeg = require "lpeg"
    return lpeg.match(lpeg.R "az" ^ 1 * -1, "words") == 6
  end,
  lfs = function()
    return require("lfs").attributes("/", "mode") == "directory"
  end,
  zlib = function()
    local zlib = require "zlib"
    local text = ("x"):rep(100000)
    return zlib.inflate()(zlib.deflate()(text, "finish")) == text
  end,
  luasql = function()
    local environment = require("luasql.sqlite3").sqlite3()
    local connection = environment:connect ":memory:"
    connection:execute "create table t (x)"
    connection:execute "insert into t values (7)"
    local cursor = connection:execute "select x from t"
    local value = tonumber(cursor:fetch())
    cursor:close()
    connection:close()
    environment:close()
    return value == 7
  end,
  socket = function()
    local socket = require "socket"
    local server = socket.bind("127.0.0.1", 0)
    local _, port = server:getsockname()
    local client = socket.connect("127.0.0.1", port)
    local other = server:accept()
    client:send "hello\n"
    local line = other:receive()
    client:close()
    other:close()
    server:close()
    return line == "hello"
  end,
  luv = function()
    local uv = require "luv"
    local fired = false
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      fired = true
      timer:close()
    end)
    uv.run()
    return fired
  end,
  cqueues = function()
    local cqueues = require "cqueues"
    local controller, slept = cqueues.new(), false
    controller:wrap(function()
      cqueues.sleep(0.001)
      slept = true
    end)
    assert(controller:loop())
    return slept
  end,
}

local failed = false

-- All of these are used at the same time: six processes each, and one that uses all of them.
for _, host in ipairs { "app:processes", "guests:pool" } do
  local names, running = {}, 0
  local function start(name, use, ...)
    names[assert(process.spawn_monitored(use, host, ...))] = name
    running = running + 1
  end
  for name, use in pairs(uses) do
    for _ = 1, 6 do
      start(name, use)
    end
  end
  start("all in one", function()
    for _, use in pairs(uses) do
      if not use() then
        return false
      end
    end
    return true
  end)
  for _ = 1, running do
    local event = process.events():receive()
    if event.result ~= true then
      failed = true
      print(("%s on %s: %s"):format(names[event.from], host, tostring(event.error or event.result)))
    end
  end
end
print(failed and "failed" or "fine")
