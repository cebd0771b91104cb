-- First in, first out. The values have a table of their own: LuaJIT 2.1.0-beta3 may lose a field that compiled code
-- writes beside elements of the same table.
local queue = {}
queue.__index = queue

function queue.new()
  return setmetatable({ values = {}, first = 1, last = 0 }, queue)
end

function queue:push(value)
  local last = self.last + 1
  self.values[last], self.last = value, last
end

-- Takes the oldest value; nil if there is none.
function queue:pop()
  local first, values = self.first, self.values
  if first > self.last then
    return nil
  end
  local value = values[first]
  values[first], self.first = nil, first + 1
  return value
end

function queue:oldest()
  return self.values[self.first]
end

function queue:size()
  return self.last - self.first + 1
end

return queue
