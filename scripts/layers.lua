-- Checks the layers of src/: every import runs downwards in the table "Layers" of docs/architecture.md, and no
-- files import each other in a circle. Tests count. Run from the project folder: lua5.4 scripts/layers.lua [--list]
--
-- The table's first column has the folders, from the ground up; its last the words that a folder never uses, comments
-- included. A folder may import itself and the folders above it in the table. src/lib.rs stands on top of everything.
-- With --list every import between files is printed, as "FROM TO".
--
-- It reads `use` in all its forms, re-exports, and paths that begin with `crate::`, `super::` or `self::`.
local document = "docs/architecture.md"

local problems = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

-- ---------------------------------------------------------------------------------------------------- the source

-- The text without strings, characters and comments; blanks stand in their place, so that lines keep their numbers.
local function bare(text)
  local out, at = {}, 1
  local function skip(to)
    out[#out + 1] = text:sub(at, to):gsub("[^\n]", " ")
    at = to + 1
  end
  while at <= #text do
    local two = text:sub(at, at + 1)
    local raw = text:match("^r(#*)\"", at)
    if two == "//" then
      skip((text:find("\n", at, true) or #text + 1) - 1)
    elseif two == "/*" then
      skip(select(2, text:find("*/", at + 2, true)) or #text)
    elseif raw and not text:sub(at - 1, at - 1):find("[%w_]") then
      skip(select(2, text:find("\"" .. raw, at + 2 + #raw, true)) or #text)
    elseif text:sub(at, at) == "\"" then
      local to = at + 1
      while to <= #text and text:sub(to, to) ~= "\"" do
        to = to + (text:sub(to, to) == "\\" and 2 or 1)
      end
      skip(to)
    elseif text:find("^'\\.[^']*'", at) or text:find("^'[^'\\\n]'", at) then
      skip(select(2, text:find("^'\\?[^\n]-'", at)))
    else
      out[#out + 1] = text:sub(at, at)
      at = at + 1
    end
  end
  return table.concat(out)
end

-- module path -> file: { name, folder, text, code, module }
local files, list = {}, {}
for name in assert(io.popen("find src -name '*.rs' | sort")):lines() do
  local module = name:gsub("^src/", ""):gsub("%.rs$", ""):gsub("/mod$", ""):gsub("/", "::"):gsub("^lib$", "")
  local handle = assert(io.open(name))
  local text = handle:read("a")
  handle:close()
  local folder = name:match("^src/([^/]+)/") or ""
  local file = { name = name, module = module, folder = folder, text = text, code = bare(text) }
  files[module] = file
  list[#list + 1] = file
end

-- How many inline modules (`mod tests { ... }`) stand around each position where one begins or ends.
local function nesting(code)
  local changes = {}
  for start in code:gmatch("()%f[%w]mod%s+[%w_]+%s*{") do
    local open = code:find("{", start, true)
    local depth, at = 0, open
    repeat
      local brace = code:match("^[^{}]*()[{}]", at)
      depth = depth + (code:sub(brace, brace) == "{" and 1 or -1)
      at = brace + 1
    until depth == 0
    changes[#changes + 1] = { from = open, to = at }
  end
  return function(position)
    local deep = 0
    for _, range in ipairs(changes) do
      deep = deep + (position > range.from and position < range.to and 1 or 0)
    end
    return deep
  end
end

-- Calls visit(path) for each path of a use tree: "a::{b, c::{d, e as f}, *}".
local function each_path(tree, prefix, visit)
  local head, group = tree:match("^(.-){(.*)}$")
  if not head then
    return visit(prefix .. tree:gsub(" as [%w_]+$", ""):gsub("%s", ""))
  end
  local depth, start = 0, 1
  head = head:gsub("%s", "")
  for at = 1, #group + 1 do
    local c = group:sub(at, at)
    depth = depth + (c == "{" and 1 or c == "}" and -1 or 0)
    if depth == 0 and (c == "," or c == "") then
      local part = group:sub(start, at - 1):gsub("^%s+", ""):gsub("%s+$", "")
      if part ~= "" then
        each_path(part, prefix .. head, visit)
      end
      start = at + 1
    end
  end
end

-- The absolute path of one written in `module`, inside so many inline modules; nil if it does not begin in this crate.
local function absolute(path, module, deep)
  local parts = {}
  for part in path:gmatch("[%w_*]+") do
    parts[#parts + 1] = part
  end
  local base
  if parts[1] == "crate" then
    base = ""
    table.remove(parts, 1)
  elseif parts[1] == "self" or parts[1] == "super" then
    base = module
    while parts[1] == "self" or parts[1] == "super" do
      if table.remove(parts, 1) == "super" then
        if deep > 0 then
          deep = deep - 1
        else
          base = base:match("^(.*)::[^:]+$") or ""
        end
      end
    end
  elseif files[module == "" and parts[1] or module .. "::" .. parts[1]] then
    base = module
  else
    return nil
  end
  for _, part in ipairs(parts) do
    base = base == "" and part or base .. "::" .. part
  end
  return base
end

-- Re-exports: absolute path of the new name -> absolute path of the old one. Globs: module -> list of modules.
local renamed, globs = {}, {}
for _, file in ipairs(list) do
  for tree in file.code:gmatch("pub[%s%w()]-%s+use%s+([^;]+);") do
    each_path(tree, "", function(path)
      local full = absolute(path, file.module, 0)
      local name = full and full:match("([^:]+)$")
      if name == "*" then
        globs[file.module] = globs[file.module] or {}
        table.insert(globs[file.module], (full:gsub("::%*$", "")))
      elseif full then
        renamed[(file.module == "" and "" or file.module .. "::") .. name] = full
      end
    end)
  end
end

-- The file that a path leads to.
local function file_of(path, seen)
  seen = seen or {}
  if seen[path] then
    return nil
  end
  seen[path] = true
  local module, rest = path, nil
  while module and not files[module] do
    if renamed[module] then
      return file_of(renamed[module] .. (rest and "::" .. rest or ""), seen)
    end
    local up, last = module:match("^(.*)::([^:]+)$")
    rest = (last or module) .. (rest and "::" .. rest or "")
    module = up or (module ~= "" and "" or nil)
  end
  local file = module and files[module]
  if file and rest and not rest:find("*", 1, true) then
    local word = "%f[%w_]" .. rest:match("^[^:]+") .. "%f[^%w_]"
    for _, source in ipairs(globs[module] or {}) do
      local other = files[source]
      if other and other.code:find("pub[%s%w()]-%s+%l+%s+" .. word) then
        return other
      end
    end
  end
  return file
end

-- from -> { to = line }
local imports = {}
for _, file in ipairs(list) do
  local deep_at, found = nesting(file.code), {}
  local function add(path, position)
    local full = absolute(path, file.module, deep_at(position))
    local target = full and file_of(full)
    if target and target ~= file and target.name ~= "src/lib.rs" and not found[target] then
      found[target] = select(2, file.code:sub(1, position):gsub("\n", "")) + 1
    end
  end
  for position, tree in file.code:gmatch("()%f[%w]use%s+([^;]+);") do
    each_path(tree:gsub("%s+", " "), "", function(path) add(path, position) end)
  end
  for position, path in file.code:gmatch("()%f[%w_](crate::[%w_:]+)") do
    add(path, position)
  end
  for position, path in file.code:gmatch("()%f[%w_](super::[%w_:]+)") do
    add(path, position)
  end
  imports[file] = found
end

-- ---------------------------------------------------------------------------------------------------- the checks

-- folder -> { rank, words } from the document's table.
local function read_table()
  local layers, rank, inside = {}, 0, false
  for line in assert(io.lines(document)) do
    if line:match("^## ") then
      inside = line == "## Layers"
    end
    local cell, last = line:match("^| (`.-/`.-) |.*|([^|]*)|%s*$")
    if inside and cell then
      rank = rank + 1
      for folder in cell:gmatch("`([%w_]+)/`") do
        layers[folder] = { rank = rank, words = {} }
        for word in last:gmatch("`([^`]+)`") do
          table.insert(layers[folder].words, word)
        end
      end
    end
  end
  return layers
end

local layers = read_table()
local upwards = 0
for _, file in ipairs(list) do
  local own = layers[file.folder]
  if file.folder ~= "" and not own then
    problem("%s: the folder %s/ is not in the table of %s", file.name, file.folder, document)
  end
  for target, line in pairs(imports[file]) do
    local other = layers[target.folder]
    if own and other and target.folder ~= file.folder and other.rank >= own.rank then
      upwards = upwards + 1
      problem("%s:%d: imports %s upwards", file.name, line, target.name)
    end
  end
  for _, word in ipairs(own and own.words or {}) do
    local number = 0
    for line in file.text:gmatch("([^\n]*)\n") do
      number = number + 1
      if line:find("%f[%w_]" .. word .. "%f[^%w_]") then
        problem("%s:%d: names %s, which %s/ does not know", file.name, number, word, file.folder)
      end
    end
  end
end

-- Circles: strongly connected files (Tarjan, "Depth-first search and linear graph algorithms", 1972).
local index, low, on_stack, stack, counter, circles = {}, {}, {}, {}, 0, {}
local function visit(file)
  counter = counter + 1
  index[file], low[file] = counter, counter
  stack[#stack + 1], on_stack[file] = file, true
  for target in pairs(imports[file]) do
    if not index[target] then
      visit(target)
      low[file] = math.min(low[file], low[target])
    elseif on_stack[target] then
      low[file] = math.min(low[file], index[target])
    end
  end
  if low[file] == index[file] then
    local circle = {}
    repeat
      local member = table.remove(stack)
      on_stack[member] = false
      circle[#circle + 1] = member.name
    until member == file
    if #circle > 1 then
      table.sort(circle)
      circles[#circles + 1] = circle
    end
  end
end
for _, file in ipairs(list) do
  if not index[file] then
    visit(file)
  end
end
for _, circle in ipairs(circles) do
  problem("%d files import each other in a circle: %s", #circle, table.concat(circle, " "))
end

if arg[1] == "--list" then
  for _, file in ipairs(list) do
    for target in pairs(imports[file]) do
      print(file.name, target.name)
    end
  end
end
table.sort(problems)
for _, text in ipairs(problems) do
  print(text)
end
local arrows = 0
for _, found in pairs(imports) do
  for _ in pairs(found) do
    arrows = arrows + 1
  end
end
print(("%d files, %d imports, %d upwards, %d circles, %d problems"):format(#list, arrows, upwards, #circles, #problems))
os.exit(#problems == 0)
