-- The functions of native.c for scripts run by specs.
local support = require "spec.support"

local native = {}

-- Compiles the functions into this folder; returns Lua source that defines them as a local table `native`.
function native.source(folder)
  local library = folder .. "/native.so"
  local flags = support.jit and "-DLUAJIT" or ""
  local command = ("cc -shared -fPIC -O1 %s -o '%s' spec/support/native.c"):format(flags, library)
  local ok = os.execute(command)
  if ok ~= true and ok ~= 0 then
    error("cannot compile spec/support/native.c")
  end
  return ([[
    local native = {}
    for _, name in ipairs({
      "fork", "wait", "close_others", "catch", "raise", "block", "at_exit", "scheduler", "resume", "torn",
      "pair", "put", "take", "close", "readable", "on_exec",
    }) do
      native[name] = assert(package.loadlib("%s", "native_" .. name))
    end
  ]]):format(library)
end

return native
