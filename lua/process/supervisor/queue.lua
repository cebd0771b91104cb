-- First in, first out.
local queue = {}
queue.__index = queue

function queue.new()
  return setmetatable({ first = 1, last = 0 }, queue)
end

function queue:push(value)
  self.last = self.last + 1
  self[self.last] = value
end

-- Takes the oldest value; nil if there is none.
function queue:pop()
  local first = self.first
  if first > self.last then
    return nil
  end
  local value = self[first]
  self[first], self.first = nil, first + 1
  return value
end

function queue:oldest()
  return self[self.first]
end

function queue:size()
  return self.last - self.first + 1
end

return queue
