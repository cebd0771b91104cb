---@meta process.luv

---@class process.luv.Options
---@field on_error? fun(err: any) gets what a step would raise
---@field uv any? default `require "luv"`
---@field keep_alive boolean? whether the loop runs until `detach`; default true

---@class process.luv.Attached
local Attached = {}

---Undoes `attach`.
function Attached:detach() end

local luv = {}

---Has the loop serve the calling process.
---@param options? process.luv.Options
---@return process.luv.Attached
function luv.attach(options) end

return luv
