---@meta process.pool

---@class process.MapOptions
---@field workers integer? how many processes; default `process.cpus()`
---@field host string? where they run; default `"app:processes"`
---@field timeout process.duration|false? for each item
---@field on_progress fun(done: integer, total: integer)? called by the caller after each item
---@field stop_on_error boolean? start nothing more after a failure

---@class process.PoolOptions: process.MapOptions
---@field queue integer? how many jobs may wait; 0: any number

---What became of a submitted job.
---@class process.Answer
---@field value any
---@field error errors.Error?

---Work for several processes.
---@class poollib
local pool = {}

---Calls `fn(item, index)` for each item, in several processes.
---@param items any[] an array, or a table with the field `n`
---@param fn function crosses to the workers
---@param options? process.MapOptions
---@return table? results in order, and `n`; nil: the workers could not be started
---@return table<integer, errors.Error>|errors.Error|nil errors by index, if there are any
function pool.map(items, fn, options) end

---Starts workers that are kept.
---@param fn function crosses to the workers
---@param options? process.PoolOptions
---@return process.Pool?
---@return errors.Error?
function pool.new(fn, options) end

---A pool of workers.
---@class process.Pool
local Pool = {}

---`fn(...)` in one of the workers.
---@param ... process.crossable
---@return any value
---@return errors.Error?
function Pool:call(...) end

---The same without waiting: a channel that yields `{ value = v }` or `{ error = e }` and is closed.
---@param ... process.crossable
---@return channel.Channel
function Pool:submit(...) end

---As `pool.map`, with the workers and options of this pool.
---@param items any[]
---@return table results
---@return table<integer, errors.Error>? errors
function Pool:map(items) end

---Takes no more jobs, waits for those it has, terminates the workers when the grace is over.
---@param grace? process.duration|false default `"5s"`; false: as long as it takes
---@return true?
---@return errors.Error?
function Pool:close(grace) end

return pool
