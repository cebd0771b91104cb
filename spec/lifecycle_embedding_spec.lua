-- Several main processes in one program: tests/embed.c, compiled for the VM under test, opens and closes Lua states
-- from several threads. It checks what it sees, and ends with code 0.
local support = require "spec.support"

local vm = support.jit and "luajit" or "lua54"

-- Runs one of its cases: exit code, and its output, errors included.
local function embed(case)
  -- With one arena, memory that the C library keeps for other threads does not look like growth.
  local command = "MALLOC_ARENA_MAX=1 timeout -s KILL 60 build/%s/embed %s 2>&1; echo code $?"
  local pipe = assert(io.popen(command:format(vm, case)))
  local text, code = pipe:read("*a"):match("^(.*)code (%d+)\n$")
  pipe:close()
  return tonumber(code), text
end

local function ends_well(case)
  local code, text = embed(case)
  assert.are.equal("", text)
  assert.are.equal(0, code)
end

describe("a program that embeds Lua", function()
  setup(function()
    local pipe = assert(io.popen("scripts/embed " .. vm .. " 2>&1"))
    assert.are.equal("", pipe:read("*a"))
    pipe:close()
  end)

  it("L-67 H-26 H-45 H-54 B-96 opens and closes 1,000 states in any order, on any thread; nothing grows", function()
    local code, text = embed("many")
    assert.are.equal(0, code, text)
    local function figures(name)
      local before, after = text:match(name .. " (%d+) (%d+)\n")
      return tonumber(before), tonumber(after)
    end
    local memory, more_memory = figures("memory")
    local threads, more_threads = figures("threads")
    local descriptors, more_descriptors = figures("descriptors")
    assert.is_true(more_memory <= 1.25 * memory, text)
    assert.is_true(more_threads <= threads, text)
    assert.are.equal(descriptors, more_descriptors)
  end)

  it("L-67 L-64 closing a state ends what was spawned from it, directly or not, and nothing else", function()
    ends_well("family")
  end)

  it("L-67 main processes find each other by name and talk", function()
    ends_well("talk")
  end)

  it("C-37 B-55 L-67 a main process waits in vain only if there is no other one, and no other thread", function()
    ends_well("deadlock")
  end)

  it("C-37 B-55 threads that are not the library's may still load the module and send", function()
    ends_well("outsider")
  end)

  it("L-69, L-67 main processes of the forking thread go on in the child, unless another thread has one", function()
    ends_well("fork")
  end)

  it("L-65 L-67 a state closes whatever its children do", function()
    ends_well("busy")
  end)

  it("L-67 the module stays when the last state has closed, and serves the next one", function()
    ends_well("again")
  end)

  for _, ending in ipairs({ "return", "exit" }) do
    it("L-66 L-67 the program ends by " .. ending .. ", silently, while other threads wait in their states", function()
      for _ = 1, 10 do
        local code, text = embed(ending)
        assert.are.equal("", text)
        assert.are.equal(7, code)
      end
    end)
  end
end)
