---@meta process.supervisor

---A child, as its supervisor is told of it.
---@class process.ChildSpec
---@field id string? unique; none in a template
---@field entry process.entry
---@field host string? default `"app:processes"`
---@field args table? arguments of its `main`; `n` is honoured
---@field restart "permanent"|"transient"|"temporary"|nil
---@field shutdown string|number|time.Duration|false|nil how long a CANCEL has to be obeyed, default `"5s"`; `"kill"`: not at all; `false`: no limit
---@field name string? registered before it runs
---@field context table<string, any>?
---@field options table?
---@field backoff { initial: string|number|time.Duration|nil, max: string|number|time.Duration|nil }|false|nil
---@field ready string|number|time.Duration|nil how long it may take to call `supervisor.ready`

---@class process.SupervisorSpec
---@field strategy "one_for_one"|"one_for_all"|"rest_for_one"|nil
---@field intensity integer? default 3
---@field period string|number|time.Duration|nil default `"5s"`
---@field children process.ChildSpec[]?
---@field name string? registered name of the supervisor
---@field template process.ChildSpec? of children that are started on demand
---@field on_event fun(event: process.SupervisorEvent)? called in the supervisor

---@class process.SupervisorEvent
---@field kind "started"|"exited"|"restarting"|"gave_up"
---@field id string
---@field pid string?
---@field error errors.Error?
---@field attempt integer? restarts of the child so far
---@field delay time.Duration? until the restart

---@class process.ChildInfo
---@field id string
---@field pid string?
---@field restart "permanent"|"transient"|"temporary"
---@field state "running"|"restarting"|"stopped"
---@field restarts integer
---@field since time.Time? of the last start

---Processes that start children, watch them, and start them again.
---@class supervisorlib
local supervisor = {}

---Spawns a supervisor, linked to the caller; returns when its children have been started.
---@param spec process.SupervisorSpec
---@param host? string default `"app:processes"`
---@return string? pid
---@return errors.Error? err
function supervisor.spawn(spec, host) end

---Makes the calling process a supervisor, until that ends.
---@param spec process.SupervisorSpec
---@return true?
---@return errors.Error? err
function supervisor.run(spec) end

---Tells the supervisor of the calling process that the next child may start.
function supervisor.ready() end

---Starts one more child: of a spec, or like the template with these arguments.
---@param sup string PID or name
---@param ... any
---@return string? pid
---@return errors.Error? err
function supervisor.start_child(sup, ...) end

---Starts a stopped child.
---@param sup string PID or name
---@param id string
---@return string? pid
---@return errors.Error? err
function supervisor.restart_child(sup, id) end

---Stops a child and keeps its spec.
---@param sup string PID or name
---@param id string
---@return true?
---@return errors.Error? err
function supervisor.stop_child(sup, id) end

---Forgets a stopped child.
---@param sup string PID or name
---@param id string
---@return true?
---@return errors.Error? err
function supervisor.delete_child(sup, id) end

---The children, in the order of their start.
---@param sup string PID or name
---@return process.ChildInfo[]?
---@return errors.Error? err
function supervisor.children(sup) end

---@param sup string PID or name
---@return { specs: integer, running: integer, restarts: integer }?
---@return errors.Error? err
function supervisor.count(sup) end

return supervisor
