-- An independent judge of copies: same_shape(a, b) -> true | false, key at which they differ.
--
-- The tables of both sides must correspond one to one: a table is shared, cyclic or separate in `b` as in `a`. Numbers
-- agree in subtype (5.4), NaN and the sign of zero. Contents are read raw. Tables used as keys are told apart by their
-- field `id`. The walk keeps a list of its own, so any depth can be compared.

local subtype = math.type or function()
  return "number"
end

local function same_number(a, b)
  if a ~= a or b ~= b then
    return a ~= a and b ~= b
  end
  return a == b and subtype(a) == subtype(b) and 1 / a == 1 / b
end

local function counterpart(key, b)
  if type(key) ~= "table" then
    return key
  end
  for other in next, b do
    if type(other) == "table" and rawget(other, "id") == rawget(key, "id") then
      return other
    end
  end
end

local function count(t)
  local n = 0
  for _ in next, t do
    n = n + 1
  end
  return n
end

return function(left, right)
  local partner, taken, todo = {}, {}, {}

  local function agree(a, b)
    if type(a) ~= type(b) then
      return false
    elseif type(a) == "number" then
      return same_number(a, b)
    elseif type(a) ~= "table" then
      return a == b
    elseif partner[a] or taken[b] then
      return partner[a] == b
    end
    partner[a], taken[b] = b, true
    todo[#todo + 1] = { a, b }
    return true
  end

  if not agree(left, right) then
    return false, "the value itself"
  end
  while #todo > 0 do
    local a, b = (table.unpack or unpack)(table.remove(todo)) -- luacheck: ignore 143
    if count(a) ~= count(b) then
      return false, "the number of keys"
    end
    for key, value in next, a do
      local other = counterpart(key, b)
      if other == nil or not agree(key, other) or not agree(value, rawget(b, other)) then
        return false, tostring(key)
      end
    end
  end
  return true
end
