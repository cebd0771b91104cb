-- coroutine.resume and wrap of spawned processes on LuaJIT: a coroutine that waits in the library makes the one that
-- resumed it wait as well, up to the library. Where nothing can yield `hold` keeps the thread until the wait is over.
local WAITING, AGAIN, hold, held = ...
local coroutine = coroutine
local create, resume, yield, isyieldable = coroutine.create, coroutine.resume, coroutine.yield, coroutine.isyieldable
local error, type = error, type

-- `held` has the coroutines that wait in the library, and all managed ones: nobody else may resume these.
local function pass(co, ...)
  local ok, mark = ...
  if mark == WAITING and ok then
    held[co] = true
    if isyieldable() then
      yield(WAITING)
    else
      hold()
    end
    held[co] = nil
    return pass(co, resume(co, AGAIN))
  end
  return ...
end

local function resume_passing(co, ...)
  if held[co] then
    return false, "cannot resume non-suspended coroutine"
  end
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
    if held[co] then
      error("cannot resume non-suspended coroutine", 2)
    end
    return results(pass(co, resume(co, ...)))
  end
end

return resume_passing, wrap_passing
