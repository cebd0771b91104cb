-- Runs every Lua block of the README and the reference in an interpreter of its own, and compares its output with
-- the comments that begin with `-->`, one for each line of output. Run from the project folder with the interpreter to
-- test and LUA_CPATH set: lua5.4 scripts/reference.lua lua5.4 [PAGE...]
--
-- The number of blanks does not matter. `…` in a comment stands for any text. Text that differs on LuaJIT stands behind
-- it as `(LuaJIT: TEXT)`. A comment `<!-- before: CODE -->` above a block holds the code that the block assumes.
local interpreter = assert(arg[1], "which interpreter?")
local folder = "docs/reference/"
local jit = rawget(_G, "jit") ~= nil

-- The start of every block, in one line, so that its lines keep their numbers.
local PRELUDE = 'package.path = "./docs/reference/?.lua;" .. package.path; local process = require("process"); '

local function pages()
  if arg[2] then
    return { (table.unpack or unpack)(arg, 2) }
  end
  local list = { "README.md" }
  local names = assert(io.popen("ls " .. folder .. "*.md"))
  for name in names:lines() do
    list[#list + 1] = name
  end
  names:close()
  return list
end

-- The blocks of a page: { line, code, before }.
local function blocks_of(page)
  local blocks, block, before = {}, nil, ""
  local number = 0
  for line in assert(io.lines(page)) do
    number = number + 1
    if block and line == "```" then
      blocks[#blocks + 1], block, before = block, nil, ""
    elseif block then
      block.code = block.code .. line .. "\n"
    elseif line == "```lua" then
      block = { line = number, code = "", before = before }
    else
      before = line:match("^<!%-%- before: (.*) %-%->$") or before
    end
  end
  return blocks
end

local function one_blank(text)
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- The lines that the comments promise.
local function promised(code)
  local lines = {}
  for line in code:gmatch("[^\n]+") do
    local text = line:match("%-%->%s*(.*)$")
    if text then
      local common, other = text:match("^(.-)%s+%(LuaJIT: (.*)%)$")
      lines[#lines + 1] = one_blank(jit and other or common or text)
    end
  end
  return lines
end

local function fits(line, promise)
  local pattern = promise:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("…", ".*")
  return one_blank(line):find("^" .. pattern .. "$") ~= nil
end

local function run(block)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(PRELUDE, block.before, " ", block.code)
  file:close()
  local output = assert(io.popen("timeout -k 5 60 " .. interpreter .. " " .. name .. " 2>&1; echo ended with $?"))
  local text = output:read("*a")
  output:close()
  os.remove(name)
  local printed, code = text:match("^(.*)ended with (%d+)\n$")
  return printed, tonumber(code)
end

local count, failed = 0, 0
for _, page in ipairs(pages()) do
  for _, block in ipairs(blocks_of(page)) do
    count = count + 1
    local printed, code = run(block)
    local promises, at, problem = promised(block.code), 0, code ~= 0 and "ended with " .. code
    for line in printed:gmatch("([^\n]*)\n") do
      at = at + 1
      if not problem and not fits(line, promises[at] or "nothing more") then
        problem = ("prints '%s' instead of '%s'"):format(line, promises[at] or "nothing more")
      end
    end
    if not problem and at < #promises then
      problem = ("does not print '%s'"):format(promises[at + 1])
    end
    if problem then
      failed = failed + 1
      print(("%s:%d: %s\n%s"):format(page, block.line, problem, printed))
    end
  end
end
print(("%d examples of the reference, %d failed"):format(count, failed))
os.exit(failed == 0 and 0 or 1)
