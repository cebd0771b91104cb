-- The loops of W10 in plain Lua; compute.lua runs them in the bare interpreter and in a process.
local loops = {}

function loops.arithmetic(n)
  local x = 1
  for i = 1, 3e6 * n do
    x = (x * 31 + i) % 65521
  end
  return x
end

local function fib(n)
  if n < 2 then
    return n
  end
  return fib(n - 1) + fib(n - 2)
end

function loops.calls(n)
  local x = 0
  for _ = 1, 200 * n do
    x = x + fib(20)
  end
  return x
end

function loops.allocation(n)
  local kept = {}
  for i = 1, 4e5 * n do
    kept[i % 100 + 1] = { i, name = "kept" }
  end
  return kept
end

local function upto(n)
  return coroutine.wrap(function()
    for i = 1, n do
      coroutine.yield(i)
    end
  end)
end

function loops.generator(n)
  local x = 0
  for _ = 1, 3e3 * n do
    for i in upto(100) do
      x = x + i
    end
  end
  return x
end

-- Processor time of the loop with that name, in milliseconds: the best of three.
local function main(name, scale)
  local best = math.huge
  for _ = 1, 3 do
    local start = os.clock()
    loops[name](scale)
    best = math.min(best, os.clock() - start)
  end
  return best * 1000
end

return {
  main = main,
  ids = {
    { "W10/arithmetic", "arithmetic" },
    { "W10/calls", "calls" },
    { "W10/allocation", "allocation" },
    { "W10b", "generator" },
  },
}
