-- process.load: entries and hosts from the index files of Wippy.
local support = require "spec.support"
local process = require "process"
local indexes = require "spec.support.index"

local fails = support.fails
local new_namespace, index, with_index = indexes.namespace, indexes.text, indexes.with_file

local function result_of(entry, ...)
  local event = support.event_of(assert(process.spawn_monitored(entry, support.host, ...)))
  if event.error then
    error("the child failed: " .. event.error, 2)
  end
  return event.result
end

local returning = "return { main = function(...) return %s end }\n"

describe("process.load", function()
  before_each(support.reset)
  after_each(support.finish)

  describe("of one file", function()
    it("H-10 defines entries whose source is a file beside it", function()
      local text, namespace = index [[
- name: clerk
  kind: process.lua
  source: file://clerk.lua
- name: deep
  kind: function.lua
  source: file://lib/deep.lua
]]
      support.with_folder({
        ["_index.yaml"] = text,
        ["clerk.lua"] = returning:format("'clerk ' .. ..."),
        ["lib/deep.lua"] = returning:format("'deep'"),
      }, function(folder)
        assert.same({ entries = 2, hosts = 0, skipped = {} }, process.load(folder .. "/_index.yaml"))
        assert.equal("clerk 7", result_of(namespace .. ":clerk", 7))
        assert.equal("deep", result_of(namespace .. ":deep"))
      end)
    end)

    it("H-10 H-7 takes sources relative to the file, and reads them at the spawn", function()
      local text, namespace = index "- {name: late, kind: process.lua, source: file://late.lua}\n"
      with_index(text, function(file, folder)
        local upwards = ("../"):rep(20) .. file:gsub("^/", "")
        assert.equal(1, assert(process.load(upwards)).entries)
        local pid, err = process.spawn(namespace .. ":late", support.host)
        assert.is_nil(pid)
        assert.is_truthy(err:match("^entry " .. namespace .. ":late: cannot open /.*late%.lua: %a"))
        support.write(folder .. "/late.lua", returning:format("'there now'"))
        assert.equal("there now", result_of(namespace .. ":late"))
      end)
    end)

    it("H-10 takes source text that stands in the file", function()
      local text, namespace = index [[
- name: block
  kind: process.lua
  source: |
    local words = { "three", "lines" }
    return function()
      return table.concat(words, " ")
    end
- {name: line, kind: process.lua, source: "return function(n) return n + 1 end"}
]]
      with_index(text, function(file)
        assert.equal(2, assert(process.load(file)).entries)
        assert.equal("three lines", result_of(namespace .. ":block"))
        assert.equal(8, result_of(namespace .. ":line", 7))
      end)
    end)

    it("H-10 H-6 H-3 calls the method it names, main by default, for functions as for processes", function()
      local source = "'return { main = function() return 1 end, run = function() return 2 end }'"
      local text, namespace = index(([[
- {name: p, kind: process.lua, source: %s}
- {name: p_run, kind: process.lua, method: run, source: %s}
- {name: f, kind: function.lua, source: %s}
- {name: f_run, kind: function.lua, method: run, source: %s}
]]):gsub("%%s", source))
      with_index(text, function(file)
        assert.equal(4, assert(process.load(file)).entries)
        local results = {}
        for i, name in ipairs({ "p", "p_run", "f", "f_run" }) do
          results[i] = result_of(namespace .. ":" .. name)
        end
        assert.same({ 1, 2, 1, 2 }, results)
      end)
    end)

    it("H-10 H-8 gives libraries by the aliases of imports; modules and meta have no effect", function()
      local text, namespace = index [[
- name: tax
  kind: library.lua
  source: "return { rate = 7 }"
- name: clerk
  kind: process.lua
  meta: {comment: "knows the tax", tags: [shop]}
  modules: [time, json]
  imports:
    tax: NAMESPACE:tax
  source: |
    return function() return require("tax").rate end
]]
      with_index(text:gsub("NAMESPACE", namespace), function(file)
        assert.equal(2, assert(process.load(file)).entries)
        assert.equal(7, result_of(namespace .. ":clerk"))
      end)
    end)

    it("H-10 H-11 reads YAML 1.2: anchors, aliases, flow style, numbers as names, fields nobody knows", function()
      local text, namespace = index [[
- &shared
  name: 1
  kind: process.lua
  source: &source "return function() return 'shared' end"
  pool: {size: 4}
- {"name": two, 'kind': process.lua, source: *source, method: ~}
]]
      with_index("%YAML 1.2\n---\nversion: '1.0'\n" .. text .. "...\n", function(file)
        assert.equal(2, assert(process.load(file)).entries)
        assert.equal("shared", result_of(namespace .. ":1"))
        assert.equal("shared", result_of(namespace .. ":two"))
      end)
    end)

    it("H-10 lists all other kinds in the order of the file", function()
      local text, namespace = index [[
- {name: door, kind: http.service, addr: ":80"}
- {name: clerk, kind: process.lua, source: return 1}
- {name: "any thing/else", kind: registry.entry}
]]
      with_index(text, function(file)
        assert.same({
          entries = 1,
          hosts = 0,
          skipped = { namespace .. ":door (http.service)", namespace .. ":any thing/else (registry.entry)" },
        }, process.load(file))
      end)
    end)

    it("H-10 H-6 redefines for later spawns", function()
      local text, namespace = index "- {name: a, kind: process.lua, source: 'return function() return WHAT end'}\n"
      for version = 1, 2 do
        with_index(text:gsub("WHAT", version), function(file)
          assert(process.load(file))
          assert.equal(version, result_of(namespace .. ":a"))
        end)
      end
    end)

    it("H-10 can be called by any process, for the whole program", function()
      local text, namespace = index "- {name: a, kind: process.lua, source: 'return function() return 5 end'}\n"
      with_index(text, function(file)
        assert.equal(1, support.result_of("return process.load(...).entries", file))
        assert.equal(5, result_of(namespace .. ":a"))
      end)
    end)

    it("H-12 starts nothing, whatever lifecycle says", function()
      local text, namespace = index [[
- name: workers
  kind: process.host
  lifecycle: {auto_start: true}
- name: clerk
  kind: process.lua
  lifecycle: {auto_start: true}
  source: return os.exit(3)
- name: clerk.service
  kind: process.service
  process: clerk
  host: workers
  lifecycle: {auto_start: true}
]]
      with_index(text, function(file)
        local summary = assert(process.load(file))
        assert.same({ namespace .. ":clerk.service (process.service)" }, summary.skipped)
        assert.equal(0, process.host_info(namespace .. ":workers").processes)
      end)
    end)
  end)

  it("G-1 H-10 opens scopes of process groups", function()
    local text, namespace = index "- {name: rooms, kind: pg.scope}\n"
    with_index(text, function(file)
      local summary = assert(process.load(file))
      assert.same({ 0, 0, {} }, { summary.entries, summary.hosts, summary.skipped })
      assert.same({}, process.pg.open(namespace .. ":rooms"):which_groups())
    end)
  end)

  describe("of hosts", function()
    it("H-28 H-10 takes max_processes; the rest has its default", function()
      local text, namespace = index [[
- name: few
  kind: process.host
  host: {workers: 0, max_processes: 1, queue_size: 1024, local_queue_size: 256}
- name: plain
  kind: process.host
]]
      with_index(text, function(file)
        assert.equal(2, assert(process.load(file)).hosts)
        local few, plain = process.host_info(namespace .. ":few"), process.host_info(namespace .. ":plain")
        assert.same({ 1, 0 }, { few.max_processes, few.workers })
        assert.same({ 0, 0 }, { plain.max_processes, plain.workers })
        assert.equal(plain.stack_size, few.stack_size)
        local parked = support.entry(support.parked)
        local pid = assert(process.spawn(parked, namespace .. ":few"))
        local _, err = process.spawn(parked, namespace .. ":few")
        support.kill(pid)
        assert.equal("host is full: " .. namespace .. ":few (limit 1)", tostring(err))
      end)
    end)

    it("H-28 B-39 says of workers what define_host says, with the line", function()
      local _, err = process.define_host("spec.load:pool", { workers = 4 })
      if err then
        local text = index "- name: pool\n  kind: process.host\n  host:\n    workers: 4\n"
        with_index(text, function(file)
          local problem = tostring(err):gsub("^workers: ", "")
          fails(file .. ":6: host.workers: " .. problem, "INVALID", process.load(file))
        end)
      end
    end)

    it("H-28 H-25 B-39 B-3 leaves everything alone when one is in use", function()
      local text, namespace = index [[
- {name: free, kind: process.host, host: {max_processes: 5}}
- {name: used, kind: process.host, host: {max_processes: 5}}
- {name: clerk, kind: process.lua, source: return 1}
]]
      local used = namespace .. ":used"
      assert(process.define_host(used, {}))
      support.event_of(assert(process.spawn_monitored(support.entry "return 1", used)))
      with_index(text, function(file)
        fails(file .. ":4: host already in use: " .. used, "INVALID", process.load(file))
        fails("host not found: " .. namespace .. ":free", "NOT_FOUND", process.host_info(namespace .. ":free"))
        assert.equal(0, process.host_info(used).max_processes)
        indexes.is_unknown(namespace .. ":clerk")
      end)
    end)
  end)

  describe("of a directory", function()
    local function file_of(namespace)
      return ("namespace: %s\nentries:\n- {name: a, kind: process.lua, source: file://a.lua}\n"):format(namespace)
        .. "- {name: b, kind: other}\n"
    end

    it("H-10 reads every _index.yaml below it, in the order of their paths, and nothing else", function()
      local one, two, three = new_namespace(), new_namespace(), new_namespace()
      support.with_folder({
        ["_index.yaml"] = file_of(one),
        ["a.lua"] = returning:format("'one'"),
        ["x/y/_index.yaml"] = file_of(two),
        ["x/y/a.lua"] = returning:format("'two'"),
        ["z/_index.yaml"] = file_of(three),
        ["z/_index.yaml.old"] = "[",
        ["z/index.yaml"] = "[",
        ["z/deps.yaml"] = "[",
      }, function(folder)
        assert.same({
          entries = 3,
          hosts = 0,
          skipped = { one .. ":b (other)", two .. ":b (other)", three .. ":b (other)" },
        }, process.load(folder))
        assert.equal("one", result_of(one .. ":a"))
        assert.equal("two", result_of(two .. ":a"))
        assert.equal(3, assert(process.load(folder .. "/")).entries)
      end)
    end)

    it("H-10 finds nothing where there is nothing", function()
      support.with_folder({ ["notes.txt"] = "nothing" }, function(folder)
        assert.same({ entries = 0, hosts = 0, skipped = {} }, process.load(folder))
      end)
    end)

    it("H-10 B-7 is not caught by links in a circle", function()
      local namespace = new_namespace()
      support.with_folder({ ["a/b/_index.yaml"] = file_of(namespace) }, function(folder)
        os.execute(("ln -s .. '%s/a/up' && ln -s . '%s/a/b/self'"):format(folder, folder))
        assert.equal(1, assert(process.load(folder)).entries)
        assert.equal(1, assert(process.load(folder .. "/a/up/a/b/self")).entries)
      end)
    end)

    it("H-11 B-39 B-3 defines nothing of any file when one is wrong", function()
      local good, bad = new_namespace(), new_namespace()
      support.with_folder({
        ["a/_index.yaml"] = file_of(good),
        ["b/_index.yaml"] = ("namespace: %s\nentries:\n- name: a\n"):format(bad),
        ["c/_index.yaml"] = file_of(good),
      }, function(folder)
        fails(folder .. "/b/_index.yaml:3: kind is missing", "INVALID", process.load(folder))
        indexes.is_unknown(good .. ":a")
      end)
    end)

    it("H-11 B-39 refuses a reference that stands in two files", function()
      local namespace = new_namespace()
      support.with_folder({ ["a/_index.yaml"] = file_of(namespace), ["b/_index.yaml"] = file_of(namespace) },
        function(folder)
          local text = ("%s/b/_index.yaml:3: stands here twice: %s:a"):format(folder, namespace)
          fails(text, "INVALID", process.load(folder))
          indexes.is_unknown(namespace .. ":a")
        end)
    end)
  end)
end)
