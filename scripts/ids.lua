-- Lists the requirement ids of the reference that no spec proves; fails unless spec/ids_not_due.txt gives a reason for
-- each. It also checks that every id is defined once and every link to one leads there.
-- Run from the project folder: lua5.4 scripts/ids.lua
--
-- A page defines an id by an anchor, `<a id="P-12"></a>`. Decisions (`D-…`) explain and need no proof. Ids that are
-- planned for later stand in pages beside the project, if these pages exist: specs may prove them, but need not.
local reference = "docs/reference/"
local planned = "../shared/contract/"
local not_due = "spec/ids_not_due.txt"
local id_pattern = "%u%-%d+"

local problems = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

local function pages_of(folder)
  local names = assert(io.popen("ls " .. folder .. "*.md 2>/dev/null"))
  local list = {}
  for name in names:lines() do
    list[#list + 1] = name
  end
  names:close()
  return list
end

-- id -> page of the reference that defines it. Checks the definitions and the links.
local function read_reference()
  local defined, links = {}, {}
  for _, page in ipairs(pages_of(reference)) do
    local file = page:match("[^/]+$")
    local here, used = {}, {}
    for line in io.lines(page) do
      for id in line:gmatch('<a id="(' .. id_pattern .. ')"></a>') do
        if defined[id] then
          problem("%s defines %s, and so does %s", page, id, defined[id])
        end
        defined[id] = file
      end
      local id, target = line:match("^%[(" .. id_pattern .. ")%]: (%S+)$")
      if id then
        here[id] = true
        links[#links + 1] = { page = page, file = file, id = id, target = target }
      else
        for other, after in line:gmatch("%[(" .. id_pattern .. ")%](.?)") do
          used[other] = used[other] or after ~= "("
        end
      end
    end
    for id, bare in pairs(used) do
      if bare and not here[id] then
        problem("%s: no link for [%s] at its end", page, id)
      end
    end
  end
  for _, link in ipairs(links) do
    local file = defined[link.id]
    if link.target ~= (file == link.file and "" or tostring(file)) .. "#" .. link.id then
      problem("%s: [%s] leads to %s; it is defined in %s", link.page, link.id, link.target, tostring(file))
    end
  end
  return defined
end

-- The ids that are planned.
local function read_planned()
  local ids = {}
  for _, page in ipairs(pages_of(planned)) do
    for line in io.lines(page) do
      local id = line:match("^[-|]%s+%*%*(" .. id_pattern .. ")%*%*")
      if id then
        ids[id] = true
      end
    end
  end
  return ids
end

-- id -> a spec that names it: every string under spec/ that begins with ids, as the names of tests do.
local function read_specs()
  local proved = {}
  local names = assert(io.popen("ls spec/*_spec.lua"))
  for name in names:lines() do
    local file = assert(io.open(name))
    local source = file:read("a"):gsub("pending%s*%(?%s*[\"']", "")
    file:close()
    for text in source:gmatch("[\"'](%u%-%d[^\"'\n]*)") do
      for word in text:gmatch("%S+") do
        local id = word:match("^(" .. id_pattern .. ")[,:]?$")
        if not id then
          break
        end
        proved[id] = name
      end
    end
  end
  names:close()
  return proved
end

-- id -> { group, line } for the list; "# GROUP: ..." begins a group, "ID reason" is an entry.
local function read_not_due()
  local listed, group, number = {}, nil, 0
  for line in assert(io.open(not_due)):lines() do
    number = number + 1
    local id, reason = line:match("^(" .. id_pattern .. ")%s+(%S.*)")
    if line:match("^#") then
      group = line:match("^# ([^:]+):") or group
    elseif id and reason and group then
      if listed[id] then
        problem("%s:%d: %s stands there twice", not_due, number, id)
      end
      listed[id] = { group = group, line = number }
    elseif line ~= "" then
      problem("%s:%d: not an id with a reason, in a group", not_due, number)
    end
  end
  return listed
end

local function sorted(set)
  local list = {}
  for id in pairs(set) do
    list[#list + 1] = id
  end
  table.sort(list, function(a, b)
    local page_a, page_b = a:sub(1, 1), b:sub(1, 1)
    if page_a ~= page_b then
      return page_a < page_b
    end
    return tonumber(a:sub(3)) < tonumber(b:sub(3))
  end)
  return list
end

local defined, plans = read_reference(), read_planned()
local proved, listed = read_specs(), read_not_due()

for _, id in ipairs(sorted(listed)) do
  if proved[id] then
    problem("%s is proved by %s: take it out of %s", id, proved[id], not_due)
  elseif not defined[id] then
    problem("%s:%d: the reference has no %s", not_due, listed[id].line, id)
  end
end
for _, id in ipairs(sorted(defined)) do
  if not proved[id] and not listed[id] and not id:find("^D") then
    problem("%s has no spec and no entry in %s", id, not_due)
  end
end
for _, id in ipairs(sorted(proved)) do
  if not defined[id] and not plans[id] then
    problem("%s: the reference has no %s", proved[id], id)
  end
end

for _, text in ipairs(problems) do
  print(text)
end
local count = #sorted(proved)
print(("%d ids proved by specs, %d not due yet, %d problems"):format(count, #sorted(listed), #problems))
os.exit(#problems == 0)
