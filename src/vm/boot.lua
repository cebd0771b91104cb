-- How a process begins: `run` is for an entry that is a chunk, `call` for one that is a function. `missing` makes the
-- error for a chunk without its method, `init` names the module that the host wants first.
local missing, require, init = ...
local error, type = error, type

local function run(chunk, method, module, file, ...)
  if init then
    require(init)
  end
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

local function call(main, ...)
  if init then
    require(init)
  end
  return main(...)
end

return run, call
