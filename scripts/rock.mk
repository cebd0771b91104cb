# How LuaRocks builds and installs the rock; luaprocs-scm-1.rockspec passes LUA (the interpreter) and INST_LIBDIR.
# cargo picks the C compiler itself; LuaRocks' choice in its environment would only make it compile everything again.
unexport CC CFLAGS

build:
	@vm=$$(scripts/vm-of '$(LUA)') && scripts/build $$vm

install:
	@vm=$$(scripts/vm-of '$(LUA)') && scripts/strip build/$$vm/process.so '$(INST_LIBDIR)'

.PHONY: build install
