-- Groups of linked processes: how far a failure spreads. Each row is a small play of members A, B, C …
local process = require "process"
local channel = require "process.channel"
local time = require "process.time"
local support = require "spec.support"

local me = process.pid()

-- A is linked to each of these workers, which trap links, and fails.
local function boss_of(workers)
  local play = {
    ids = "L-42", title = "a boss links ten workers who trap: the boss fails",
    set_up = {}, traps = workers, event = "A raise bad", outcome = { "A ends: bad" }, alive = {},
  }
  for worker in workers:gmatch(".") do
    table.insert(play.set_up, "A link " .. worker)
    table.insert(play.outcome, worker .. " gets 1: pid.link.down from A")
    table.insert(play.alive, worker)
  end
  return play
end

-- set_up: "A links B", in this order; members are started when first named, B by A in "A spawn_linked B".
-- traps: members with trap_links on. event: what happens. outcome: each end, and what each survivor gets, numbered.
local plays = {
  {
    ids = "L-44 B-66", set_up = { "A link B", "B link C" }, traps = "", event = "B raise bad",
    outcome = {
      "A ends: linked process failed: B: bad",
      "B ends: bad",
      "C ends: linked process failed: B: bad",
    },
  },
  {
    ids = "L-44 B-66", set_up = { "A link B", "B link C" }, traps = "C", event = "A raise bad",
    outcome = {
      "A ends: bad",
      "B ends: linked process failed: A: bad",
      "C gets 1: pid.link.down from B",
    },
    alive = { "C" },
  },
  {
    ids = "L-44", set_up = { "A link B", "B link C" }, traps = "B", event = "A raise bad",
    outcome = { "A ends: bad", "B gets 1: pid.link.down from A" },
    alive = { "B", "C" },
  },
  boss_of("BCDEFGHIJK"),
  {
    ids = "L-41 L-48", set_up = { "A spawn_linked B" }, traps = "", event = "A return 1",
    outcome = { "A ends normally: 1" },
    alive = { "B" },
  },
  {
    ids = "L-13 L-48", set_up = { "A spawn_linked B" }, traps = "", event = "A fail bad",
    outcome = { "A ends: bad", "B ends: linked process failed: A: bad" },
  },
  {
    ids = "L-48", set_up = { "A spawn_linked B" }, traps = "B", event = "A fail bad",
    outcome = { "A ends: bad", "B gets 1: pid.link.down from A" },
    alive = { "B" },
  },
  {
    ids = "L-42 L-50", set_up = { "A spawn_linked B" }, traps = "", event = "B terminate",
    outcome = { "A ends: linked process failed: B: process terminated", "B ends: process terminated" },
  },
  {
    ids = "L-42 L-50", set_up = { "A spawn_linked B" }, traps = "A", event = "B terminate",
    outcome = { "A gets 1: pid.link.down from B", "B ends: process terminated" },
    alive = { "A" },
  },
  {
    ids = "L-47", set_up = { "A spawn_linked B", "A unlink B" }, traps = "", event = "B raise bad",
    outcome = { "B ends: bad" },
    alive = { "A" },
  },
  {
    ids = "L-27 L-49", set_up = { "A monitor B", "B link A" }, traps = "A", event = "B raise bad",
    outcome = { "A gets 1: pid.exit from B", "A gets 2: pid.link.down from B", "B ends: bad" },
    alive = { "A" },
  },
}

describe("a cascade", function()
  local pids, names, traps, told

  -- Takes a new member into the play. It is monitored, so that its end is seen; its answer says its options are set.
  local function join(name, pid)
    assert(process.monitor(pid))
    pids[name], names[pid] = pid, name
    assert(process.send(pid, "ping"))
    assert.is_true(support.receive(process.listen("done")))
  end

  local function member(name)
    if not pids[name] then
      local trapping = traps:find(name) ~= nil
      join(name, assert(process.spawn("cascade:member", support.host, me, trapping)))
    end
    return pids[name]
  end

  -- Has a member obey a command, and returns its answer.
  local function tell(name, command, argument)
    assert(process.send(member(name), command, argument))
    return support.receive(process.listen("done"))
  end

  local function set_up(line)
    local name, command, other = line:match("(%S+) (%S+) (%S+)")
    if command == "spawn_linked" then
      join(other, tell(name, command, traps:find(other) ~= nil))
    else
      tell(name, command, member(other))
    end
  end

  local function happen(line)
    local name, command, argument = line:match("(%S+) (%S+) ?(%S*)")
    if command == "terminate" then
      assert(process.terminate(pids[name]))
    else
      assert(process.send(pids[name], command, tonumber(argument) or argument))
    end
  end

  -- One line for the thing just received: an EXIT, or an event that a member got and passed on.
  local function line(got, numbers)
    local value = got.value
    if got.channel == told then
      local who, event = names[value:from()], value:payload()
      numbers[who] = (numbers[who] or 0) + 1
      return ("%s gets %d: %s from %s"):format(who, numbers[who], event[1], names[event[2]])
    elseif value.error then
      return ("%s ends: %s"):format(names[value.from], (tostring(value.error):gsub("{.-}", names)))
    end
    return ("%s ends normally: %s"):format(names[value.from], tostring(value.result))
  end

  -- The next `count` lines, sorted.
  local function observe(count)
    local lines, numbers, late = {}, {}, time.after("20s")
    while #lines < count do
      local got = channel.select({
        process.events():case_receive(), told:case_receive(), late:case_receive(),
      })
      assert.are_not.equal(late, got.channel, "only this happened: " .. table.concat(lines, "; "))
      lines[#lines + 1] = line(got, numbers)
    end
    table.sort(lines)
    return lines
  end

  before_each(function()
    support.reset()
    pids, names = {}, {}
    told = process.listen("event", { message = true })
  end)

  after_each(function()
    for _, pid in pairs(pids) do
      process.unmonitor(pid)
      support.kill(pid)
    end
    process.unlisten(told)
    process.unlisten(process.listen("done"))
  end)

  for _, play in ipairs(plays) do
    local title = play.title or ("%s, %s traps: %s"):format(table.concat(play.set_up, ", "),
      play.traps == "" and "none" or play.traps, play.event)
    it(play.ids .. " " .. title, function()
      traps = play.traps
      for _, command in ipairs(play.set_up) do
        set_up(command)
      end
      happen(play.event)
      table.sort(play.outcome)
      assert.are.same(play.outcome, observe(#play.outcome))
      for _, name in ipairs(play.alive or {}) do
        assert.is_true(tell(name, "ping"))
      end
      assert.is_nil(support.waiting(told))
      assert.is_nil(support.waiting(process.events()))
    end)
  end
end)
