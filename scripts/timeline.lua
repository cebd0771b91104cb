-- Draws a trace of `process.trace` as a timeline: a row for each process, a bar for each run, a line for each message.
--   lua5.4 scripts/timeline.lua TRACE.json >timeline.svg
package.path = "./?.lua;" .. package.path
local json = require "spec.support.json"

local WIDTH, LEFT, ROW, BAR, TOP = 960, 190, 26, 14, 34

-- Escapes what XML reads as markup.
local function xml(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

-- The rows in order, with their runs, and the messages between them.
local function read(path)
  local file = assert(io.open(path))
  local events = json.read(file:read("*a")).traceEvents
  file:close()
  local rows, by_tid, messages, starts, last = {}, {}, {}, {}, 0
  for _, event in ipairs(events) do
    if event.name == "thread_name" then
      local row = { tid = event.tid, name = event.args.name, runs = {} }
      rows[#rows + 1], by_tid[event.tid] = row, row
    elseif event.ph == "X" then
      local runs = by_tid[event.tid].runs
      runs[#runs + 1] = event
      last = math.max(last, event.ts + event.dur)
    elseif event.ph == "s" then
      starts[event.id] = event
    elseif event.ph == "f" then
      messages[#messages + 1] = { from = starts[event.id], to = event }
    end
  end
  table.sort(rows, function(one, other)
    return one.tid < other.tid
  end)
  for place, row in ipairs(rows) do
    row.y = TOP + (place - 1) * ROW
  end
  return rows, by_tid, messages, last
end

-- A step of the axis that gives about eight marks.
local function step_for(span)
  local step = 10 ^ math.floor(math.log(span / 8, 10))
  for _, factor in ipairs({ 1, 2, 5, 10 }) do
    if span / (step * factor) <= 8 then
      return step * factor
    end
  end
end

local function draw(path)
  local rows, by_tid, messages, last = read(path)
  local height = TOP + #rows * ROW + 10
  local function x(micros)
    return LEFT + micros / last * (WIDTH - LEFT - 12)
  end
  local out = {}
  local function put(text, ...)
    out[#out + 1] = text:format(...)
  end
  put('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">', WIDTH,
    height)
  put("<title>What the processes of a worker pool do, over time</title>")
  put("<style>text{fill:#333}.run{fill:#3572a5}.row{stroke:#8884}.message{stroke:#c60;stroke-width:.7;opacity:.55}"
    .. "@media(prefers-color-scheme:dark){text{fill:#ddd}.run{fill:#6aaae0}.message{stroke:#fa5}}</style>")
  local step = step_for(last)
  for mark = 0, math.floor(last / step) do
    put('<line class="row" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(mark * step), TOP - 8, x(mark * step), height - 8)
    put('<text x="%.1f" y="%d" text-anchor="middle">%g ms</text>', x(mark * step), TOP - 14, mark * step / 1000)
  end
  for _, row in ipairs(rows) do
    local name, number = row.name:match("^(.*) {[^{}]*|(%x+)}$")
    put('<text x="4" y="%d">%s</text>', row.y + BAR - 3, xml(("%s  |%s"):format(name:match("[^/]*$"), number)))
    for _, run in ipairs(row.runs) do
      put('<rect class="run" x="%.1f" y="%d" width="%.1f" height="%d"/>', x(run.ts), row.y,
        math.max(x(run.ts + run.dur) - x(run.ts), 0.6), BAR)
    end
  end
  for _, message in ipairs(messages) do
    local from, to = by_tid[message.from.tid], by_tid[message.to.tid]
    put('<line class="message" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(message.from.ts), from.y + BAR / 2,
      x(message.to.ts), to.y + BAR / 2)
  end
  put("</svg>")
  return table.concat(out, "\n") .. "\n"
end

io.write(draw(assert(arg[1], "which trace?")))
