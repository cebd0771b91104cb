---@meta process.pg

---Groups of processes: they join by name, others send to all members or hear who comes and goes.
---@class pglib
local pg = {}

---Opens a scope, a set of groups.
---@param scope string `namespace:name`
---@return pg.Scope?
---@return errors.Error?
function pg.open(scope) end

---A set of groups.
---@class pg.Scope
local Scope = {}

---The calling process joins; joining twice counts twice.
---@param group string|string[]
---@return true?
---@return errors.Error?
function Scope:join(group) end

---Takes one join back.
---@param group string|string[]
---@return true?
---@return errors.Error?
function Scope:leave(group) end

---@param group string
---@return string[]? pids each member once
---@return errors.Error?
function Scope:get_members(group) end

---@param group string
---@return string[]? pids each member once
---@return errors.Error?
function Scope:get_local_members(group) end

---@return string[] groups those with members
function Scope:which_groups() end

---@return string[] groups those with members
function Scope:which_local_groups() end

---Sends a message to every member.
---@param group string
---@param topic string
---@param ... any
---@return integer? count to how many
---@return errors.Error?
function Scope:broadcast(group, topic, ...) end

---As `broadcast`.
---@param group string
---@param topic string
---@param ... any
---@return integer? count to how many
---@return errors.Error?
function Scope:broadcast_local(group, topic, ...) end

---The members now, and a subscription to every later change.
---@param group string
---@return pg.Subscription?
---@return string[]|errors.Error members
function Scope:monitor(group) end

---All groups with their members now, and a subscription to every later change.
---@return pg.Subscription
---@return table<string, string[]> groups
function Scope:events() end

---@class pg.Event
---@field system "pg"
---@field kind "member.joined"|"member.left"
---@field path string the group
---@field data { Group: string, PIDs: string[] }

---Hears who comes and goes, until it is closed.
---@class pg.Subscription
local Subscription = {}

---@return channel.Channel
function Subscription:channel() end

---Ends the subscription. What waits in its channel can still be received, unless it is flushed.
---@param options? { flush: boolean? }
---@return boolean was_open
function Subscription:close(options) end

return pg
