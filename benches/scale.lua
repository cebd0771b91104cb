-- P-28: the cost of an operation against the number of things of its kind. Prints a line for each
-- operation and number, separated by tabs: operation, number, nanoseconds. The best of three runs each.
-- Run as  scale.lua [scale [host [most]]];  `most` processes at a time, by default 10,000, on a pool 100,000.
local support = require "benches.support"

local most = tonumber(arg[3]) or (arg[2] == "pool" and 1e5 or 1e4)

support.define("trivial", [[ return function() end ]])

support.define_echo()

-- Nanoseconds by operation.
support.define("among_processes", [[
  local support = require "benches.support"
  local operations = require "benches.operations"

  return function(setting, n)
    local steps, dismiss = operations.processes(setting, n)
    local costs = {}
    for name, step in pairs(steps) do
      costs[name] = support.cost(setting.span, step)
    end
    dismiss()
    return costs
  end
]])

support.define("among_others", [[
  local support = require "benches.support"
  local operations = require "benches.operations"

  return function(setting, name, n)
    return { [name] = support.cost(setting.span, operations[name](setting, n)) }
  end
]])

local function print_costs(n, costs)
  for name, cost in pairs(costs) do
    print(("%s\t%d\t%.4g"):format(name, n, cost))
  end
end

for _, n in ipairs { 10, 100, 1000, 10000, 100000 } do
  if n <= most then
    print_costs(n, support.result("bench:among_processes", n))
  end
  for _, name in ipairs { "register", "timer", "waiting", "listeners" } do
    print_costs(n, support.result("bench:among_others", name, n))
  end
end
