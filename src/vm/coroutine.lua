-- coroutine.resume and wrap of spawned processes on LuaJIT: a coroutine that waits in the library makes the one that
-- resumed it wait as well, up to the library. Where that is not possible (see `passes`) `hold` keeps the thread until
-- the wait is over.
--
-- `resume` and `again` give `a` if the coroutine has one result, else `a, b, c, kind`: to look at results that are
-- passed as `...` would take another call for each resume.
local WAITING, WAITS, FAILED, resume, again, all, passes, hold, raise = ...
local coroutine = coroutine
local create, yield = coroutine.create, coroutine.yield

local function wait()
  if passes() then
    yield(WAITING)
  else
    hold()
  end
end

-- The results of a coroutine of which `resume` has told this.
local function results(co, a, b, c, kind)
  while kind == WAITS do
    wait()
    a, b, c, kind = again(co)
  end
  if kind == nil then
    return a
  elseif kind == 0 then
    return
  elseif kind == 2 then
    return a, b
  elseif kind == 3 then
    return a, b, c
  elseif kind ~= FAILED then
    return all(a, kind) -- they stand on the coroutine `a`
  end
  -- A tail call: the position that is put before a text is that of whoever called the wrapped function.
  return raise(a)
end

local function resume_passing(co, ...)
  local a, b, c, kind = resume(co, ...)
  while kind == WAITS do
    wait()
    a, b, c, kind = again(co)
  end
  if kind == nil then
    return true, a
  elseif kind == FAILED then
    return false, a
  end
  return true, results(co, a, b, c, kind)
end

local function wrap_passing(f)
  local co = create(f)
  return function(...)
    local a, b, c, kind = resume(co, ...)
    if kind == nil then
      return a
    end
    return results(co, a, b, c, kind)
  end
end

return resume_passing, wrap_passing
