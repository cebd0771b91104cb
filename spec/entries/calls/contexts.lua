-- The places of a Lua program where a call may have to wait: name -> function(f) that calls f there and returns f's
-- first result, anything but nil.
local channel = require "process.channel"

local contexts = {}

contexts["a plain call"] = function(f)
  return f()
end

contexts["pcall"] = function(f)
  return select(2, assert(pcall(f)))
end

contexts["pcall in pcall"] = function(f)
  return select(3, assert(pcall(pcall, f)))
end

contexts["xpcall"] = function(f)
  return select(2, assert(xpcall(f, debug.traceback)))
end

-- Metamethods ------------------------------------------------------------------------------------------------------

local function metamethod(event, use)
  contexts["the metamethod " .. event] = function(f)
    local result
    local function handler()
      result = f()
      return tostring(result) -- what Lua asks of __tostring; a true condition for the others
    end
    local metatable = { [event] = handler }
    use(setmetatable({}, metatable), setmetatable({}, metatable))
    return result
  end
end

metamethod("__index", function(a) return a.field end)
metamethod("__newindex", function(a) a.field = 1 end)
metamethod("__call", function(a) a() end)
metamethod("__add", function(a) return a + 1 end)
metamethod("__unm", function(a) return -a end)
metamethod("__concat", function(a) return a .. "x" end)
metamethod("__eq", function(a, b) return a == b end)
metamethod("__lt", function(a, b) return a < b end)
metamethod("__le", function(a, b) return a <= b end)
metamethod("__tostring", function(a) return tostring(a) end)

-- Iterators and coroutines -----------------------------------------------------------------------------------------

contexts["an iterator"] = function(f)
  local first = true
  local function step()
    if first then
      first = false
      return f()
    end
  end
  local result
  for value in step do
    result = value
  end
  return result
end

contexts["a plain coroutine"] = function(f)
  local co = coroutine.create(f)
  local result = select(2, assert(coroutine.resume(co)))
  assert(coroutine.status(co) == "dead", "resume returned before the coroutine was over")
  return result
end

contexts["a coroutine in a coroutine"] = function(f)
  return coroutine.wrap(function()
    return coroutine.wrap(f)()
  end)()
end

contexts["a wrap generator"] = function(f)
  local values = coroutine.wrap(function()
    for i = 1, 3 do
      coroutine.yield(i, f())
    end
  end)
  local result
  for i = 1, 3 do
    local count, value = values()
    assert(count == i, "the generator lost a turn")
    result = value
  end
  return result
end

contexts["a managed coroutine"] = function(f)
  local done = channel.new()
  coroutine.spawn(function()
    done:send(f())
  end)
  return (done:receive())
end

-- Callbacks from C functions ---------------------------------------------------------------------------------------

contexts["a table.sort callback"] = function(f)
  local result
  table.sort({ 2, 1 }, function(a, b)
    result = f()
    return a < b
  end)
  return result
end

contexts["a string.gsub callback"] = function(f)
  local result
  string.gsub("x", "x", function()
    result = f()
  end)
  return result
end

contexts["a callback in a plain coroutine"] = function(f)
  return coroutine.wrap(contexts["a string.gsub callback"])(f)
end

contexts["a plain coroutine in a callback"] = function(f)
  return contexts["a table.sort callback"](coroutine.wrap(f))
end

contexts["a callback in a callback"] = function(f)
  return contexts["a table.sort callback"](function()
    return contexts["a string.gsub callback"](f)
  end)
end

contexts["a load reader"] = function(f)
  local result
  load(function()
    if not result then
      result = f()
      return "return true"
    end
  end)
  return result
end

contexts["required code"] = function(f)
  package.preload["calls.required"] = function()
    return f()
  end
  local result = require "calls.required"
  package.preload["calls.required"], package.loaded["calls.required"] = nil, nil
  return result
end

-- Lua 5.4 only -----------------------------------------------------------------------------------------------------

if _VERSION == "Lua 5.4" then
  metamethod("__len", function(a) return #a end)
  metamethod("__idiv", load("local a = ... return a // 1"))

  contexts["a to-be-closed variable"] = function(f)
    local result
    local close = setmetatable({}, {
      __close = function()
        result = f()
      end,
    })
    load("local close <close> = ...")(close)
    return result
  end
end

return contexts
