-- A table of the size of a busy message: 110 records, 990 leaves (integers, floats, short strings) in 331 tables.
local cities = { "Busan", "Lisbon", "Oslo", "Quito", "Turin" }
local makers = { "Almond & Sons", "Birch", "Cedar Works", "Dogwood" }

local function record(i)
  return {
    id = 1000 + i,
    name = ("item %03d"):format(i),
    price = i * 1.25 + 0.1,
    place = { aisle = i % 12, x = i / 7, y = -i / 3 },
    maker = { name = makers[i % #makers + 1], city = cities[i % #cities + 1], since = 1900 + i },
  }
end

local t1k = {}
for i = 1, 110 do
  t1k[i] = record(i)
end
return t1k
