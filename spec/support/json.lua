-- A small reader of JSON, for specs that check what the library writes.
local json = {}

local value

local function fail(text, at, what)
  error(("JSON: %s expected at %d: %q"):format(what, at, text:sub(at, at + 20)), 0)
end

local char = string.char
local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function string(text, at)
  local parts = {}
  at = at + 1
  while true do
    local stop = text:find('["\\%c]', at) or fail(text, at, "end of string")
    parts[#parts + 1] = text:sub(at, stop - 1)
    local found = text:sub(stop, stop)
    if found == '"' then
      return table.concat(parts), stop + 1
    elseif found ~= "\\" then
      fail(text, stop, "no control character")
    end
    local code = text:sub(stop + 1, stop + 1)
    if code == "u" then
      local hex = text:match("^%x%x%x%x", stop + 2) or fail(text, stop, "four hex digits")
      parts[#parts + 1] = char(tonumber(hex, 16) % 256)
      at = stop + 6
    else
      parts[#parts + 1] = escapes[code] or fail(text, stop, "escape")
      at = stop + 2
    end
  end
end

-- Reads the members of an array or an object; `member` reads one and gives the next place.
local function members(text, at, stop, member)
  at = skip(text, at + 1)
  if text:sub(at, at) == stop then
    return at + 1
  end
  while true do
    at = skip(text, member(at))
    local found = text:sub(at, at)
    if found == stop then
      return at + 1
    elseif found ~= "," then
      fail(text, at, "comma")
    end
    at = skip(text, at + 1)
  end
end

function value(text, at)
  at = skip(text, at)
  local first = text:sub(at, at)
  if first == '"' then
    return string(text, at)
  elseif first == "{" then
    local object = {}
    return object, members(text, at, "}", function(place)
      if text:sub(place, place) ~= '"' then
        fail(text, place, "name")
      end
      local name, after = string(text, place)
      after = skip(text, after)
      if text:sub(after, after) ~= ":" then
        fail(text, after, "colon")
      end
      object[name], after = value(text, after + 1)
      return after
    end)
  elseif first == "[" then
    local array = {}
    return array, members(text, at, "]", function(place)
      array[#array + 1], place = value(text, place)
      return place
    end)
  end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if number then
    return tonumber(number), at + #number
  end
  for word, known in pairs({ ["true"] = true, ["false"] = false, null = json }) do
    if text:sub(at, at + #word - 1) == word then
      return known, at + #word
    end
  end
  fail(text, at, "value")
end

-- The value that the text is; raises if it is no JSON.
function json.read(text)
  local read, after = value(text, 1)
  after = skip(text, after)
  if after <= #text then
    fail(text, after, "nothing")
  end
  return read
end

return json
