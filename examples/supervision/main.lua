-- Supervision: a clerk that fails over a bad order is replaced, until it happens too often. Then the supervisor fails,
-- and the shop is closed. The customer never sends to a PID: the clerk of the day has a name.
--
--   lua5.4 examples/supervision/main.lua
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"
local channel = require "process.channel"
local time = require "process.time"

local orders = { "apples", "plums", "pears", "coal", "apples", "gold", "pears", "silver", "plums" }

local opened = process.listen("open")
local answers = process.listen("answer")
local events = process.events()

local shop = assert(process.spawn_monitored("supervision:supervisor", "app:processes",
  { entry = "supervision:clerk", argument = process.pid(), restarts = 2 }))
opened:receive()

for _, order in ipairs(orders) do
  assert(process.send("clerk", "order", order))
  local late = time.after("30s")
  local got = channel.select({
    answers:case_receive(), opened:case_receive(), events:case_receive(), late:case_receive(),
  })
  if got.channel == answers then
    print("customer: " .. got.value)
  elseif got.channel == opened then
    print("customer: there is a new clerk, so no " .. order)
  elseif got.channel == events then
    assert(got.value.from == shop)
    print("customer: the shop is closed: " .. got.value.error)
    break
  else
    error("the shop sleeps")
  end
end
