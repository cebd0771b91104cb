-- The samples of a measurement by figure, by measured thing, and by interpreter; and two forms of output: the
-- table of docs/performance.md, and the lines that benches/draw reads.
local plan = require "benches.plan"
local report = require "benches.report"

local figures = {}

for _, figure in ipairs(plan.figures) do
  figures[figure.id] = figure
  figure.rows = {} -- { label, own, samples by interpreter }, ours first, else in the order of arrival; and by label
  figure.own = 0 -- how many are ours
end

-- Adds the lines `ID VALUE UNIT` of one run to the row of that label, in every figure they name. `own`: this library
-- was measured.
function figures.record(vm, label, own, lines)
  for id, value, unit in lines:gmatch("(%S+) (%S+) ([^\n]+)\n") do
    local figure = assert(figures[id], id)
    figure.unit = unit
    local row = figure.rows[label]
    if not row then
      row = { label = label, own = own }
      figure.rows[label] = row
      figure.own = figure.own + (own and 1 or 0)
      table.insert(figure.rows, own and figure.own or #figure.rows + 1, row)
    end
    row[vm] = row[vm] or {}
    table.insert(row[vm], tonumber(value))
  end
end

-- Each of our rows divided by this one.
local function ratios(figure, row, vm)
  if row.own or not row[vm] then
    return ""
  end
  local list = {}
  local their_least, their_median = report.spread(row[vm])
  for _, ours in ipairs(figure.rows) do
    if ours.own and ours[vm] then
      local least, median = report.spread(ours[vm])
      list[#list + 1] = ("%.3g"):format(figure.least and least / their_least or median / their_median)
    end
  end
  return table.concat(list, " / ")
end

local function cells(figure, row)
  local first = row == figure.rows[1]
  local list = { first and figure.id or "", first and figure.what .. ", " .. figure.unit or "", row.label }
  for _, vm in ipairs(plan.vms) do
    list[#list + 1] = row[vm] and report.samples(row[vm]) or ""
    list[#list + 1] = ratios(figure, row, vm)
  end
  list[#list + 1] = first and figure.goal or ""
  return list
end

-- A Markdown table of everything recorded, ours first in each figure.
function figures.table()
  local rows = { { "Id", "Workload", "Measured on" } }
  for _, vm in ipairs(plan.vms) do
    table.insert(rows[1], vm.title)
    table.insert(rows[1], "ratio")
  end
  table.insert(rows[1], "Goal")
  for _, figure in ipairs(plan.figures) do
    for _, row in ipairs(figure.rows) do
      rows[#rows + 1] = cells(figure, row)
    end
  end
  return report.table(rows)
end

-- Lines for other programs, separated by tabs: id, label, interpreter, least, median, greatest, unit.
function figures.lines()
  local lines = {}
  for _, figure in ipairs(plan.figures) do
    for _, row in ipairs(figure.rows) do
      for _, vm in ipairs(plan.vms) do
        if row[vm] then
          local least, median, greatest = report.spread(row[vm])
          lines[#lines + 1] = table.concat({
            figure.id, row.label, vm.title, ("%.6g"):format(least), ("%.6g"):format(median),
            ("%.6g"):format(greatest), figure.unit,
          }, "\t")
        end
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return figures
