-- process.load: files that are not an index, or cannot be read.
local support = require "spec.support"
local process = require "process"
local indexes = require "spec.support.index"

local fails = support.fails
local index, with_index = indexes.text, indexes.with_file

describe("process.load of bad input", function()
  before_each(support.reset)
  after_each(support.finish)

  -- The fault of a file, without the file's name.
  local function problem_of(text)
    local problem
    with_index(text, function(file)
      local summary, err = process.load(file)
      assert.is_nil(summary)
      assert.equal("Invalid", err:kind())
      assert.is_false(err:retryable())
      assert.equal(file, tostring(err):sub(1, #file))
      problem = tostring(err):sub(#file + 1)
    end)
    return problem
  end

  it("H-11 B-39 names file and line of what is no index", function()
    local cases = {
      [""] = ":1: mapping expected, got nothing",
      ["# nothing\n"] = ":1: mapping expected, got nothing",
      ["\n- a\n"] = ":2: mapping expected, got sequence",
      ["version: 1\n"] = ":1: namespace is missing",
      ["namespace: []\n"] = ":1: namespace: string expected, got sequence",
      ["\nnamespace: a\n"] = ":2: entries is missing",
      ["namespace: a\nentries: 5\n"] = ":2: entries: sequence expected, got scalar",
      ["namespace: a\nentries: []\n---\nnamespace: b\n"] = ":3: only one document expected",
      ["namespace: a\nnamespace: b\n"] = ":2: duplicate key: namespace",
      ["namespace: a\n#\255\n"] = ":2: not UTF-8",
      ["namespace: &a [*a]\n"] = ":1: alias inside the node that it stands for",
      ["namespace: " .. ("["):rep(101) .. ("]"):rep(101)] = ":1: nested too deeply (limit 100)",
    }
    for text, expected in pairs(cases) do
      assert.equal(expected, problem_of(text))
    end
    assert.is_truthy(problem_of("namespace: a\nentries: [\n"):match("^:%d+: %a"))
    assert.is_truthy(problem_of("namespace: a\nentries:\n - *unknown\n"):match("^:3: %a"))
    assert.is_truthy(problem_of("a: b: c\n"):match("^:1: %a"))
  end)

  it("H-11 B-39 names file and line of an entry with a missing or wrong field", function()
    local cases = {
      ["- 5"] = ":3: mapping expected, got scalar",
      ["- kind: process.lua"] = ":3: name is missing",
      ["- name: a"] = ":3: kind is missing",
      ["\n- name: a\n  kind: process.lua"] = ":4: source is missing",
      ["- name: a\n  kind: library.lua\n  source: []"] = ":5: source: string expected, got sequence",
      ["- name: a\n  kind: library.lua\n  source: file://"] = ":5: source: file:// without a path",
      ["- {name: a, kind: library.lua, source: x,\n method: {}}"] = ":4: method: string expected, got mapping",
      ["- {name: a, kind: library.lua, source: x,\n modules: x}"] = ":4: modules: sequence expected, got scalar",
      ["- {name: a, kind: library.lua, source: x,\n meta: x}"] = ":4: meta: mapping expected, got scalar",
      ["- {name: a, kind: library.lua, source: x,\n imports: []}"] = ":4: imports: mapping expected, got sequence",
      ["- {name: a, kind: library.lua, source: x, imports:\n {b: ~}}"] =
        ":4: imports: must map names to entry references",
      ["- {name: a, kind: library.lua, source: x, imports:\n {b: c}}"] =
        ":4: imports: not an entry reference (namespace:name): c",
      ["- name: a\n  kind: process.host\n  host: 5"] = ":5: host: mapping expected, got scalar",
      ["- name: a\n  kind: process.host\n  host:\n    max_processes: -1"] =
        ":6: host.max_processes: must be a whole number of at least 0",
      ["- name: a\n  kind: process.host\n  host:\n    workers: many"] =
        ":6: host.workers: must be a whole number of at least 0",
    }
    for entries, expected in pairs(cases) do
      assert.equal(expected, problem_of((index(entries .. "\n"))))
    end
  end)

  it("B-31 B-39 names file and line of an ill-formed reference", function()
    local text, namespace = index "- {name: a b, kind: process.lua, source: x}\n"
    assert.equal(":3: not an entry reference (namespace:name): " .. namespace .. ":a b", problem_of(text))
    text, namespace = index "- {name: 'a:b', kind: process.host}\n"
    assert.equal(":3: not a host reference (namespace:name): " .. namespace .. ":a:b", problem_of(text))
    text, namespace = index "- {name: 'a:b', kind: pg.scope}\n"
    assert.equal(":3: not a scope reference (namespace:name): " .. namespace .. ":a:b", problem_of(text))
    assert.equal(":3: not an entry reference (namespace:name): ..:a",
      problem_of("namespace: ..\nentries:\n- {name: a, kind: process.lua, source: x}\n"))
    assert.equal(":3: not an entry reference (namespace:name): a:\\000\\010",
      problem_of('namespace: a\nentries:\n- {name: "\\0\\n", kind: process.lua, source: x}\n'))
  end)

  it("B-34 H-11 B-3 says what the compiler says about source text, with the line in the index", function()
    local text, namespace = index [[
- {name: good, kind: process.lua, source: return 1}
- name: broken
  kind: process.lua
  source: |

    local x = 1
    return x +
]]
    with_index(text, function(file)
      -- The text as in the file, but on lines of its own: the compiler counts the same lines.
      support.write(file .. ".lua", ("\n"):rep(7) .. "local x = 1\nreturn x +\n")
      local _, message = loadfile(file .. ".lua")
      message = message:gsub("%.lua:", ":", 1)
      fails(("entry %s:broken: %s"):format(namespace, message), "INVALID", process.load(file))
      indexes.is_unknown(namespace .. ":good")
    end)
  end)

  it("B-34 B-7 refuses a binary chunk", function()
    local text, namespace = index '- {name: a, kind: process.lua, source: "\\eLua"}\n'
    with_index(text, function(file)
      local summary, err = process.load(file)
      assert.is_nil(summary)
      assert.is_truthy(err:match("^entry " .. namespace .. ":a: "))
      indexes.is_unknown(namespace .. ":a")
    end)
  end)

  it("B-39 B-7 says of a path what keeps it from being read", function()
    local absent = "No such file or directory"
    fails("spec/no_such_folder: cannot open: " .. absent, "INVALID", process.load("spec/no_such_folder"))
    fails(": cannot open: " .. absent, "INVALID", process.load(""))
    fails("/dev/zero: not a regular file", "INVALID", process.load("/dev/zero"))
    fails("spec/support/init.lua/x: cannot open: Not a directory", "INVALID",
      process.load("spec/support/init.lua/x"))
    local _, err = process.load("a\0b\n")
    assert.is_truthy(err:match("^a\\000b\\010: cannot open: %a"))
    _, err = process.load(("x"):rep(5000))
    assert.equal(("x"):rep(100) .. "...: cannot open: File name too long", tostring(err))
  end)

  it("H-12 B-7 does not wait for a pipe, nor for what is too large", function()
    support.with_folder({ ["large.yaml"] = "# " .. ("x"):rep(2 ^ 22) }, function(folder)
      local pipe = folder .. "/_index.yaml"
      os.execute(("mkfifo '%s'"):format(pipe))
      fails(pipe .. ": not a regular file", "INVALID", process.load(pipe))
      fails(pipe .. ": not a regular file", "INVALID", process.load(folder))
      local large = folder .. "/large.yaml"
      fails(large .. ": too large (limit 4194304 bytes)", "INVALID", process.load(large))
    end)
  end)

  it("B-7 is not exhausted by aliases of aliases", function()
    local lines = { "a0: &a0 [x]" }
    for level = 1, 50 do
      lines[#lines + 1] = ("a%d: &a%d [%s*a%d]"):format(level, level, ("*a" .. level - 1 .. ", "):rep(9), level - 1)
    end
    assert.equal(":7: too many values (limit 1000000)", problem_of(table.concat(lines, "\n") .. "\n"))
  end)

  it("B-1 raises for anything but a string", function()
    for _, value in ipairs({ 5, true, {}, print }) do
      assert.equal("#1 (string expected, got " .. type(value) .. ")", support.bad_argument(process.load, value))
    end
    support.raises("bad argument #1", process.load)
  end)

  it("B-7 B-3 H-11 reads or refuses any file", function()
    local text = index [[
- name: clerk
  kind: process.lua
  meta: {a: [1, 2], 'b': "c\n"}
  source: |
    return function() end
  imports: &imports
    util: app:util
- name: util
  kind: library.lua
  source: >-
    return
    1
  imports: *imports
- name: h
  kind: process.host
  host: {max_processes: 0x10}
]]
    local pieces = {
      "- ", ": ", "[", "}", ",", "\n", "'", '"', "| ", "&a ", "*a", "!!str ", "#", "---\n", "\t", "\0", "\255",
    }
    local right, wrong = 0, 0
    local function try(file, bytes)
      support.write(file, bytes)
      local summary, err = process.load(file)
      if summary then
        right = right + 1
      else
        wrong = wrong + 1
        assert.is_truthy(err:find(file, 1, true), tostring(err))
      end
    end
    math.randomseed(42)
    with_index(text, function(file)
      assert.same({ entries = 2, hosts = 1, skipped = {} }, process.load(file))
      for length = 0, #text do
        try(file, text:sub(1, length))
      end
      for _ = 1, 500 do
        local at, cut = math.random(#text), math.random(0, 3)
        try(file, text:sub(1, at) .. pieces[math.random(#pieces)] .. text:sub(at + cut))
      end
      for _ = 1, 200 do
        local bytes = {}
        for i = 1, math.random(100) do
          bytes[i] = string.char(math.random(0, 255))
        end
        try(file, table.concat(bytes))
      end
    end)
    assert.is_true(right > 20, right .. " files were right, so the others may not have come far either")
    assert.is_true(wrong > 500, wrong .. " files were wrong")
  end)
end)
