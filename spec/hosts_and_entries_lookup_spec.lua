-- Entries: references, look-up on package.path, definitions.
local support = require "spec.support"
local process = require "process"

local fails = support.fails

-- Spawns an entry with these arguments, waits for its end, and returns its result.
local function result_of(entry, ...)
  local event = support.event_of(assert(process.spawn_monitored(entry, support.host, ...)))
  if event.error then
    error("the child failed: " .. event.error, 2)
  end
  return event.result
end

-- Calls fn(folder) while package.path begins with a temporary folder that holds these files.
local function on_path(files, fn)
  support.with_folder(files, function(folder)
    local before = package.path
    package.path = folder .. "/?.lua;" .. before
    local ok, err = pcall(fn, folder)
    package.path = before
    if not ok then
      error(err, 0)
    end
  end)
end

local function define(entry, spec)
  assert.is_true(process.define(entry, spec))
end

-- An entry that returns this expression.
local function returning(expression)
  return "return { main = function(...) return " .. expression .. " end }"
end

describe("entries", function()
  before_each(support.reset)
  after_each(support.finish)

  describe("references", function()
    local ill_formed = {
      "", ":", "nocolon", ":name", "space:", "a:b:c", "a::b", "a/b:c", "a:b/c", "../a:b", "a..b:c", "a:b..c",
      ".a:b", "a.:b", "a:.b", "a:b.", "a b:c", "a:b c", "a:b\n", "a\\b:c", "a:*",
    }

    it("H-1 B-31 B-3 refuses whatever is not namespace:name, without looking for a file", function()
      for _, reference in ipairs(ill_formed) do
        local shown = reference:gsub("\n", "\\010")
        local text = "not an entry reference (namespace:name): " .. shown
        local err = fails(text, "INVALID", process.spawn(reference, support.host))
        assert.is_false(err:retryable())
        fails(text, "INVALID", process.define(reference, returning "1"))
      end
    end)

    it("H-1 B-31 B-5 shows a zero byte as an escape", function()
      fails("not an entry reference (namespace:name): a:b\\000c", "INVALID", process.spawn("a:b\0c", support.host))
    end)

    it("H-1 takes letters, digits, _, - and inner dots", function()
      for _, reference in ipairs({ "a:b", "Ab_1-x.y-2:N.o-3_z", "9:8", "-:_" }) do
        define(reference, returning "...")
        assert.equal(reference, result_of(reference, reference))
      end
    end)

    it("H-1 B-5 takes 255 bytes, and cuts a longer reference in the error", function()
      local longest = "a:" .. ("b"):rep(253)
      define(longest, returning "1")
      assert.equal(1, result_of(longest))
      local value, err = process.define(longest .. "b", returning "1")
      assert.is_nil(value)
      local shown = tostring(err):match("^not an entry reference %(namespace:name%): (a:b+%.%.%.)$")
      assert.is_truthy(shown)
      assert.is_true(#shown <= 103)
    end)
  end)

  describe("on package.path", function()
    it("H-2 P-10 finds a.b:c as the module a.b.c", function()
      on_path({ ["shop/floor/till.lua"] = returning "'the till'" }, function()
        assert.equal("the till", result_of("shop.floor:till"))
      end)
    end)

    it("H-2 prefers a definition to a file", function()
      on_path({ ["shop/defined.lua"] = returning "'file'" }, function()
        assert.equal("file", result_of("shop:defined"))
        define("shop:defined", returning "'definition'")
        assert.equal("definition", result_of("shop:defined"))
      end)
    end)

    it("H-2 B-32 names the files tried when there is none", function()
      local text = "entry not found: no.such:entry (no no/such/entry.lua on package.path)"
      local err = fails(text, "NOT_FOUND", process.spawn("no.such:entry", support.host))
      local tried = err:details().tried
      if type(tried) == "table" then
        tried = table.concat(tried, "\n")
      end
      assert.is_truthy(tried:find("no/such/entry.lua", 1, true))
    end)

    it("H-2 H-5 looks for it on the path of the calling process", function()
      support.with_folder({ ["aisle/seven.lua"] = returning "'found'" }, function(folder)
        local result = support.result_of([[
          local before, after = process.spawn("aisle:seven", "app:processes")
          package.path = ... .. "/?.lua"
          local pid = process.spawn_monitored("aisle:seven", "app:processes")
          return { missing = before == nil and after:kind(), found = process.events():receive().result, pid = pid }
        ]], folder)
        assert.equal("NotFound", result.missing)
        assert.equal("found", result.found)
        assert.is_nil((process.spawn("aisle:seven", support.host)))
      end)
    end)

    it("H-3 takes a chunk that returns the function itself", function()
      on_path({ ["shop/bare.lua"] = "return function(n) return n + 1 end" }, function()
        assert.equal(8, result_of("shop:bare", 7))
      end)
    end)

    it("H-3 gives the chunk its module name and its file name", function()
      on_path({ ["shop/named.lua"] = "local given = { ... } return function() return given end" }, function(folder)
        assert.same({ "shop.named", folder .. "/shop/named.lua" }, result_of("shop:named"))
      end)
    end)

    it("H-3 lets the top level of the chunk wait", function()
      local chunk = "local word = process.inbox():receive():payload() return { main = function() return word end }"
      on_path({ ["shop/waiting.lua"] = chunk }, function()
        local pid = assert(process.spawn_monitored("shop:waiting", support.host))
        assert(process.send(pid, "word", "open"))
        assert.equal("open", support.event_of(pid).result)
      end)
    end)

    it("H-4 reads the file anew for every spawn", function()
      on_path({ ["shop/changing.lua"] = returning "1" }, function(folder)
        assert.equal(1, result_of("shop:changing"))
        support.write(folder .. "/shop/changing.lua", returning "'another length'")
        assert.equal("another length", result_of("shop:changing"))
      end)
    end)

    it("H-4 takes a precompiled chunk", function()
      local chunk = assert((loadstring or load)(returning "'compiled'"))
      on_path({ ["shop/compiled.lua"] = string.dump(chunk) }, function()
        assert.equal("compiled", result_of("shop:compiled"))
      end)
    end)

    it("H-5 copies package.path and package.cpath as they are at the call", function()
      local path, cpath = package.path, package.cpath
      define("spec.lookup:paths", returning "{ package.path, package.cpath }")
      package.path, package.cpath = path .. ";./lookup/?.lua", cpath .. ";./lookup/?.so"
      local pid = assert(process.spawn_monitored("spec.lookup:paths", support.host))
      local expected = { package.path, package.cpath }
      package.path, package.cpath = path, cpath
      assert.same(expected, support.event_of(pid).result)
    end)

    it("H-5 H-50 inherits neither package.preload nor package.loaded", function()
      package.preload["lookup.preloaded"] = function() return "preloaded" end
      package.loaded["lookup.loaded"] = "loaded"
      local result = support.result_of([[
        return { (pcall(require, "lookup.preloaded")), (pcall(require, "lookup.loaded")) }
      ]])
      package.preload["lookup.preloaded"], package.loaded["lookup.loaded"] = nil, nil
      assert.same({ false, false }, result)
    end)

    it("B-34 B-3 says what the compiler says about a file", function()
      on_path({ ["shop/broken.lua"] = "local x = 1\nreturn x +\n" }, function(folder)
        local _, message = loadfile(folder .. "/shop/broken.lua")
        fails("entry shop:broken: " .. message, "INVALID", process.spawn("shop:broken", support.host))
      end)
    end)
  end)

  describe("definitions", function()
    local function file_entry(name)
      return ("file://%s"):format(name)
    end

    it("H-6 takes source text, alone or in a table", function()
      define("spec.define:text", returning "'text'")
      define("spec.define:table", { source = returning "'table'" })
      assert.equal("text", result_of("spec.define:text"))
      assert.equal("table", result_of("spec.define:table"))
    end)

    it("H-6 takes a module on package.path", function()
      on_path({ ["goods/list.lua"] = returning "'list'" }, function()
        define("spec.define:module", { module = "goods.list" })
        assert.equal("list", result_of("spec.define:module"))
      end)
    end)

    it("H-6 H-3 calls the method it names, main by default", function()
      local source = "return { main = function() return 'main' end, open = function(n) return 'open ' .. n end }"
      define("spec.define:method", { source = source, method = "open" })
      define("spec.define:default", { source = source })
      assert.equal("open 7", result_of("spec.define:method", 7))
      assert.equal("main", result_of("spec.define:default"))
    end)

    it("H-6 redefines for later spawns and leaves running processes alone", function()
      define("spec.define:twice", "return function() return process.inbox():receive():payload() .. ' old' end")
      local old = assert(process.spawn_monitored("spec.define:twice", support.host))
      define("spec.define:twice", returning "'new'")
      assert.equal("new", result_of("spec.define:twice"))
      assert(process.send(old, "word", "still"))
      assert.equal("still old", support.event_of(old).result)
    end)

    it("H-6 defines for the whole program", function()
      support.result_of([[assert(process.define("spec.define:by_child", "return function() return 'mine' end"))]])
      assert.equal("mine", result_of("spec.define:by_child"))
    end)

    it("H-6 H-9 keeps modules and meta without effect", function()
      define("spec.define:kept", {
        source = "return { main = function() return require('process.time') == time and type(require 'io') end }",
        modules = { "channel" },
        meta = { comment = "for the shop", level = 3 },
      })
      assert.equal("table", result_of("spec.define:kept"))
    end)

    it("H-7 H-4 reads the file of a definition when it is spawned", function()
      support.with_folder({ ["clerk.lua"] = returning "'first'" }, function(folder)
        define("spec.define:file", { source = file_entry(folder .. "/clerk.lua") })
        support.write(folder .. "/clerk.lua", returning "'rewritten since'")
        assert.equal("rewritten since", result_of("spec.define:file"))
      end)
    end)

    it("H-7 takes a path relative to the current directory", function()
      define("spec.define:relative", { source = file_entry "spec/entries/app/test/process/events_exit_worker.lua" })
      assert.equal("done", result_of("spec.define:relative"))
    end)

    it("H-7 B-33 says which file it cannot open, by its absolute path", function()
      define("spec.define:absent", { source = file_entry "spec/no_such_file.lua" })
      local value, err = process.spawn("spec.define:absent", support.host)
      assert.is_nil(value)
      assert.equal("NotFound", err:kind())
      assert.is_truthy(err:match("^entry spec%.define:absent: cannot open /.*/spec/no_such_file%.lua: %a"))
    end)

    it("H-8 gives imports by their alias, running each once", function()
      define("spec.define:counter", "runs = (runs or 0) + 1 return { runs = function() return runs end }")
      define("spec.define:importing", {
        source = [[return { main = function()
          local first, second = require "tally", require "tally"
          return { first == second, first.runs() }
        end }]],
        imports = { tally = "spec.define:counter" },
      })
      assert.same({ true, 1 }, result_of("spec.define:importing"))
    end)

    it("B-34 B-3 refuses source text with a syntax error and keeps the old definition", function()
      define("spec.define:survivor", returning "'old'")
      local value, err = process.define("spec.define:survivor", "return +")
      assert.is_nil(value)
      assert.equal("Invalid", err:kind())
      assert.is_truthy(err:match("^entry spec%.define:survivor: .+:1: ."))
      assert.equal("old", result_of("spec.define:survivor"))
    end)

    it("B-39 B-3 names the field of a bad definition and keeps the old one", function()
      define("spec.define:kept_too", returning "'old'")
      local bad = {
        source = { source = 5 },
        module = { module = {} },
        method = { source = returning "1", method = 5 },
        imports = { source = returning "1", imports = "tally" },
      }
      for field, spec in pairs(bad) do
        local value, err = process.define("spec.define:kept_too", spec)
        assert.is_nil(value)
        assert.equal("Invalid", err:kind())
        assert.is_truthy(err:match("^" .. field .. ": ."), field .. " is not in " .. tostring(err))
      end
      local value, err = process.define("spec.define:kept_too", {})
      assert.is_nil(value)
      assert.is_truthy(err:match("^%a+: ."))
      assert.equal("old", result_of("spec.define:kept_too"))
    end)
  end)
end)
