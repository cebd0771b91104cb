-- Counts the words of all text files below a folder with a pool of workers, and checks itself against a plain count.
--
--   lua5.4 examples/wordcount/main.lua [folder] [--workers N] [--times N]
--
-- --times N counts every file N times over, so that the work is worth measuring, and prints both times and their ratio.
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"
local time = require "process.time"
local pool = require "wordcount.pool"
local words = require "wordcount.words"

local function fail(text)
  io.stderr:write(text, "\n")
  os.exit(1)
end

local function read_options(args)
  local options = { folder = "/usr/share/common-licenses", workers = 4, times = 1 }
  local i = 1
  while args[i] do
    local name = args[i]:match("^%-%-(.*)")
    if name == "workers" or name == "times" then
      i = i + 1
      local n = tonumber(args[i])
      if not n or n < 1 or n % 1 ~= 0 then
        fail("--" .. name .. " takes a whole number from 1")
      end
      options[name] = n
      options.measure = options.measure or name == "times"
    elseif name then
      fail("unknown option: --" .. name)
    else
      options.folder = args[i]
    end
    i = i + 1
  end
  return options
end

-- The paths of all text files below a folder; grep knows which files are text.
local function text_files(folder)
  local quoted = "'" .. folder:gsub("'", "'\\''") .. "'"
  local list = assert(io.popen("LC_ALL=C grep -rIl '' -- " .. quoted .. " | LC_ALL=C sort"))
  local paths = {}
  for path in list:lines() do
    paths[#paths + 1] = path
  end
  list:close()
  return paths
end

local function on_terminal()
  local ok = os.execute("test -t 1")
  return ok == true or ok == 0 -- Lua 5.4 says true, LuaJIT gives the exit code
end

-- A line that shows the progress, on a terminal only.
local function new_progress(goal)
  local done, visible = 0, on_terminal()
  local progress = {}

  function progress.clear()
    if visible then
      io.write("\r\27[K")
    end
  end

  function progress.step()
    done = done + 1
    if visible then
      io.write("\r", done, " of ", goal, " files counted")
      io.flush()
    end
  end

  return progress
end

local function seconds_since(start)
  return time.now():sub(start):seconds()
end

local function count_in_pool(paths, options)
  local tasks = {}
  for i, path in ipairs(paths) do
    tasks[i] = { path = path, times = options.times }
  end
  tasks[1].stumble = true -- one worker shall fail, to show what happens then

  local sum, progress = {}, new_progress(#paths)
  local function on_result(result)
    words.add_tally(sum, result.tally)
    progress.step()
  end
  local function on_failure(event, task)
    progress.clear()
    print("worker " .. event.from .. " failed: " .. tostring(event.error))
    if task then
      print("another one takes its place, and its file is given out again")
      task.stumble = nil
    end
  end

  pool.run("wordcount:counter", options.workers, tasks, on_result, on_failure)
  progress.clear()
  return sum
end

local function count_alone(paths, options)
  local sum = {}
  for _, path in ipairs(paths) do
    words.add_file(sum, path, options.times)
  end
  return sum
end

local function listing(tally)
  local lines = {}
  for rank, entry in ipairs(words.top(tally, 20)) do
    lines[rank] = ("%3d  %-12s %9d"):format(rank, entry.word, entry.count)
  end
  return table.concat(lines, "\n")
end

local options = read_options(arg)
local paths = text_files(options.folder)
if #paths == 0 then
  fail("no text files below " .. options.folder)
end
print(("%d text files below %s, %d workers, supervised by %s"):format(
  #paths, options.folder, options.workers, process.pid()))

local start = time.now()
local sum = count_in_pool(paths, options)
local pool_seconds = seconds_since(start)

start = time.now()
local expected = count_alone(paths, options)
local alone_seconds = seconds_since(start)

print(listing(sum))
if options.measure then
  print(("%d workers %.2f s, one state %.2f s, ratio %.2f"):format(
    options.workers, pool_seconds, alone_seconds, alone_seconds / pool_seconds))
end

local agrees = words.total(sum) == words.total(expected) and listing(sum) == listing(expected)
print(("total %d words in %d files, as counted by one state: %s"):format(
  words.total(sum), #paths, agrees and "ok" or "NOT " .. words.total(expected)))
if not agrees then
  os.exit(1, true)
end
