-- The children of a supervisor, in the order of their start: a doubly linked list, with numbers that grow along it, and
-- tables that find a child by its id and by its PID. Whatever is done with one costs the same however many there are.
local children = {}
children.__index = children

function children.new()
  return setmetatable({ by_id = {}, by_pid = {}, size = 0, running = 0, last_number = 0 }, children)
end

-- Appends a child.
function children:add(child)
  self.last_number = self.last_number + 1
  child.number = self.last_number
  child.prev = self.tail
  if self.tail then
    self.tail.next = child
  else
    self.head = child
  end
  self.tail = child
  self.by_id[child.id] = child
  self.size = self.size + 1
end

-- Takes out a child that does not run.
function children:remove(child)
  local before, after = child.prev, child.next
  if before then
    before.next = after
  else
    self.head = after
  end
  if after then
    after.prev = before
  else
    self.tail = before
  end
  self.by_id[child.id] = nil
  self.size = self.size - 1
end

-- The child runs from now on, as this process.
function children:begin(child, pid)
  child.pid = pid
  self.by_pid[pid] = child
  self.running = self.running + 1
end

-- The child does not run any more.
function children:finish(child)
  self.by_pid[child.pid] = nil
  child.pid = nil
  self.running = self.running - 1
end

return children
