---@meta process.cqueues

---@class process.cqueues.Options
---@field on_error? fun(err: any) gets what a step would raise
---@field controller any the controller that serves the process

---@class process.cqueues.Attached
local Attached = {}

---Undoes `attach`.
function Attached:detach() end

local cqueues = {}

---Has the loop serve the calling process.
---@param options process.cqueues.Options
---@return process.cqueues.Attached
function cqueues.attach(options) end

---What any controller can poll.
---@return { pollfd: integer, events: string }
function cqueues.object() end

return cqueues
