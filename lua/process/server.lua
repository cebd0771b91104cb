-- The receive loop that everyone writes: requests, messages and events of the calling process, one after the other.
--
-- One server runs in a process at a time. An error in a handler leaves `run` as it is, with its stack, and nothing here
-- can catch it. So whether a server still runs is seen by its frame: it does as long as `run` stands on its stack.
local process = require "process.core"
local channel, errors = process.channel, process.errors
local getinfo = debug and debug.getinfo

local server = {}

-- What a handler of requests returns if it will reply itself.
server.later = setmetatable({}, {
  __tostring = function()
    return "process.server.later"
  end,
})

-- The server of this process: { thread, stop = channel, stopped, value }.
local running

local function wrong(field, problem)
  error(("server: %s: %s"):format(field, problem), 4)
end

local function check(field, value, wanted)
  if value ~= nil and type(value) ~= wanted then
    wrong(field, ("%s expected, got %s"):format(wanted, type(value)))
  end
end

local kinds = { call = "table", cast = "table", other = "function", event = "function", terminate = "function" }

local function check_handlers(handlers)
  if type(handlers) ~= "table" then
    wrong("handlers", "table expected, got " .. (handlers == nil and "no value" or type(handlers)))
  end
  for field, value in pairs(handlers) do
    if not kinds[field] then
      wrong(tostring(field), "unknown field")
    end
    check(field, value, kinds[field])
  end
  for _, field in ipairs { "call", "cast" } do
    for topic, handler in pairs(handlers[field] or {}) do
      if type(topic) ~= "string" then
        wrong(field, "a topic is a string, got " .. type(topic))
      end
      check(field .. "." .. topic, handler, "function")
    end
  end
end

-- How often `run` stands on the stack of this coroutine, nil: the running one.
local function count_runs(thread)
  local count = 0
  for level = 0, math.huge do
    local frame
    if thread then
      frame = getinfo(thread, level, "f")
    else
      frame = getinfo(level + 1, "f")
    end
    if not frame then
      return count
    elseif frame.func == server.run then
      count = count + 1
    end
  end
end

-- Whether a server runs, asked by a call of `run` in this coroutine.
local function is_running(thread)
  if not running or running.thread and coroutine and coroutine.status(running.thread) == "dead" then
    return false
  elseif not getinfo then
    return running.thread ~= thread
  elseif running.thread == thread then
    return count_runs() > 1
  end
  return not running.thread or count_runs(running.thread) > 0
end

-- The payload as a value, whatever form the process has chosen for payloads.
local function value_of(msg)
  local payload = msg:payload()
  local kind = type(payload)
  if (kind == "userdata" or kind == "table") and process.get_options().wrapped then
    if kind == "userdata" then
      return payload:data()
    end
    local values = {}
    for position, each in ipairs(payload) do
      values[position] = each:data()
    end
    return values
  end
  return payload
end

-- Replies with what a handler returned; if that cannot cross, the caller is told why.
local function answer(msg, ...)
  if (...) == server.later then
    return
  end
  local done, refusal = msg:reply(...)
  if not done and msg:waiting() then
    msg:reply(nil, refusal)
  end
end

local function serve_message(handlers, state, msg)
  local topic, request = msg:topic(), msg:waiting() ~= nil
  local handler = request and handlers.call or not request and handlers.cast
  handler = handler and handler[topic]
  if handler and request then
    answer(msg, handler(state, value_of(msg), msg))
  elseif handler then
    handler(state, value_of(msg), msg)
  elseif handlers.other then
    handlers.other(state, msg)
  elseif request then
    msg:reply(nil, errors.new { kind = errors.NOT_FOUND, message = "no handler for " .. topic })
  end
end

-- Serves until it is to end: `true` and the reason if that was a CANCEL.
local function serve(own, handlers, state)
  local events, inbox = process.events(), process.inbox()
  local cases = { own.stop:case_receive(), events:case_receive(), inbox:case_receive() }
  while not own.stopped do
    local got = channel.select(cases)
    if got.channel == inbox then
      serve_message(handlers, state, got.value)
    elseif got.channel == events then
      if got.value.kind == process.event.CANCEL then
        return got.value.reason
      elseif handlers.event then
        handlers.event(state, got.value)
      end
    end
  end
end

-- Serves inbox and events of the calling process by these handlers until a CANCEL, or until `stop` is called.
function server.run(handlers, state)
  check_handlers(handlers)
  local thread = coroutine and coroutine.running() or nil
  if is_running(thread) then
    error("server: already running", 2)
  end
  local own = { thread = thread, stop = channel.new(1) }
  running = own
  if state == nil then
    state = {}
  end
  local reason = serve(own, handlers, state)
  local result = handlers.terminate and handlers.terminate(state, reason)
  running = nil
  if own.value ~= nil then
    return own.value
  end
  return result
end

-- Ends the loop, after the handler that runs; `run` returns the value.
function server.stop(value)
  if not running then
    error("server: not running", 2)
  end
  running.value = value
  if not running.stopped then
    running.stopped = true
    running.stop:send(true)
  end
end

return server
