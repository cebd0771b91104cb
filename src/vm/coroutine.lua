-- coroutine.resume and wrap of spawned processes on LuaJIT: a coroutine that waits in the library makes the one that
-- resumed it wait as well, up to the library. Where nothing can yield `hold` keeps the thread until the wait is over.
local WAITING, resume, again, hold = ...
local coroutine = coroutine
local create, yield, isyieldable = coroutine.create, coroutine.yield, coroutine.isyieldable
local error, type = error, type

local function pass(co, ...)
  local ok, mark = ...
  if mark == WAITING and ok then
    if isyieldable() then
      yield(WAITING)
    else
      hold()
    end
    return pass(co, again(co))
  end
  return ...
end

local function resume_passing(co, ...)
  return pass(co, resume(co, ...))
end

local function results(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "string" then
    error(err, 3)
  end
  error(err, 0)
end

local function wrap_passing(f)
  local co = create(f)
  return function(...)
    return results(pass(co, resume(co, ...)))
  end
end

return resume_passing, wrap_passing
