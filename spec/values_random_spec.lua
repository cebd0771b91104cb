-- Random values cross a border and are compared with their originals by an independent judge.
-- PROCESS_TEST_SEED repeats a run; a failure names its seed.
local process = require "process"
local support = require "spec.support"
local same_shape = require "spec.support.same_shape"

local random = math.random

local function random_string()
  local bytes = {}
  for i = 1, random(0, 30) do
    bytes[i] = string.char(random(0, 255))
  end
  return table.concat(bytes):rep(random(20) == 1 and 1000 or 1)
end

local leaves = {
  function() return random(2) == 1 end,
  function() return random(-10, 10) end,
  function() return random(-2147483647, 2147483647) end,
  function() return random(-2147483647, 2147483647) * 2 ^ random(0, 30) end,
  function() return (random() - 0.5) * 10 ^ random(-300, 300) end,
  function() return ({ 1 / 0, -1 / 0, 0 / 0, -1 / math.huge, 2 ^ 53, 5e-324 })[random(6)] end,
  random_string,
  random_string,
}

if math.type then
  table.insert(leaves, function() return random(0) end) -- any 64 bits
  table.insert(leaves, function() return ({ math.maxinteger, math.mininteger, 1.0, -0.0 })[random(4)] end)
end

local function random_leaf()
  return leaves[random(#leaves)]()
end

-- A function that gives random values: tables nested up to a depth, some of them met before, even as their own parents.
local function generator()
  local known, ids, value = {}, 0, nil

  local function key()
    local got
    if random(10) == 1 then
      ids = ids + 1
      got = { id = ids } -- how same_shape tells such keys apart
      known[#known + 1] = got
      return got
    end
    repeat
      got = random_leaf()
    until got == got -- NaN is no key
    return got
  end

  function value(depth)
    local choice = random(10)
    if choice <= 2 and #known > 0 then
      return known[random(#known)]
    elseif choice <= 5 or depth == 0 then
      return random_leaf()
    end
    local t = {}
    known[#known + 1] = t
    for i = 1, random(0, 6) do
      if random(5) > 1 then -- else a hole
        t[i] = value(depth - 1)
      end
    end
    for _ = 1, random(0, 4) do
      t[key()] = value(depth - 1)
    end
    return t
  end

  return value
end

describe("random values", function()
  local seed = tonumber(os.getenv("PROCESS_TEST_SEED")) or os.time()

  before_each(support.reset)
  after_each(support.finish)

  it("V-2 V-3 V-6 V-8 cross there and back unchanged", function()
    local pid = support.spawn(support.echo)
    for run = seed, seed + 300 do
      math.randomseed(run)
      local sent = { generator()(8) }
      assert(process.send(pid, "there", sent))
      local same, place = same_shape(sent, support.receive(process.inbox()):payload())
      assert.is_true(same, ("PROCESS_TEST_SEED=%d: differs at %s"):format(run, tostring(place)))
    end
  end)

  it("V-2 V-3 V-6 V-8 are given to a process and come back as its result", function()
    for run = seed, seed + 30 do
      math.randomseed(run)
      local sent = { generator()(8) }
      local same, place = same_shape(sent, support.result_of("return ...", sent))
      assert.is_true(same, ("PROCESS_TEST_SEED=%d: differs at %s"):format(run, tostring(place)))
    end
  end)
end)

describe("the judge of copies", function()
  local shared = {}
  local different = {
    { 1, "1" }, { 1, 2 }, { 0, -1 / math.huge }, { 0 / 0, 1 }, { {}, { 1 } }, { { 1, nil, 3 }, { 1, 2, 3 } },
    { { shared, shared }, { {}, {} } }, { { {}, {} }, { shared, shared } }, { { a = 1 }, { b = 1 } },
    { { [{ id = 1 }] = 1 }, { [{ id = 2 }] = 1 } },
  }
  if math.type then
    table.insert(different, { 1, 1.0 })
  end
  it("V-8 V-3 sees what differs", function()
    for i, case in ipairs(different) do
      assert.is_false((same_shape(case[1], case[2])), "case " .. i)
      assert.is_true((same_shape(case[1], case[1])), "case " .. i)
    end
  end)
end)
