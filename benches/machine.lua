-- Runs programs on the measuring machine, and describes that machine.
local plan = require "benches.plan"
local report = require "benches.report"

local machine = {
  failures = {}, -- the commands that have failed
}

-- The output of the shell command; if it fails, nothing, and a note in `failures`.
function machine.output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  if not pipe:close() then
    table.insert(machine.failures, command)
    return ""
  end
  return text
end

-- Whether the shell knows the first word of the command.
function machine.available(command)
  return os.execute("command -v " .. command:match("%S+") .. " >/dev/null")
end

-- The shell command that runs one of the Lua scripts for at most so many seconds, `prefix` before it.
function machine.interpret(vm, seconds, prefix, script, ...)
  local words = table.concat({ "timeout", seconds, prefix, vm.name, "benches/" .. script .. ".lua", ... }, " ")
  return ("LUA_CPATH='./build/%s/?.so;;' %s"):format(vm.build, words)
end

-- The pattern's capture in the first line of the file that has it.
local function line_of(path, pattern)
  for line in io.lines(path) do
    local found = line:match(pattern)
    if found then
      return found
    end
  end
  return "unknown"
end

-- The load of the last minute.
function machine.load()
  return tonumber((line_of("/proc/loadavg", "^%S+")))
end

-- One line: interpreters, processor, the loads that were met.
function machine.describe(loads)
  local versions = {}
  for i, vm in ipairs(plan.vms) do
    versions[i] = machine.output(vm.name .. " -v 2>&1"):match("%S+ %S+")
  end
  local least, median, greatest = report.spread(loads)
  return ("%s. %s, %s cores. Load before, between and after the rounds: %.2f / %.2f / %.2f."):format(
    table.concat(versions, ", "), line_of("/proc/cpuinfo", "^model name%s*: (.*)"),
    machine.output("nproc"):match("%d+"), least, median, greatest)
end

-- The arguments `name=value` of a command line; the others keep the value that they have in `defaults`.
function machine.settings(arguments, defaults)
  for _, argument in ipairs(arguments) do
    local name, value = argument:match("^(%w+)=(.*)$")
    assert(defaults[name], "not an argument: " .. argument)
    defaults[name] = value
  end
  return defaults
end

-- Ends the program: names the failures, and reports them by the exit code.
function machine.finish()
  for _, command in ipairs(machine.failures) do
    print("failed: " .. command)
  end
  os.exit(#machine.failures == 0)
end

return machine
