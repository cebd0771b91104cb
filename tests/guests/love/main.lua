-- Inside LÖVE, without a screen: love.thread beside processes, and LÖVE's own modules in a process (H-33).
local process = require "process"

assert(process.define_host("guests:love", { preload = true }))

local thread = love.thread.newThread [[
  local out = love.thread.getChannel "out"
  out:push(6 * 7)
]]
thread:start()

local slept
process.on(process.listen "slept", function(seconds)
  slept = seconds
end)
process.spawn(function(parent)
  local timer = require "love.timer"
  local start = timer.getTime()
  timer.sleep(0.01)
  process.send(parent, "slept", timer.getTime() - start)
end, "guests:love", process.pid())

function love.update()
  process.step()
  local answer = love.thread.getChannel("out"):peek()
  if slept and answer then
    print(answer == 42 and slept >= 0.01 and "fine" or "wrong")
    process.shutdown "1s"
    love.event.quit()
  end
end
