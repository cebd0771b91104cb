-- Descriptors for specs: the functions of native.c in the process that runs the specs, and their source for others.
local native = require "spec.support.native"

local descriptors = {}

local folder = os.tmpname()
os.remove(folder)
os.execute(("mkdir -p '%s'"):format(folder))

-- Source that defines `native`, for processes and scripts. The library stays until the interpreter ends.
descriptors.source = native.source(folder)
descriptors.native = assert((loadstring or load)(descriptors.source .. " return native"))()

-- The file can go once it is loaded, but other processes load it again.
descriptors.guard = require("spec.support").at_end(function()
  os.execute(("rm -rf '%s'"):format(folder))
end)

return descriptors
