---@meta process.ctx

---The context that the calling process was started with.
---@class ctxlib
local ctx = {}

---@param key string
---@return any value
---@return errors.Error? err
function ctx.get(key) end

---@return table<string, any>
function ctx.all() end

return ctx
