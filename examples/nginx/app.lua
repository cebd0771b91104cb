-- What nginx.conf calls: requests are handled by processes on a pool, and nginx goes on serving meanwhile.
local process = require "process"
---@diagnostic disable-next-line: unresolved-require
local semaphore = require "ngx.semaphore" ---@type any

local app = {}

-- In each worker of nginx, when it starts.
function app.start()
  require("process.nginx").attach()
  assert(process.define_host("app:pool", { workers = 2 }))
end

local function count_primes(limit)
  local found = 0
  for n = 2, limit do
    local prime = true
    for d = 2, math.floor(math.sqrt(n)) do
      if n % d == 0 then
        prime = false
        break
      end
    end
    found = found + (prime and 1 or 0)
  end
  return found
end

-- Handles one request: it waits as requests of nginx do, while a process computes.
function app.primes()
  local limit = tonumber(ngx.var.arg_limit) or 1000
  local done, found, err = semaphore.new(), nil, nil
  coroutine.spawn(function()
    found, err = process.exec(count_primes, "app:pool", limit)
    done:post()
  end)
  if not done:wait(10) then
    return ngx.exit(504)
  end
  ngx.say(found and ("%d primes up to %d"):format(found, limit) or tostring(err))
end

return app
