-- Lists the requirement ids of the contract that no spec proves; fails unless spec/ids_not_due.txt gives a reason for
-- each. Run from the project folder: lua5.4 scripts/ids.lua. The contract lies beside the project; without it only the
-- project's own lists are checked against each other.
local contract = "../shared/contract/"
local pages = { "process", "channel", "time", "errors", "values", "hosts-and-entries", "lifecycle", "limits" }
-- Pages that are not due yet, but for a few ids: specs may prove what stands there, and need not.
local later_pages = { "calls", "supervisor", "groups", "inspection", "convenience", "loops", "sharing", "cluster" }
local due = { "V-29", "C-41", "C-42" }
local not_due = "spec/ids_not_due.txt"
local id_pattern = "%u%-%d+"

local problems = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

-- The later stage that the text after an id's name begins with: "[ours] S2 ...", "[ref] | S2 ...", "[ref] **P** ...".
local function stage_in(text)
  text = text:gsub("^%s*%[%a+%]%s*|?%s*", "")
  return text:match("^S%d") or text:match("^%*%*(P)%*%*")
end

-- Ids that a page defines, with their stage: their own, or that of the section they stand in.
local function read_page(file, stages)
  local section = {} -- level of a heading -> its stage
  local level = 0
  for line in file:lines() do
    local marks, title = line:match("^(#+)%s+(.*)")
    if marks then
      level = #marks
      for deeper in pairs(section) do
        if deeper >= level then
          section[deeper] = nil
        end
      end
      section[level] = title:match("%((S%d)%)")
    elseif line:match("^S%d, except ") then
      section[level] = line:match("^S%d") .. " in part"
    end
    local id, rest = line:match("^[-|]%s+%*%*(" .. id_pattern .. ")%*%*(.*)")
    if id and not rest:find("*withdrawn*", 1, true) then
      local _, inherited = next(section)
      stages[id] = stage_in(rest) or inherited or "1"
    end
  end
end

-- id -> stage for these pages, or nil where one is absent.
local function read_pages(names)
  local stages = {}
  for _, page in ipairs(names) do
    local file = io.open(contract .. page .. ".md")
    if not file then
      return nil
    end
    read_page(file, stages)
    file:close()
  end
  return stages
end

-- Twice id -> stage: for what is due, and for what is known besides. Nothing where the contract is absent.
local function read_contract()
  local stages, later = read_pages(pages), read_pages(later_pages)
  if not stages or not later then
    return nil
  end
  for _, id in ipairs(due) do
    stages[id] = later[id]
  end
  return stages, later
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

local stages, later = read_contract()
local proved, listed = read_specs(), read_not_due()

for _, id in ipairs(sorted(listed)) do
  if proved[id] then
    problem("%s is proved by %s: take it out of %s", id, proved[id], not_due)
  end
end

if stages then
  for _, id in ipairs(sorted(stages)) do
    if not proved[id] and not listed[id] then
      problem("%s (stage %s) has no spec and no entry in %s", id, stages[id], not_due)
    end
  end
  for _, id in ipairs(sorted(proved)) do
    if not stages[id] and not later[id] then
      problem("%s: the contract has no %s", proved[id], id)
    end
  end
  for _, id in ipairs(sorted(listed)) do
    local place = not_due .. ":" .. listed[id].line
    local stage = listed[id].group:match("^S%d$") or listed[id].group:match("^P$")
    if not stages[id] then
      problem("%s: the contract has no %s", place, id)
    elseif stage and not stages[id]:find(stage, 1, true) then
      problem("%s: %s is of stage %s in the contract", place, id, stages[id])
    end
  end
else
  print("no contract beside the project: only the project's own lists are checked")
end

for _, text in ipairs(problems) do
  print(text)
end
local count = #sorted(proved)
print(("%d ids proved by specs, %d not due yet, %d problems"):format(count, #sorted(listed), #problems))
os.exit(#problems == 0)
