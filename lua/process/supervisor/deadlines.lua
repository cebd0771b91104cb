-- What is to be done at some time: a binary heap, the earliest on top. The heap has a table of its own, as in
-- `queue.lua`.
local deadlines = {}
deadlines.__index = deadlines

function deadlines.new()
  return setmetatable({ heap = {}, count = 0 }, deadlines)
end

local function swap(heap, one, other)
  heap[one], heap[other] = heap[other], heap[one]
end

-- Has `act` called at this time. What is returned is called off by setting its field `off`.
function deadlines:add(at, act)
  local entry, heap = { at = at, act = act }, self.heap
  local place = self.count + 1
  self.count, heap[place] = place, entry
  while place > 1 do
    local above = (place - place % 2) / 2
    if heap[above].at <= heap[place].at then
      break
    end
    swap(heap, above, place)
    place = above
  end
  return entry
end

local function remove_first(self)
  local heap, count = self.heap, self.count
  heap[1], heap[count], self.count = heap[count], nil, count - 1
  local place = 1
  while true do
    local least = place
    for below = 2 * place, 2 * place + 1 do
      if below < count and heap[below].at < heap[least].at then
        least = below
      end
    end
    if least == place then
      return
    end
    swap(heap, least, place)
    place = least
  end
end

-- The time of the earliest that is not called off, nil if there is none.
function deadlines:earliest()
  while self.count > 0 and self.heap[1].off do
    remove_first(self)
  end
  return self.count > 0 and self.heap[1].at or nil
end

-- Does everything that is due.
function deadlines:act(now)
  local at = self:earliest()
  while at and at <= now do
    local act = self.heap[1].act
    remove_first(self)
    act()
    at = self:earliest()
  end
end

return deadlines
