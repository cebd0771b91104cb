---@meta process.nvim

---@class process.nvim.Options
---@field on_error? fun(err: any) gets what a step would raise

---@class process.nvim.Attached
local Attached = {}

---Undoes `attach`.
function Attached:detach() end

local nvim = {}

---Has the loop serve the calling process.
---@param options? process.nvim.Options
---@return process.nvim.Attached
function nvim.attach(options) end

return nvim
