---@meta process.errors

---Error objects.
---@class errorslib
---@field NOT_FOUND "NotFound"
---@field ALREADY_EXISTS "AlreadyExists"
---@field INVALID "Invalid"
---@field PERMISSION_DENIED "PermissionDenied"
---@field UNAVAILABLE "Unavailable"
---@field INTERNAL "Internal"
---@field CANCELED "Canceled"
---@field CONFLICT "Conflict"
---@field TIMEOUT "Timeout"
---@field RATE_LIMITED "RateLimited"
---@field UNKNOWN ""
local errors = {}

---@alias errors.kind "NotFound"|"AlreadyExists"|"Invalid"|"PermissionDenied"|"Unavailable"|"Internal"|"Canceled"|"Conflict"|"Timeout"|"RateLimited"|""

---An error: text in `print`, `..` and `%s`; the methods of `string` act on its text.
---@class errors.Error : stringlib
---@operator concat(string): string
---@operator len: integer
local Error = {}

---@return errors.kind|string
function Error:kind() end

---The message without contexts.
---@return string
function Error:message() end

---@return boolean?
function Error:retryable() end

---@return table?
function Error:details() end

---The text of a traceback, "" if there is none.
---@return string
function Error:stack() end

---@class errors.Fields
---@field message string
---@field kind (errors.kind|string)?
---@field retryable boolean?
---@field details table?

---@param message string|errors.Fields
---@return errors.Error
function errors.new(message) end

---A new error with one more context.
---@param err errors.Error|string
---@param context string
---@return errors.Error
function errors.wrap(err, context) end

---@param value any
---@param kind errors.kind|string
---@return boolean
function errors.is(value, kind) end

---@class errors.Frame
---@field source string
---@field line integer
---@field name string?

---@class errors.CallStack
---@field thread string
---@field frames errors.Frame[] the innermost first

---@param err any
---@return errors.CallStack?
function errors.call_stack(err) end

return errors
