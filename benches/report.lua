-- Samples to text: minimum, median and maximum, a padded Markdown table, and its place between the marks of a document.
local report = {}

-- Least, middle and greatest of the samples.
function report.spread(samples)
  local sorted = table.move(samples, 1, #samples, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  return sorted[1], (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2, sorted[#sorted]
end

-- Three digits: 412k, 1.52M, 31.4.
function report.number(value)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" }, { 1, "" } } do
    local scaled = value / unit[1]
    if scaled >= 0.9995 or unit[1] == 1 then
      local decimals = scaled >= 99.95 and 0 or scaled >= 9.995 and 1 or 2
      return ("%." .. decimals .. "f%s"):format(scaled, unit[2])
    end
  end
end

function report.samples(samples)
  local least, median, greatest = report.spread(samples)
  if #samples == 1 then
    return report.number(median)
  end
  return ("%s / %s / %s"):format(report.number(least), report.number(median), report.number(greatest))
end

-- Rows of cells, the head first, as a Markdown table whose columns line up.
function report.table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 3, #cell)
    end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = cell .. (" "):rep(widths[i] - #cell)
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  table.insert(lines, 2, (lines[1]:gsub("[^|]", "-")))
  return table.concat(lines, "\n")
end

-- Puts the text between the marks of that name in the file; the rest of the file does not change.
function report.write(path, mark, text)
  local first, last = ("<!-- %s: begin -->\n"):format(mark), ("<!-- %s: end -->"):format(mark)
  local file = assert(io.open(path, "rb"))
  local document = file:read("a")
  file:close()
  local _, from = document:find(first, 1, true)
  local to = from and document:find(last, from, true)
  assert(to, path .. " has lost the marks around its figures")
  file = assert(io.open(path, "wb"))
  assert(file:write(document:sub(1, from), text, document:sub(to)))
  file:close()
end

return report
