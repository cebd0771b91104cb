-- coroutine.resume and wrap of spawned processes on LuaJIT: a coroutine that waits in the library makes the one that
-- resumed it wait as well, up to the library. Where nothing can yield `hold` keeps the thread until the wait is over.
local WAITING, resume, again, hold, raise = ...
local coroutine = coroutine
local create, yield, isyieldable = coroutine.create, coroutine.yield, coroutine.isyieldable

local function wait()
  if isyieldable() then
    yield(WAITING)
  else
    hold()
  end
end

-- Both get what `resume` returned. One call for each resume: calls with `...` are what costs here.
local function pass(co, ok, ...)
  if ok and ... == WAITING then
    wait()
    return pass(co, again(co))
  end
  return ok, ...
end

local function results(co, ok, ...)
  if ok then
    if ... == WAITING then
      wait()
      return results(co, again(co))
    end
    return ...
  end
  -- A tail call: the position that is put before a text is that of whoever called the wrapped function.
  return raise((...))
end

local function resume_passing(co, ...)
  return pass(co, resume(co, ...))
end

local function wrap_passing(f)
  local co = create(f)
  return function(...)
    return results(co, resume(co, ...))
  end
end

return resume_passing, wrap_passing
