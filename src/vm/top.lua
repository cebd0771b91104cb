-- Has a process write what runs to standard error (I-8). It has a host of its own, so that the program can still define
-- what `app:processes` is.
local process = ...

process.define("process:top", "return { main = function() return require('process.top').run() end }")
process.define_host("process:top", {})
process.spawn("process:top", "process:top")
