-- luacheck: no max line length
-- Garbage in processes: it is collected as in the interpreter, and does not count towards limits.
local support = require "spec.support"
local process = require "process"

describe("the collector of a process", function()
  after_each(support.finish)

  if not support.jit then
    it("H-50 begins by generations, as the interpreter's", function()
      assert.equal("generational", support.result_of("return (collectgarbage('incremental'))"))
      assert.equal("generational", support.output_of("io.write((collectgarbage('incremental')))"))
    end)

    it("H-50 keeps the mode that its code has chosen", function()
      local mode = support.result_of([[
        collectgarbage("incremental")
        process.send(process.pid(), "t", function() return 1 end)
        process.inbox():receive():payload()()
        for i = 1, 1000 do local _ = errors.new(("x"):rep(1000) .. i) end
        return (collectgarbage("incremental"))
      ]])
      assert.equal("incremental", mode)
    end)
  end

  -- Bodies that keep 5 MiB and make garbage.
  local garbage = {
    ["tables"] = "for i = 1, 500000 do local _ = { i } end",
    ["strings"] = "for i = 1, 20000 do local _ = ('y'):rep(1000) .. i end",
    ["long strings"] = "for i = 1, 100 do local _ = ('y'):rep(1000000) .. i end",
    ["times"] = "for _ = 1, 200000 do local _ = time.now() end",
    ["errors"] = "local s = ('z'):rep(10000) for _ = 1, 5000 do local _ = errors.new(s) end",
    ["channels"] = "for _ = 1, 100000 do local _ = channel.new(1) end",
    ["coroutines"] = "for _ = 1, 20000 do local f = coroutine.wrap(function() coroutine.yield() end) f() end",
    ["objects with finalizers"] = [[
      local meta = { __gc = function() end }
      for i = 1, 100000 do
        if newproxy then getmetatable(newproxy(true)).__gc = meta.__gc else setmetatable({ i }, meta) end
      end
    ]],
    ["messages"] = [[
      local listener, s = process.listen("t", { message = true }), ("m"):rep(10000)
      for _ = 1, 3000 do process.send(process.pid(), "t", s) local _ = listener:receive() end
    ]],
  }
  local number = 0
  for what, body in pairs(garbage) do
    it("H-27 no limit is reached by garbage alone: " .. what, function()
      number = number + 1
      local host = "spec.garbage:h" .. number
      assert(process.define_host(host, { memory_limit = 8 * 1024 * 1024, report = false, workers = support.workers }))
      local keep = "local kept = {} for i = 1, 40 do kept[i] = ('x'):rep(131072) .. i end\n"
      local entry = support.entry(keep .. body .. "\nreturn #kept")
      assert.same({ 40 }, { process.exec(entry, host) })
    end)
  end

  -- 2 GB in all, with an address space that is a fraction of that.
  for where, form in pairs({ ["a process"] = "assert(process.exec(function() %s return true end, %q))", ["the main process"] = "%s" }) do
    for what, body in pairs({
      ["errors"] = "local s = ('z'):rep(100000) for _ = 1, 20000 do local _ = errors.new(s) end",
      ["contexts"] = "local v = { x = ('z'):rep(100000) } for _ = 1, 20000 do local _ = process.with_context(v) end",
      ["messages"] = [[
        local c, s = process.listen("t", { message = true }), ("x"):rep(100000)
        for _ = 1, 20000 do process.send(process.pid(), "t", s) local _ = c:receive() end
      ]],
    }) do
      it("H-50 B-96 what " .. what .. " keep drives the collector of " .. where, function()
        local script = "local process = require 'process' " .. form:format(body, support.host)
        local environment = ("sh -c 'ulimit -v %d; exec \"$@\"' sh"):format(support.jit and 450000 or 300000)
        local ran = support.run(script, 60, environment)
        assert.same({ 0, "" }, { ran.code, ran.err })
      end)
    end
  end
end)
