-- Scripts of strangers, each in a process of its own: few libraries, 8 MiB of memory, a second of time. What they
-- return comes back as a copy; whatever they do ends with them.
--
--   lua5.4 examples/untrusted_scripts/main.lua
local process = require "process"

assert(process.define_host("guests:room", {
  libs = { "base", "string", "table", "math" },
  memory_limit = 8 * 1024 * 1024,
  mailbox_limit = 10,
  max_processes = 4,
  report = false,
}))

-- The results of a script, or nil and why there are none.
local function run(number, source, ...)
  local entry = "guests:script" .. number
  local defined, err = process.define(entry, ("return { main = function(...) %s\nend }"):format(source))
  if not defined then
    return nil, err
  end
  return process.with_options({ timeout = "1s" }):exec(entry, "guests:room", ...)
end

local scripts = {
  "local sum = 0 for _, n in ipairs(...) do sum = sum + n end return sum",
  "return string.rep('tea', 2) .. ' ' .. math.max(3, 4)",
  "return os and os.execute('rm -rf /') or 'no os'",
  "return io and io.open('/etc/passwd'):read('*a') or 'no io'",
  "while true do end",
  "local t = {} while true do t[#t + 1] = {} end",
  "return ('x'):rep(1e9)",
  "print = nil string.format = nil return 'nobody else notices'",
  "error('no tea left')",
  "return return",
}

for number, source in ipairs(scripts) do
  local result, err = run(number, source, { 1, 2, 3 })
  local text = tostring(err):gsub("{.-}", "PID")
  print(number, err and err:kind() or "result", err and text or result)
end
print(("still here: %s, %d guests"):format(string.format("%.1f", 2.5), process.host_info("guests:room").processes))
