rockspec_format = "3.0"
package = "luaprocs"
version = "scm-1"
source = {
  url = "file://luaprocs-scm-1.tar.gz", -- beside this file in the source rock that scripts/pack makes; `make` needs none
}
description = {
  summary = "Isolated processes that talk by messages, for stock Lua 5.4 and LuaJIT",
  detailed = [[
Each process is a Lua state of its own, on a thread of its own. Processes send each other values, watch each other and
fail together when linked. The module is called `process`. Building needs Rust's cargo.]],
  license = "MIT",
  labels = { "concurrency", "actor", "threads" },
}
dependencies = {
  "lua >= 5.1", -- 5.4, or 5.1 as LuaJIT
}
build = {
  type = "make",
  makefile = "scripts/rock.mk",
  build_target = "build",
  build_variables = {
    LUA = "$(LUA)",
    CFLAGS = "$(CFLAGS)", -- LuaRocks warns where it is not passed
  },
  install_variables = {
    LUA = "$(LUA)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
  },
}
