---@meta process.channel

---Channels between the coroutines of one process.
---@class channellib
local channel = {}

---@class channel.Channel
local Channel = {}

---A case for `channel.select`.
---@class channel.Case
local Case = {}

---@class channel.Result
---@field channel channel.Channel? the channel of the case that went on
---@field value any
---@field ok boolean? false: the channel is closed and empty
---@field default true? no case could go on

---@param capacity integer? how many values it keeps without a receiver; default 0
---@return channel.Channel
function channel.new(capacity) end

---Waits until one case can go on, and performs exactly that one.
---@param cases channel.Case[]|{ default: boolean? }
---@param default boolean? never wait
---@return channel.Result
function channel.select(cases, default) end

---Hands over a value, stores it, or waits.
---@param value any
---@param timeout process.duration? how long at most; zero: not at all
---@return boolean sent false: the time is over
function Channel:send(value, timeout) end

---Takes the oldest value, or waits.
---@param timeout process.duration? how long at most; zero: not at all
---@return any value
---@return boolean? ok false: closed and empty; nil: the time is over
function Channel:receive(timeout) end

---No more sends.
function Channel:close() end

---Receives until the channel is closed and empty: `for i, value in ch:iter() do`.
---@return function next
---@return channel.Channel
---@return integer
function Channel:iter() end

---@return channel.Case
function Channel:case_receive() end

---@param value any
---@return channel.Case
function Channel:case_send(value) end

return channel
