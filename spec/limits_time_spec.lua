-- Bad durations: who refuses what, in which words.
require "process"
local time = require "process.time"
local support = require "spec.support"

-- The functions that take a duration, each made to return nil, err.
local calls = {
  ["time.sleep"] = function(value)
    local ok, message = pcall(time.sleep, value)
    assert.is_false(ok)
    assert.equal("string", type(message)) -- B-46: it raises
    return nil, message
  end,
  ["time.after"] = time.after,
  ["time.parse_duration"] = time.parse_duration,
}

local function refusal(name, value)
  local result, err = calls[name](value)
  assert.is_nil(result)
  assert.is_not_nil(err)
  if name ~= "time.sleep" then
    support.fails(tostring(err), "INVALID", result, err)
    assert.is_false(err:retryable())
  end
  return (tostring(err):gsub("^.-:%d+: ", ""))
end

describe("an invalid duration", function()
  local invalid = {
    { "soon", "soon" },
    { "10", "10" },
    { "", "" },
    { "5 s", "5 s" },
    { 0.5, "0.5" },
    { true, "true" },
    { nil, "nil" },
    { "5s\0", "5s\\000" },
    { "\n5s", "\\0105s" },
  }
  for name in pairs(calls) do
    it("B-40 B-46 is named by " .. name, function()
      for i = 1, 9 do
        local value, shown = invalid[i][1], invalid[i][2]
        assert.equal(name .. ": invalid duration: " .. shown, refusal(name, value))
      end
      for _, value in ipairs({ {}, print, io.stdout, 1 / 0, 0 / 0 }) do
        assert.matches("^" .. name .. ": invalid duration: .", refusal(name, value))
      end
    end)

    it("B-5 B-40 is cut by " .. name .. " if it is long", function()
      local shown = refusal(name, ("x"):rep(10000)):sub(#name + #": invalid duration: " + 1)
      assert.matches("^x+%.%.%.$", shown)
      assert.is_true(#shown <= 103)
    end)
  end
end)

describe("a bare number from 1 to 999", function()
  for _, name in ipairs({ "time.sleep", "time.after" }) do
    it("B-41 B-46 is refused by " .. name .. " with what was meant", function()
      for _, n in ipairs({ 1, 5, 999 }) do
        local expected = 'FUNCTION: N is N nanoseconds; write "Ns", "Nms" or N * time.SECOND'
        assert.equal(expected:gsub("FUNCTION", name):gsub("%f[%u]N", n), refusal(name, n))
      end
    end)
  end
end)

describe("a duration that is not greater than zero", function()
  it("B-42 B-46 is refused by time.after", function()
    for _, value in ipairs({ 0, -1, -1000, "0", "0s", "-1s", time.parse_duration("-1h") }) do
      assert.equal("time.after: duration must be greater than zero", refusal("time.after", value))
    end
  end)
end)

describe("the methods of Time and Duration", function()
  it("B-1 raise on a wrong object", function()
    local time_methods = { "sub", "before", "after", "equal", "unix", "unix_nano" }
    local duration_methods = { "nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours" }
    local objects = { [time.now()] = time_methods, [time.parse_duration("1s")] = duration_methods }
    for object, methods in pairs(objects) do
      for _, method in ipairs(methods) do
        for _, wrong in ipairs({ 1, "x", {}, io.stdout }) do
          local message = support.raised(object[method], wrong, object)
          assert.is_truthy(message:find("bad argument #1", 1, true) or message:find("bad self", 1, true), message)
        end
        assert.is_false(pcall(object[method]))
      end
    end
  end)
end)
