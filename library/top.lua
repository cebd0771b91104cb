---@meta process.top

---@class process.TopOptions
---@field sort ("time"|"memory"|"mailbox")? default "time"
---@field rows integer? at most so many processes; default 20

---@class process.TopRunOptions: process.TopOptions
---@field refresh process.duration? default "1s"

---What runs, as a table of text.
---@class toplib
local top = {}

---Totals, then a line for each process.
---@param options? process.TopOptions
---@return string? text
---@return errors.Error? err
function top.text(options) end

---Writes that to standard error again and again, until the process is cancelled.
---@param options? process.TopRunOptions
function top.run(options) end

return top
