-- How a process begins: `run` is for an entry that is a chunk, `call` for one that is a function. `missing` makes the
-- error for a chunk without its method, `init` names the module that the host wants first.
local missing, require, init, fill = ...
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

-- As `call`, for a function that has captured modules: `pending` lists what stands for them, each with its name.
local function require_and_call(pending, main, ...)
  if init then
    require(init)
  end
  for position = 1, #pending do
    pending[position][2] = require(pending[position][1])
  end
  fill(pending, main)
  return main(...)
end

return run, call, require_and_call
