-- Waits in one of many ways for something that never comes, and tells its parent if it gets past that wait.

local never = channel.new()

local function wait()
  never:receive()
end

local ways = {
  ["in a receive"] = wait,
  ["in a receive from the inbox"] = function()
    process.inbox():receive()
  end,
  ["in a send"] = function()
    channel.new():send("nobody takes it")
  end,
  ["in a select"] = function()
    channel.select({ process.events():case_receive(), never:case_receive() })
  end,
  ["asleep"] = function()
    time.sleep("10h")
  end,
  ["inside pcall"] = function()
    pcall(wait)
  end,
  ["inside pcall, again and again"] = function()
    while true do
      pcall(wait)
    end
  end,
  ["inside xpcall with a handler that waits"] = function()
    xpcall(wait, wait)
  end,
  ["inside a coroutine"] = function()
    coroutine.resume(coroutine.create(wait))
  end,
  ["while a managed coroutine waits"] = function(parent)
    coroutine.spawn(function()
      pcall(wait)
      process.send(parent, "survived")
    end)
    wait()
  end,
  ["inside a metamethod"] = function()
    return setmetatable({}, { __index = wait }).field
  end,
  ["inside a table.sort callback"] = function()
    table.sort({ 2, 1 }, function()
      pcall(wait)
      return false
    end)
  end,
}

-- Links to `partner` if there is one, else traps links; then waits.
local function main(way, parent, partner)
  if partner then
    process.link(partner)
  else
    process.set_options({ trap_links = true })
  end
  process.send(parent, "waiting")
  ways[way](parent)
  process.send(parent, "survived")
end

return { main = main, ways = ways }
