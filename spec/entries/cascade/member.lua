-- A member of a group of linked processes: obeys the commands of its boss and tells it every event it gets.

local function main(boss, traps)
  process.set_options({ trap_links = traps })

  local commands = {
    link = process.link,
    unlink = process.unlink,
    monitor = process.monitor,
    spawn_linked = function(child_traps)
      return process.spawn_linked("cascade:member", "app:processes", boss, child_traps)
    end,
    ping = function()
      return true
    end,
  }

  local events, inbox = process.events(), process.inbox()
  while true do
    local got = channel.select({ events:case_receive(), inbox:case_receive() })
    if got.channel == events then
      process.send(boss, "event", got.value.kind, got.value.from)
    else
      local command, argument = got.value:topic(), got.value:payload()
      if command == "raise" then
        error(argument, 0)
      elseif command == "return" then
        return argument
      elseif command == "fail" then
        return nil, argument
      end
      process.send(boss, "done", assert(commands[command](argument)))
    end
  end
end

return { main = main }
