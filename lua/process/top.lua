-- What runs, as a table of text: `text` makes it once, `run` writes it to standard error again and again.
local process = require "process.core"
local channel, time = process.channel, process.time

local top = {}

-- ---------------------------------------------------------------------------------------------------------- options

local sorts = {
  time = function(info)
    return info.processor_time and info.processor_time:nanoseconds() or 0
  end,
  memory = function(info)
    return info.memory
  end,
  mailbox = function(info)
    return info.mailbox
  end,
}

local function is_refresh(value)
  local span = time.parse_duration(value)
  return span and span:nanoseconds() > 0
end

local function is_count(value)
  return type(value) == "number" and value >= 1 and value % 1 == 0
end

local known = {
  sort = { "'time', 'memory' or 'mailbox'", function(value) return sorts[value] ~= nil end },
  rows = { "whole number from 1", is_count },
  refresh = { "duration greater than zero", is_refresh },
}

local function check(options, name)
  if options ~= nil and type(options) ~= "table" then
    error(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(options)), 3)
  end
  for option, value in pairs(options or {}) do
    local wanted = known[option]
    if not wanted or option == "refresh" and name ~= "run" then
      error("top: unknown option " .. tostring(option), 3)
    elseif not wanted[2](value) then
      error(("top: %s: %s expected, got %s"):format(option, wanted[1], tostring(value)), 3)
    end
  end
  return options or {}
end

-- ------------------------------------------------------------------------------------------------------------- text

local function bytes(count)
  if count < 10240 then
    return ("%d B"):format(count)
  elseif count < 10240 * 1024 then
    return ("%.0f KiB"):format(count / 1024)
  end
  return ("%.0f MiB"):format(count / 1024 / 1024)
end

-- A duration with three digits or so.
local function span(duration)
  local seconds = duration and duration:seconds() or 0
  if seconds < 1 then
    return ("%.1f ms"):format(seconds * 1000)
  elseif seconds < 600 then
    return ("%.1f s"):format(seconds)
  end
  return ("%.0f min"):format(seconds / 60)
end

local columns = {
  { "PID", function(info) return info.pid end },
  { "ENTRY", function(info) return info.entry end },
  { "STATE", function(info) return info.state end },
  { "WAITS FOR", function(info)
    return info.waits_for and (info.waits_for .. (info.waiting_on and " " .. info.waiting_on or "")) or ""
  end },
  { "MAILBOX", function(info) return ("%d"):format(info.mailbox) end, right = true },
  { "MEMORY", function(info) return bytes(info.memory) end, right = true },
  { "TIME", function(info) return span(info.processor_time) end, right = true },
  { "AGE", function(info) return span(info.age) end, right = true },
}

-- Control characters would spoil the table.
local function cell(text)
  text = text:gsub("%c", "?")
  return #text > 40 and text:sub(1, 37) .. "..." or text
end

local function totals(stats)
  return ("%d processes (%d spawned, %d ended, %d failed, %d abandoned), %d messages (%s), memory %s"):format(
    stats.processes, stats.spawned, stats.ended, stats.failed, stats.abandoned, stats.messages, bytes(stats.bytes),
    bytes(stats.memory))
end

-- Information on these processes, the first ones of the order first.
local function collect(list, sort)
  local infos, key = {}, sorts[sort]
  for _, pid in ipairs(list) do
    local info = process.info(pid)
    if info then -- else it has ended meanwhile
      infos[#infos + 1] = { info, key(info) }
    end
  end
  table.sort(infos, function(one, other)
    if one[2] == other[2] then
      return one[1].pid < other[1].pid
    end
    return one[2] > other[2]
  end)
  return infos
end

local function draw(options)
  local list, err = process.list()
  if not list then
    return nil, err
  end
  local infos = collect(list, options.sort or "time")
  local rows = { {} }
  for place, column in ipairs(columns) do
    rows[1][place] = column[1]
  end
  for number = 1, math.min(#infos, options.rows or 20) do
    local row = {}
    for place, column in ipairs(columns) do
      row[place] = cell(column[2](infos[number][1]))
    end
    rows[number + 1] = row
  end
  local widths = {}
  for _, row in ipairs(rows) do
    for place, text in ipairs(row) do
      widths[place] = math.max(widths[place] or 0, #text)
    end
  end
  local lines = { totals(process.stats()) }
  for _, row in ipairs(rows) do
    local cells = {}
    for place, text in ipairs(row) do
      local padding = (" "):rep(widths[place] - #text)
      cells[place] = columns[place].right and padding .. text or text .. padding
    end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub(" +$", ""))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ------------------------------------------------------------------------------------------------------- the module

-- What runs now: totals, then a line for each process.
function top.text(options)
  return draw(check(options, "text"))
end

-- Writes that to standard error until the process is cancelled.
function top.run(options)
  options = check(options, "run")
  local events, ticker = process.events(), time.ticker(options.refresh or "1s")
  local cases = { events:case_receive(), ticker:channel():case_receive() }
  while true do
    local text, err = draw(options)
    if not text then
      return nil, err
    end
    io.stderr:write(text, "\n")
    local got = channel.select(cases)
    if got.channel == events and got.value.kind == process.event.CANCEL then
      ticker:stop()
      return
    end
  end
end

return top
