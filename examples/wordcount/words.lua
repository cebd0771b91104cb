-- Counting words: one worker's work on one file, and the whole program's work on the tallies.
local words = {}

-- Adds every word of a text to a tally (word = how often); a word is a run of letters, in lower case.
function words.add_text(tally, text)
  for word in text:lower():gmatch("%a+") do
    tally[word] = (tally[word] or 0) + 1
  end
end

-- Counts the words of a file, as often as if its text stood there `times` times.
function words.add_file(tally, path, times)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  for _ = 1, times do
    words.add_text(tally, text)
  end
end

-- Adds one tally to another.
function words.add_tally(sum, tally)
  for word, count in pairs(tally) do
    sum[word] = (sum[word] or 0) + count
  end
end

function words.total(tally)
  local total = 0
  for _, count in pairs(tally) do
    total = total + count
  end
  return total
end

-- The `limit` commonest words, the commonest first: a list of { word = ..., count = ... }.
function words.top(tally, limit)
  local all = {}
  for word, count in pairs(tally) do
    all[#all + 1] = { word = word, count = count }
  end
  table.sort(all, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    end
    return a.word < b.word
  end)
  local top = {}
  for rank = 1, math.min(limit, #all) do
    top[rank] = all[rank]
  end
  return top
end

return words
