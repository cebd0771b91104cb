---@meta process.server

---@class process.ServerHandlers
---@field call table<string, fun(state: any, payload: any, msg: process.Message): ...>? requests, by topic; the results are the reply
---@field cast table<string, fun(state: any, payload: any, msg: process.Message)>? other messages, by topic
---@field other fun(state: any, msg: process.Message)? every other message or request
---@field event fun(state: any, event: process.Event)? every event but CANCEL
---@field terminate? fun(state: any, reason: string?): any the end of the loop

---The receive loop: takes requests, messages and events one after the other.
---@class serverlib
---@field later userdata what a handler of requests returns if it replies itself
local server = {}

---Serves the inbox and the events of the calling process.
---@param handlers process.ServerHandlers
---@param state? any a new table unless given
---@return any value what `stop` was given, else what `terminate` returned
function server.run(handlers, state) end

---Ends the loop, after the handler that runs.
---@param value? any
function server.stop(value) end

return server
