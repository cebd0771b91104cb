-- A tree of a thousand processes under supervisors, in which for this many seconds somebody is killed at random, at
-- every level. Each time what the strategies and intensities say must follow: who is started again, who stays, and
-- which supervisor gives up. Then the tree is whole again, and nobody else lives.
-- Run as  supervisor.lua SECONDS HOST [SEED]; prints one line at the end, and exits with 1 if anything was wrong.
local process = require "process"
local supervisor = require "process.supervisor"
local time = require "process.time"

local seconds, host, seed = tonumber(arg[1]), arg[2], tonumber(arg[3]) or os.time()
local branches, twigs, leaves = 10, 10, 9
local population = 1 + branches * (1 + twigs * (1 + leaves))
local strategies = { "one_for_one", "rest_for_one", "one_for_all" }

local options = { threads = { report = false }, pool = { workers = 2, report = false } }
assert(process.define_host("soak:" .. host, assert(options[host], "no such host: " .. host)))
host = "soak:" .. host

assert(process.define("soak:leaf", "return { main = function() process.events():receive() end }"))
assert(process.define("soak:branch", [[
  return { main = function(spec) return require("process.supervisor").run(spec) end }
]]))

math.randomseed(seed)
local random = math.random

-- By height over the leaves: how many restarts a supervisor makes.
local intensities = { 1, 2, 12 }

-- The spec of a supervisor at this height over the leaves, with its place among its siblings.
local function spec_of(height, place)
  local spec = {
    strategy = strategies[place % #strategies + 1], intensity = intensities[height], period = "10h", children = {},
  }
  for number = 1, ({ leaves, twigs, branches })[height] do
    spec.children[number] = height == 1 and {
      id = "leaf " .. number, entry = "soak:leaf", host = host, shutdown = number % 2 == 0 and "kill" or "30s",
    } or {
      id = "branch " .. number, entry = "soak:branch", host = host, args = { spec_of(height - 1, number) },
      ready = "60s", shutdown = false,
    }
  end
  return spec
end

local root_spec = spec_of(3, random(3))

-- The tree as it is, from this supervisor down, or nil if it is not whole.
local function look(pid, spec)
  local list, total = supervisor.children(pid), supervisor.count(pid)
  if not list or not total or total.running ~= #spec.children then
    return nil
  end
  local node = { pid = pid, strategy = spec.strategy, restarts = total.restarts, count = 1 }
  for place, child in ipairs(list) do
    local below = spec.children[place].args or {}
    if child.pid then
      node[place] = below[1] and look(child.pid, below[1]) or not below[1] and { pid = child.pid, count = 1 } or nil
    end
    if not node[place] then
      return nil
    end
    node.count = node.count + node[place].count
  end
  return node
end

-- Waits until the tree is whole, and nobody else is left.
local function whole(pid)
  local start = time.now()
  repeat
    local tree = look(pid, root_spec)
    if tree and tree.count == population and process.host_info(host).processes == population then
      return tree
    end
    time.sleep("2ms")
  until time.now():sub(start):seconds() > 60
  error(("not whole after 60 s: %d processes of %d"):format(process.host_info(host).processes, population), 0)
end

local function same(one, other, expected, what)
  if (one.pid == other.pid) ~= expected then
    error(("%s: %s became %s"):format(what, one.pid, other.pid), 0)
  end
end

-- Nobody below has changed.
local function unchanged(before, after)
  same(before, after, true, "a process without reason to")
  for place, child in ipairs(before) do
    unchanged(child, after[place])
  end
end

-- Compares the children of a supervisor with what they were before the one at `place` ended.
local function check(before, after, place)
  for other, child in ipairs(before) do
    local strategy = before.strategy
    local again = strategy == "one_for_all" or other == place or strategy == "rest_for_one" and other > place
    same(child, after[other], not again, strategy)
    if not again then
      unchanged(child, after[other])
    end
  end
end

-- The node at the end of the path.
local function at(tree, path, depth)
  for step = 1, depth do
    tree = tree[path[step]]
  end
  return tree
end

process.set_options { trap_links = true }
local events, counts = process.events(), { kills = 0, raised = 0, roots = 1 }

local function kill(tree)
  local path, depth = {}, random(3)
  for step = 1, depth do
    -- Mostly the same ones, so that they have enough of it.
    local count = #at(tree, path, step - 1)
    path[step] = random(random(4) > 1 and 2 or count)
  end
  local victim = at(tree, path, depth).pid
  repeat until not process.terminate(victim)
  counts.kills = counts.kills + 1
  -- Supervisors that have had enough give up, upwards.
  while depth > 0 and at(tree, path, depth - 1).restarts + 1 > intensities[4 - depth] do
    depth = depth - 1
    path[depth + 1] = nil
    counts.raised = counts.raised + 1
  end
  if depth == 0 then
    local event = events:receive("60s")
    local text = "supervisor: more than " .. intensities[3] .. " restarts within 10h0m0s, last: branch "
    if not event or event.kind ~= process.event.LINK_DOWN or event.from ~= tree.pid
      or not event.error:find(text, 1, true) then
      error("the root did not give up as it should: " .. tostring(event and event.error), 0)
    end
    if not process.wait("60s") then
      error("the root has left somebody behind", 0)
    end
    counts.roots = counts.roots + 1
    return whole(assert(supervisor.spawn(root_spec, host)))
  end
  local after = whole(tree.pid)
  local above, now = tree, after
  for step = 1, depth - 1 do
    -- Beside the path nothing has happened.
    for place, child in ipairs(above) do
      if place ~= path[step] then
        unchanged(child, now[place])
      end
    end
    above, now = above[path[step]], now[path[step]]
    same(above, now, true, "a supervisor that had not had enough")
  end
  if now.restarts ~= above.restarts + 1 then
    error(("%d restarts after %d"):format(now.restarts, above.restarts), 0)
  end
  check(above, now, path[depth])
  return after
end

local ok, problem = pcall(function()
  local start = time.now()
  local tree = whole(assert(supervisor.spawn(root_spec, host)))
  repeat
    tree = kill(tree)
  until time.now():sub(start):seconds() >= seconds
  process.cancel(tree.pid)
  if not process.wait("60s") or process.host_info(host).processes > 0 then
    error("somebody outlives the tree", 0)
  end
end)
print(("supervisor: seed %d, %d kills, %d supervisors gave up, %d trees: %s"):format(
  seed, counts.kills, counts.raised, counts.roots, ok and "well" or "WRONG: " .. tostring(problem)))
os.exit(ok and 0 or 1, true)
