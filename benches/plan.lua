-- The measurements of benches/run: the figures with their goals, on the thread host and behind a slash on a pool, and
-- the programs that print them.
local plan = {}

plan.vms = {
  { name = "lua5.4", build = "lua54", title = "Lua 5.4" },
  { name = "luajit", build = "luajit", title = "LuaJIT" },
}

-- `least`: the ratio is that of the minima, not of the medians.
plan.figures = {
  { id = "W1", what = "ping-pong of a small message", goal = "ratio >= 0.90 / 0.70" },
  { id = "W2", what = "one producer, one consumer", goal = "" },
  { id = "W3", what = "four producers, one consumer", goal = "" },
  { id = "W4", what = "spawn and EXIT, one after the other", goal = "ratio >= 2.2, JIT 4 / 2.8, JIT 5" },
  { id = "W4b", what = "1,000 alive at once, then ended", goal = "ratio to a state >= 1.4, JIT 3.5 on a pool" },
  { id = "W5a", what = "ping-pong of `t1k`", goal = "" },
  { id = "W5b", what = "ping-pong of a 64 KiB string", goal = "" },
  { id = "W5c", what = "ping-pong of a 1 MiB string", goal = "" },
  { id = "W6", what = "memory of an idle process", goal = "<= 46, JIT 66 / 36, JIT 57; lean 24, JIT 36" },
  { id = "W7", what = "token through a ring of 1,000", goal = "ratio >= 1.1 / 0.75" },
  { id = "W8/small", what = "small message to oneself", goal = "ratio to `string.buffer` >= 0.40" },
  { id = "W8/t1k", what = "`t1k` to oneself", goal = "ratio to `string.buffer` >= 0.60" },
  { id = "W8n/integers", what = "1,000 integers to oneself", goal = "" },
  { id = "W8n/floats", what = "1,000 floats to oneself", goal = "" },
  { id = "W9/W1/processes", what = "W1 among 10,000 idle processes", goal = "<= 1.02" },
  { id = "W9/W2/processes", what = "W2 among 10,000 idle processes", goal = "<= 1.02" },
  { id = "W9/W1/timers", what = "W1 with 10,000 timers pending", goal = "<= 1.02" },
  { id = "W9/W2/timers", what = "W2 with 10,000 timers pending", goal = "<= 1.02" },
  { id = "W9/W1/names", what = "W1 with 10,000 names registered", goal = "<= 1.02" },
  { id = "W9/W2/names", what = "W2 with 10,000 names registered", goal = "<= 1.02" },
  { id = "W10/arithmetic", what = "integer loop", goal = "ratio <= 1.02", least = true },
  { id = "W10/calls", what = "recursive calls", goal = "ratio <= 1.02", least = true },
  { id = "W10/allocation", what = "small tables", goal = "ratio <= 1.02", least = true },
  { id = "W10b", what = "generators by `coroutine.wrap`", goal = "ratio <= 1.08, JIT 1.5", least = true },
  { id = "W11", what = "delay of a paced echo beside two that compute, 99 of 100", goal = "ratio <= 1.0 / <= 12" },
  { id = "W11/compiled", what = "the same beside compiled loops", goal = "" },
  { id = "W12", what = "a dispatcher and eight workers", goal = "" },
  { id = "W12/half", what = "time of a request, half of them", goal = "" },
  { id = "W12/most", what = "time of a request, 99 of 100", goal = "<= 500 / <= 400" },
  { id = "W13", what = "a pipeline of three stages", goal = ">= 1.9M / 2.8M" },
  { id = "W14", what = "200 tasks by two processes against one", goal = ">= 1.94" },
  { id = "W15", what = "request and reply by `process.call`", goal = ">= 0.8 of W1" },
}

-- In the order in which every round runs them. Those without a label run once on each host; those with one have a row
-- of that name, to compare with unless it is `own`. A program that is not installed, or prints nothing, gets no row.
plan.programs = {
  { script = "pingpong" },
  { label = "floor: two threads that poll and park", name = "floors", command = "build/VM/floors threads" },
  { label = "floor: states on one thread", name = "floors", command = "build/VM/floors states" },
  { label = "floor: a thousand threads", name = "floors", command = "build/VM/floors crowds" },
  { label = "floor: two copies each way", name = "floors", command = "build/VM/floors copies" },
  { label = "two coroutines of one state", script = "references/coroutines", argument = "" },
  { script = "stream" },
  { script = "spawn" },
  { script = "idle" },
  { label = "process, pool with `libs = { \"base\" }`", script = "idle", argument = "lean", own = true },
  { label = "floor: a state with all libraries", name = "floors", command = "build/VM/floors state" },
  { label = "floor: a state with `base` alone", name = "floors", command = "build/VM/floors base" },
  { label = "thread of `luv`", script = "references/luv", argument = "" },
  { script = "ring" },
  { script = "codec" },
  { label = "floor: bytes by the plain C API", name = "floors", command = "build/VM/floors codec" },
  { label = "`string.buffer`", script = "references/codecs", argument = "string.buffer" },
  { label = "`cjson`", script = "references/codecs", argument = "cjson" },
  { label = "Erlang", name = "erlang", command = "escript benches/references/erlang.escript" },
  { script = "crowd" },
  { script = "fairness" },
  { script = "fanout" },
  { script = "pipeline" },
  { script = "map" },
  { script = "compute" },
  { label = "bare interpreter", script = "compute", argument = "bare" },
}

-- Programs that count the instructions of another: the words before it, the place of the number in their output, and
-- the scale at which they take a few seconds.
plan.counters = {
  perf = { prefix = "perf stat -x, -e instructions:u", pattern = "(%d+),,instructions", scale = 1 },
  callgrind = {
    prefix = "valgrind --tool=callgrind --callgrind-out-file=/dev/null",
    pattern = "Collected : (%d+)",
    scale = 0.1,
  },
}

-- Not counted: chance decides which parts of a recursion LuaJIT compiles, so counts of two runs cannot be compared.
plan.uncounted = { luajit = { calls = true } }

return plan
