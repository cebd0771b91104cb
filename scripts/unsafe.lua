-- Checks what every `unsafe fn` of src/ says of itself. Run from the project folder: lua5.4 scripts/unsafe.lua [FOLDER]
--
-- Its doc comment has a section "# Safety" with at least a line of text. If a `lua_State` is among its parameters,
-- the comment also has the two fixed lines that src/vm/mod.rs explains:
--
--     /// Stack: +1
--     /// Raises: never | memory | any
--
-- Functions that are only declared, in blocks `extern "C" { ... }`, are documented where they come from.
local folder = arg[1] or "src"

local problems, count = {}, 0

local function problem(file, line, ...)
  problems[#problems + 1] = string.format("%s:%d: %s", file, line, string.format(...))
end

local function lines_of(name)
  local lines = {}
  for line in io.lines(name) do
    lines[#lines + 1] = line
  end
  return lines
end

-- The doc comment above a line, without its slashes; attributes may stand in between.
local function comment_above(lines, number)
  local doc = {}
  for at = number - 1, 1, -1 do
    local text = lines[at]:match("^%s*///%s?(.*)$")
    if text then
      table.insert(doc, 1, text)
    elseif not lines[at]:find("^%s*#%[") then
      break
    end
  end
  return doc
end

-- The declaration that begins at a line, up to its body.
local function declaration(lines, number)
  local text = ""
  for at = number, #lines do
    text = text .. lines[at] .. "\n"
    if lines[at]:find("[{;]%s*$") then
      return text
    end
  end
  return text
end

local raises = { never = true, memory = true, any = true }

local function check(file, lines, number, name)
  local doc = comment_above(lines, number)
  local safety, stack, raising
  for at, text in ipairs(doc) do
    if text:find("^# Safety") then
      safety = doc[at + 1] and doc[at + 1]:find("%S") and true
    end
    stack = stack or text:match("^Stack: (.+)")
    raising = raising or text:match("^Raises: (%l+)")
  end
  if not safety then
    problem(file, number, "%s: no section \"# Safety\" with text", name)
  end
  if declaration(lines, number):find("lua_State", 1, true) then
    if not stack then
      problem(file, number, "%s: no line \"Stack: ...\"", name)
    end
    if not raises[raising] then
      problem(file, number, "%s: no line \"Raises: never | memory | any\"", name)
    end
  end
end

for file in assert(io.popen("find " .. folder .. " -name '*.rs' | sort")):lines() do
  local lines = lines_of(file)
  for number, line in ipairs(lines) do
    local name = line:match("^[%s%w()]*%f[%w]unsafe%s+fn%s+([%w_]+)")
      or line:match("^[%s%w()]*%f[%w]unsafe%s+extern%s+\"[%w-]+\"%s+fn%s+([%w_]+)")
    if name then
      count = count + 1
      check(file, lines, number, name)
    end
  end
end

if #problems > 0 then
  print(table.concat(problems, "\n"))
  print(#problems .. " problems")
  os.exit(1)
end
print(count .. " unsafe functions say what they need")
