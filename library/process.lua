---@meta process
-- Types for editors (LuaLS, EmmyLua). The reference in docs/reference tells what each function does.

---A duration: text such as "100ms" or "1h30m", a whole number of nanoseconds, or a Duration.
---@alias process.duration string|integer|time.Duration

---The PID of a process, or a name that it has registered.
---@alias process.destination string

---A value that can cross from one process to another.
---@alias process.crossable nil|boolean|number|string|table|function|errors.Error|time.Time|time.Duration|time.Location|process.Payload

---Entry reference `namespace:name`, or a Lua function.
---@alias process.entry string|function

---Isolated processes, messages by topic, monitors, links, names.
---@class processlib
---@field channel channellib
---@field pg pglib
---@field time timelib
---@field errors errorslib
---@field event process.event
---@field registry process.registry
---@field _VERSION string
local process = {}

---@class process.event
---@field EXIT "pid.exit"
---@field LINK_DOWN "pid.link.down"
---@field CANCEL "pid.cancel"
---@field OUTDATED "pid.outdated"

---An EXIT, LINK_DOWN, CANCEL or OUTDATED.
---@class process.Event
---@field kind "pid.exit"|"pid.link.down"|"pid.cancel"
---@field from string PID of the process that ended, failed or called `cancel`
---@field at time.Time
---@field result any EXIT: the first return value of `main`; with the option `wrapped` a record `{ value = v }` or `{ error = e }`
---@field error errors.Error? EXIT, LINK_DOWN: why the process failed
---@field reason string? CANCEL
---@field deadline time.Time? CANCEL

---A message: userdata. Its fields show as their values in `print` and `..`; call them for anything else.
---@class process.Message
local Message = {}

---The PID of the sender.
---@return string
function Message:from() end

---The topic.
---@return string
function Message:topic() end

---The value; nil for none, a table as of `table.pack` for several; with the option `wrapped` Payload objects.
---@return any
function Message:payload() end

---Replies to a request, as the end of `main` is read: after nil or false an error counts.
---@param value? process.crossable
---@param err? any
---@return true?
---@return errors.Error?
function Message:reply(value, err) end

---Whether a reply is still wanted; nil for a message that is no request.
---@return boolean?
function Message:waiting() end

---What `msg:payload()` gives with the option `wrapped`.
---@class process.Payload
local Payload = {}

---@return any
function Payload:data() end

---@return any
function Payload:unmarshal() end

---@return "lua/any"
function Payload:get_format() end

---PID of the calling process.
---@return string
function process.pid() end

---Entry reference that the calling process was started from.
---@return string
function process.id() end

---Starts a process.
---@param entry process.entry
---@param host string
---@param ... process.crossable arguments of its `main`
---@return string? pid
---@return errors.Error? err
function process.spawn(entry, host, ...) end

---Starts a process and watches it: its EXIT arrives in `events()`.
---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function process.spawn_monitored(entry, host, ...) end

---Starts a process and links to it: if one fails, so does the other.
---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function process.spawn_linked(entry, host, ...) end

---Starts a process, watches it and links to it.
---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function process.spawn_linked_monitored(entry, host, ...) end

---Starts a process, waits for its end, and returns what its `main` returns first.
---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return any result
---@return errors.Error? err
function process.exec(entry, host, ...) end

---Waits until no process that the caller spawned is alive.
---@param duration process.duration? how long at most
---@return boolean over false if the time is over first
function process.wait(duration) end

---Sends one message. Never blocks.
---@param dest process.destination
---@param topic string
---@param ... process.crossable
---@return true? sent
---@return errors.Error? err
function process.send(dest, topic, ...) end

---Sends a request and waits for the reply.
---@param dest process.destination
---@param topic string
---@param payload? process.crossable
---@param options { timeout: process.duration|false? }? how long to wait: `"5s"` unless given, `false` as long as it takes
---@return any value nil on failure
---@return errors.Error? err
function process.call(dest, topic, payload, options) end

---Waits for the end of a process and returns its result.
---@param dest process.destination
---@param timeout? process.duration
---@return any result nil on failure
---@return errors.Error? err
function process.await(dest, timeout) end

---Like `send`, but waits while the mailbox is full.
---@param dest process.destination
---@param topic string
---@param value? process.crossable
---@param timeout? process.duration
---@return true? sent
---@return errors.Error? err
function process.send_wait(dest, topic, value, timeout) end

---Processors that the program may use.
---@return integer
function process.cpus() end

---Opens a topic: a channel of its messages.
---@param topic string
---@param options { message: boolean? }? `message = true`: message objects instead of payloads
---@return channel.Channel channel nil on failure
---@return errors.Error? err
function process.listen(topic, options) end

---Closes a listener; what was not taken goes back to the inbox.
---@param channel channel.Channel
---@return boolean done
---@return errors.Error? err
function process.unlisten(channel) end

---A channel of messages (process.Message) without a listener.
---@return channel.Channel
function process.inbox() end

---A channel of events (process.Event).
---@return channel.Channel
function process.events() end

---Ends a process whatever it does.
---@param dest process.destination
---@return true? done
---@return errors.Error? err
function process.terminate(dest) end

---Asks a process to end, by a CANCEL in its events.
---@param dest process.destination
---@param reason string?
---@param deadline process.duration? when it is terminated otherwise
---@return true? done
---@return errors.Error? err
function process.cancel(dest, reason, deadline) end

---Replaces the code of the calling process. Returns only on failure.
---@param entry process.entry? nil: the present one, read again
---@param ... process.crossable
---@return nil
---@return errors.Error err
function process.upgrade(entry, ...) end

---Watches a process: exactly one EXIT will arrive.
---@param dest process.destination
---@return true? done
---@return errors.Error? err
function process.monitor(dest) end

---@param dest process.destination
---@return true? done
---@return errors.Error? err
function process.unmonitor(dest) end

---Links the calling process and another: if one fails, so does the other.
---@param dest process.destination
---@return true? done
---@return errors.Error? err
function process.link(dest) end

---@param dest process.destination
---@return true? done
---@return errors.Error? err
function process.unlink(dest) end

---@class process.Options
---@field trap_links boolean? failures of linked processes arrive as LINK_DOWN
---@field blocking "wait"|"error"? whether a call that would block the thread raises
---@field strict_values boolean? tables with a metatable are refused in messages
---@field upgradable boolean? OUTDATED tells of redefined code
---@field wrapped boolean? events and payloads have the form with result records and Payload objects

---@return process.Options
function process.get_options() end

---@param options process.Options
---@return boolean done
---@return errors.Error? err
function process.set_options(options) end

---What `define` takes instead of source text or a function.
---@class process.EntryDefinition
---@field source string? "file://path", or source text
---@field module string? a module name on `package.path`
---@field method string? default "main"
---@field imports table<string, string>? alias = entry reference
---@field modules string[]?
---@field meta table?

---Defines an entry for the whole program.
---@param entry string
---@param spec string|function|process.EntryDefinition
---@return true? done
---@return errors.Error? err
function process.define(entry, spec) end

---@class process.LoadSummary
---@field entries integer
---@field hosts integer
---@field skipped string[]

---Defines what the `_index.yaml` files of a Wippy project hold.
---@param path string a file or a folder
---@return process.LoadSummary? summary
---@return errors.Error? err
function process.load(path) end

---@class process.HostOptions
---@field workers integer? 0: a thread for each process; n: a pool of n threads
---@field max_processes integer?
---@field mailbox_limit integer?
---@field memory_limit integer? bytes
---@field stack_size integer? bytes
---@field terminate_grace process.duration?
---@field exit_grace process.duration?
---@field report boolean?
---@field jit boolean?
---@field libs string[]?
---@field init string?
---@field preload (boolean|string[])?
---@field functions boolean?

---@class process.HostInfo : process.HostOptions
---@field processes integer live ones
---@field abandoned integer given up

---Defines a host.
---@param host string
---@param options process.HostOptions
---@return true? done
---@return errors.Error? err
function process.define_host(host, options) end

---@param host string
---@return process.HostInfo? info
---@return errors.Error? err
function process.host_info(host) end

---What `process.info` knows of a process. Each value is of a moment of its own.
---@class process.Info
---@field pid string
---@field entry string
---@field host string
---@field names string[]
---@field parent string? PID of the process that spawned it; nil for a main process
---@field state "starting"|"running"|"ready"|"waiting"|"ending"
---@field waits_for string? while it waits: the function that `main` waits in
---@field waiting_on string? `inbox`, `events`, `channel`, a topic, a PID
---@field mailbox integer messages and events not yet taken
---@field memory integer bytes of its Lua state
---@field memory_limit integer 0 for none
---@field age time.Duration since it was spawned
---@field processor_time time.Duration
---@field resumed integer how often it went on after a wait or an interruption
---@field monitors string[]
---@field monitored_by string[]
---@field links string[]
---@field trap_links boolean
---@field coroutines integer live managed ones, without `main`
---@field timers integer pending, sleeps and time-outs included

---Counts of one host.
---@class process.HostStats
---@field processes integer
---@field spawned integer
---@field ended integer
---@field failed integer
---@field memory integer
---@field workers integer? pools: places for workers
---@field busy integer? pools: workers in a step
---@field queue integer? pools: processes that wait for a worker

---Counts of the whole program.
---@class process.Stats
---@field spawned integer since the start
---@field ended integer
---@field failed integer abnormally
---@field messages integer sent
---@field bytes integer of their encoded values
---@field processes integer now
---@field names integer
---@field abandoned integer
---@field memory integer bytes of all Lua states
---@field hosts table<string, process.HostStats>

---PIDs of live processes, the oldest first.
---@param host string? only those of this host; `"main"`: the main ones
---@return string[]? pids
---@return errors.Error? err
function process.list(host) end

---What a process is, has and does, without stopping it.
---@param dest process.destination
---@return process.Info? info
---@return errors.Error? err
function process.info(dest) end

---Where a process is now: every managed coroutine with its stack.
---@param dest process.destination
---@param timeout process.duration? `"1s"` unless given
---@return string? text
---@return errors.Error? err
function process.traceback(dest, timeout) end

---Totals of the program and of each host.
---@return process.Stats? stats
---@return errors.Error? err
function process.stats() end

---@class process.registry
---@field LOCAL 0
---@field EVENTUAL 1
---@field CONSISTENT 2
---@field STRONG 3
local registry = {}

---Gives a name to the calling process, or to `pid`.
---@param name string
---@param pid string?
---@param scope integer?
---@return true? done
---@return errors.Error? err
function registry.register(name, pid, scope) end

---@param name string
---@return string? pid
---@return errors.Error? err
function registry.lookup(name) end

---Waits until the name is registered.
---@param name string
---@param timeout? process.duration
---@return string? pid
---@return errors.Error? err
function registry.await(name, timeout) end

---@param name string
---@param scope integer?
---@return boolean? done
---@return errors.Error? err
function registry.unregister(name, scope) end

---@class process.Limits
---@field mailbox_limit integer?
---@field memory_limit integer?
---@field stack_size integer?

---Starts processes with a context, limits, a name and first messages. Immutable.
---@class process.Spawner
local Spawner = {}

---@param values table<string, process.crossable>
---@return process.Spawner
function process.with_context(values) end

---@param options process.Limits
---@return process.Spawner
function process.with_options(options) end

---@param values table<string, process.crossable>
---@return process.Spawner
function Spawner:with_context(values) end

---@param options process.Limits
---@return process.Spawner
function Spawner:with_options(options) end

---@param name string registered before the child runs
---@return process.Spawner
function Spawner:with_name(name) end

---@param topic string
---@param ... process.crossable
---@return process.Spawner
function Spawner:with_message(topic, ...) end

---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function Spawner:spawn(entry, host, ...) end

---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function Spawner:spawn_monitored(entry, host, ...) end

---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function Spawner:spawn_linked(entry, host, ...) end

---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return string? pid
---@return errors.Error? err
function Spawner:spawn_linked_monitored(entry, host, ...) end

---@param entry process.entry
---@param host string
---@param ... process.crossable
---@return any result
---@return errors.Error? err
function Spawner:exec(entry, host, ...) end

---Notes what processes do, until `process.trace(nil)` writes it to the file in the Chrome trace format.
---@param path string? nil: stops and writes
---@param options? { events: integer? } how many of the newest events are kept
---@return true? done
---@return errors.Error? err
function process.trace(path, options) end

---@class process.Report
---@field pid string
---@field entry string
---@field error errors.Error

---In a main process: has a function get what else is written to standard error of failures that nobody hears of.
---@param fn? fun(report: process.Report) nil: back again
---@return true
function process.on_report(fn) end

---A descriptor that is readable while something waits to be done for the calling process.
---@return integer? fd
---@return errors.Error? err
function process.pollfd() end

---Does what can be done without waiting: sorts mail, fires timers, resumes coroutines.
---@param budget integer? resumptions at most, default 64
---@return boolean? more it stopped because of the budget
---@return number|errors.Error? timeout seconds until the next timer
function process.step(budget) end

---@class process.Handle
local Handle = {}

---@return boolean ran
function Handle:stop() end

---Calls a function with each value of a channel, in a coroutine, until the channel closes.
---@param channel channel.Channel
---@param fn fun(value: any, ok: boolean)
---@return process.Handle
function process.on(channel, fn) end

---A channel that yields what a descriptor is ready for.
---@param fd integer
---@param mode "r"|"w"|"rw"
---@return channel.Channel? channel
---@return errors.Error? err
function process.poll(fd, mode) end

---Another number for the same descriptor, to be sent to another process.
---@param fd integer
---@return integer? fd
---@return errors.Error? err
function process.dup(fd) end

---In the main process: signals of the operating system become values of a channel.
---@param names ("INT"|"TERM"|"HUP"|"QUIT"|"USR1"|"USR2"|"WINCH")[]
---@return channel.Channel? channel
---@return errors.Error? err
function process.signals(names) end

---In the main process: ends everything that was spawned from it, and waits for that.
---@param grace process.duration?
---@return true? done
---@return errors.Error? err
function process.shutdown(grace) end

return process
