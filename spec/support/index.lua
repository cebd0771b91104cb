-- Index files for the specs of process.load.
local process = require "process"
local support = require "spec.support"
local luassert = require "luassert"

local index = {}

local namespaces = 0

-- A namespace that no other test has.
function index.namespace()
  namespaces = namespaces + 1
  return "spec.load.n" .. namespaces
end

-- The text of an index with these entries in a new namespace, and the namespace. The first entry stands on line 3.
function index.text(entries)
  local namespace = index.namespace()
  return ("namespace: %s\nentries:\n%s"):format(namespace, entries), namespace
end

-- Calls fn(file, folder) while this text is the file folder/_index.yaml.
function index.with_file(text, fn)
  support.with_folder({ ["_index.yaml"] = text }, function(folder)
    fn(folder .. "/_index.yaml", folder)
  end)
end

-- Checks that nobody has defined this entry.
function index.is_unknown(entry)
  local pid, err = process.spawn(entry, support.host)
  luassert.is_nil(pid)
  luassert.are.equal("NotFound", err:kind())
end

return index
