---@meta process.core
-- The same module as `process`; requiring it sets no globals.

---@type processlib
local process

return process
