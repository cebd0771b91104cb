---@meta process.nginx

---@class process.nginx.Options
---@field on_error? fun(err: any) gets what a step would raise

---@class process.nginx.Attached
local Attached = {}

---Undoes `attach`.
function Attached:detach() end

local nginx = {}

---Has the loop serve the calling process.
---@param options? process.nginx.Options
---@return process.nginx.Attached
function nginx.attach(options) end

return nginx
