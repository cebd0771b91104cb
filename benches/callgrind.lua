-- Reads the counts of valgrind's callgrind, and groups the instructions by their purpose.
--
-- With line numbers callgrind names the source file of every instruction, even in functions that the compiler
-- has put into others. Instructions that the module causes in Lua and in the C library count for the place of the call.
local callgrind = {}

-- Calls during which other code of the module may run: they are no part of the step that makes them.
local reentrant = { "^lua_p?callk?$", "^lua_pcallk$", "^lua_callk$", "^lua_resume$", "^lua_yieldk?$", "^luaD_", "^lj_" }

local function is_reentrant(name)
  for _, pattern in ipairs(reentrant) do
    if name:find(pattern) then
      return true
    end
  end
  return false
end

-- Calls fn(file, name, instructions, callee) for instructions that the module has executed itself (callee is nil) and
-- for those of its calls to the outside. Returns the number of all instructions.
--   path     the file that callgrind has written
--   module   a pattern for the name of the library
local function each(path, module, fn)
  local names = {} -- of files, objects and functions: the number that stands for a name, by kind
  local function name_of(kind, text)
    local number, name = text:match("^(%(%d+%))%s*(.*)$")
    local key = kind .. (number or text)
    if name ~= "" then
      names[key] = name or text
    end
    return names[key] or text
  end

  local object, file, name, callee, callee_object
  local total = 0
  local called = false -- the next line is the cost of a call
  for line in io.lines(path) do
    local key, text = line:match("^(%l+)=(.*)$")
    if key == "ob" then
      object = name_of("ob", text)
    elseif key == "fl" or key == "fi" or key == "fe" then
      file = name_of("fl", text)
    elseif key == "fn" then
      name = name_of("fn", text)
    elseif key == "cob" then
      callee_object = name_of("ob", text)
    elseif key == "cfi" or key == "cfl" then
      name_of("fl", text)
    elseif key == "cfn" then
      callee = name_of("fn", text)
    elseif key == "calls" then
      called = true
    else
      local cost = tonumber(line:match("^[%d+*-]%d* (%d+)$"))
      if cost then
        local ours = object and object:find(module)
        if not called then
          total = total + cost
          if ours then
            fn(file, name, cost)
          end
        elseif ours and not (callee_object or object):find(module) and not is_reentrant(callee) then
          fn(file, name, cost, callee)
        end
        if called then
          called, callee, callee_object = false, nil, nil
        end
      end
    end
  end
  return total
end

-- Files whose functions serve many steps: there the function that they were put into tells the purpose.
local helpers = { "/rustc/", "%.cargo", "src/vm/api%.rs$", "src/wire/mod%.rs$" }

-- The place of an instruction: as codec::encode by its source file, else by its function.
local function place(file, name)
  for _, pattern in ipairs(helpers) do
    if file:find(pattern) then
      return name
    end
  end
  local path = file:match("src/([%w_/]+)%.rs$")
  return path and path:gsub("/", "::") or name
end

-- Instructions by step.
--   steps   list of { step, pattern, ... }: an instruction whose place or callee matches one of the patterns belongs to
--           the first such step
--   rest    the name of the step for everything else in the program
function callgrind.steps(path, module, steps, rest)
  local counts, ours = {}, 0
  local function step_of(text)
    for _, step in ipairs(steps) do
      for i = 2, #step do
        if text:find(step[i]) then
          return step[1]
        end
      end
    end
  end
  local total = each(path, module, function(file, name, cost, callee)
    local step = callee and step_of("->" .. callee) or step_of(place(file, name))
    if step then
      counts[step] = (counts[step] or 0) + cost
      ours = ours + cost
    end
  end)
  counts[rest] = total - ours
  return counts
end

return callgrind
