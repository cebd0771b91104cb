---@meta process.copas

---@class process.copas.Options
---@field on_error? fun(err: any) gets what a step would raise

---@class process.copas.Attached
local Attached = {}

---Undoes `attach`.
function Attached:detach() end

local copas = {}

---Has the loop serve the calling process.
---@param options? process.copas.Options
---@return process.copas.Attached
function copas.attach(options) end

return copas
