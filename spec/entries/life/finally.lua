-- finally(f): f runs as a finalizer when the Lua state of the process is closed, on both VMs.
local function proxy(f)
  if not newproxy then
    return setmetatable({}, { __gc = f })
  end
  local userdata = newproxy(true)
  getmetatable(userdata).__gc = f
  return userdata
end

local kept = {}

return function(f)
  kept[#kept + 1] = proxy(f)
end
