-- Runs an entry in its process: the chunk first, then the function it is about. `missing` makes the error for an entry
-- without that function.
local missing = ...
local error, type = error, type

return function(chunk, method, module, file, ...)
  local entry
  if file then
    entry = chunk(module, file)
  else
    entry = chunk(module)
  end
  local main = entry
  if type(entry) == "table" then
    main = entry[method]
  end
  if type(main) ~= "function" then
    error(missing(method))
  end
  return main(...)
end
