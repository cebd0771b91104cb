-- Endless recursion is a Lua error in the process where it happens, and nothing else.
local process = require "process"
local support = require "spec.support"

-- Bodies that recurse until something stops them.
local recursions = {
  ["calls"] = "local function f() return 1 + f() end f()",
  ["pcall"] = "local function f() assert(pcall(f)) end f()",
  ["xpcall"] = "local function f() assert(xpcall(f, function(e) return e end)) end f()",
  ["string.gsub callbacks"] = "local function f() ('x'):gsub('.', f) end f()",
  ["table.sort callbacks"] = "local function f() table.sort({ 1, 2, 3 }, f) end f()",
  ["__index"] = "local mt = {} mt.__index = function(t, k) return 1 + t[k] end return setmetatable({}, mt).x",
  ["__newindex"] = "local mt = {} mt.__newindex = function(t, k) t[k] = 1 end setmetatable({}, mt).x = 1",
  ["__concat"] = "local mt = {} mt.__concat = function(a, b) return a .. b end "
    .. "return setmetatable({}, mt) .. setmetatable({}, mt)",
  ["__eq"] = "local mt = {} mt.__eq = function(a, b) return not (a == b) end "
    .. "return setmetatable({}, mt) == setmetatable({}, mt)",
  ["__lt"] = "local mt = {} mt.__lt = function(a, b) return not (a < b) end "
    .. "return setmetatable({}, mt) < setmetatable({}, mt)",
  ["__call"] = "local t = setmetatable({}, { __call = function(self) return 1 + self() end }) return t()",
  ["__tostring"] = "local t = setmetatable({}, { __tostring = function(self) return tostring(self) .. 1 end }) "
    .. "return tostring(t)",
  ["require"] = [[
    local function f(n)
      package.preload["m" .. n] = function() return f(n + 1) end
      return require("m" .. n)
    end
    f(1)
  ]],
  ["coroutine.wrap"] = "local function f() coroutine.wrap(f)() end f()",
  ["coroutine.resume"] = "local function f() assert(coroutine.resume(coroutine.create(f))) end f()",
  ["coroutines in callbacks"] = "local function f() ('x'):gsub('.', coroutine.wrap(f)) end f()",
  ["callbacks in nested coroutines"] = [[
    local function g() ('x'):gsub('.', g) end
    local function f(n)
      if n == 150 then g() end
      coroutine.wrap(f)(n + 1)
    end
    f(1)
  ]],
  ["a coroutine resumed deep in callbacks"] = [[
    local function g() ('x'):gsub('.', g) end
    local co = coroutine.wrap(function() coroutine.yield() g() end)
    co()
    local depth = 0
    local function f()
      depth = depth + 1
      if depth == 4000 then co() end
      ('x'):gsub('.', f)
    end
    f()
  ]],
  ["a wait deep in callbacks"] = [[
    local function g() ('x'):gsub('.', g) end
    local depth = 0
    local function f()
      depth = depth + 1
      if depth == 4000 then
        coroutine.spawn(g)
        time.sleep("20s")
      end
      ('x'):gsub('.', f)
    end
    f()
  ]],
  ["a debug hook"] = [[
    debug.sethook(function() local function f() return 1 + f() end f() end, '', 1)
    local x = 1
    return x + 1
  ]],
  ["an error handler"] = "local function h() error('x') end error(select(2, xpcall(h, h)), 0)",
}
if not support.jit then
  recursions["__len"] = "local t = setmetatable({}, { __len = function(self) return 1 + #self end }) return #t"
  recursions["__close"] = "local function f() local x <close> = setmetatable({}, { __close = f }) end f()"
end

local function stopped(text)
  for _, sign in ipairs({ "stack overflow", "too many nested waits", "error in error handling" }) do
    if text:find(sign, 1, true) then
      return true
    end
  end
  return false
end

describe("recursion without end", function()
  before_each(support.reset)
  after_each(support.finish)

  assert(process.define_host("spec:quiet", { report = false }))

  for name, body in pairs(recursions) do
    it("B-98 through " .. name .. " is an error of that process", function()
      local witness = support.spawn(support.echo)
      for _ = 1, 3 do
        local pid = assert(process.spawn_monitored(support.entry(body), "spec:quiet"))
        local ev = support.event_of(pid)
        assert.is_truthy(ev.error, "no error")
        assert.is_true(stopped(tostring(ev.error)), tostring(ev.error):sub(-200))
      end
      assert.is_true(support.answers(witness))
    end)
  end

  it("B-98 can be caught, and the process goes on", function()
    for _, name in ipairs({ "calls", "string.gsub callbacks", "__index", "coroutine.wrap", "coroutine.resume" }) do
      local body = ("local ok, err = pcall(function() %s end) return { ok, tostring(err) }"):format(recursions[name])
      local result = support.result_of("for _ = 1, 2 do pcall(function() " .. recursions[name] .. " end) end " .. body)
      assert.is_false(result[1])
      assert.is_true(stopped(result[2]), result[2]:sub(-200))
    end
  end)

  it("B-98 lets coroutines be resumed inside each other up to a depth of about 190", function()
    local depth = support.result_of([[
      local deepest = 0
      local function f(n)
        deepest = n
        return coroutine.resume(coroutine.create(f), n + 1)
      end
      f(0)
      return deepest
    ]])
    assert.is_true(depth >= 150 and depth <= 190, depth)
  end)
end)
