---@meta
-- What `require "process"` sets where it is free, and what every spawned process has.

---@type processlib
process = nil

---@type channellib
channel = nil

---@type timelib
time = nil

---@type errorslib
errors = nil

---Starts a managed coroutine.
---@param fn function
---@param ... any
---@return thread
function coroutine.spawn(fn, ...) end
