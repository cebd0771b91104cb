-- A process that stays in the state "ending" until somebody registers the name `release`: a finalizer looks for it.
local finally = require "life.finally"

local function main(parent, release, name)
  process.registry.register(name)
  finally(function()
    process.send(parent, "ending")
    while not process.registry.lookup(release) do end
  end)
  process.send(parent, "alive")
  return process.inbox():receive():payload()
end

return { main = main }
