-- LuaJIT has no continuations: a call that waits yields from its first half and goes on in its second half, which runs
-- when the coroutine is resumed with the mark AGAIN. Each may yield again.
local AGAIN, halves = ...

local function of_two(first, again)
  return function(ch, timeout)
    local value, ok
    if timeout == nil then
      value, ok = first(ch)
    else
      value, ok = first(ch, timeout)
    end
    while value == AGAIN do
      value, ok = again(ch, timeout)
    end
    return value, ok
  end
end

local function of_one(first, again)
  return function(...)
    local x = first(...)
    while x == AGAIN do
      x = again(...)
    end
    return x
  end
end

local function of_any(first, again)
  return function(...)
    local value, err = first(...)
    while value == AGAIN do
      value, err = again(...)
    end
    if err == nil then
      return value
    end
    return value, err
  end
end

local function of_none(first, again)
  return function(a)
    local x = first(a)
    while x == AGAIN do
      x = again(a)
    end
  end
end

return of_two(halves.receive, halves.receive_again),
  of_one(halves.send, halves.send_again),
  of_one(halves.select, halves.select_again),
  of_none(halves.sleep, halves.sleep_again),
  of_any(halves.exec, halves.exec_again),
  of_any(halves.exec_as, halves.exec_again),
  of_one(halves.wait, halves.wait_again),
  of_any(halves.await, halves.await_again),
  of_any(halves.await_name, halves.await_name_again),
  of_any(halves.send_wait, halves.send_wait_again),
  of_two(halves.next, halves.next_again),
  of_any(halves.call, halves.call_again),
  of_any(halves.traceback, halves.traceback_again),
  of_any(halves.shutdown, halves.shutdown_again),
  of_two(halves.take, halves.take_again)
