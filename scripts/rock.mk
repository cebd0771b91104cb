# How LuaRocks builds and installs the rock; luaprocs-scm-1.rockspec passes LUA (the interpreter), INST_LIBDIR and
# INST_LUADIR.
# cargo picks the C compiler itself; LuaRocks' choice in its environment would only make it compile everything again.
unexport CC CFLAGS

build:
	@vm=$$(scripts/vm-of '$(LUA)') && scripts/build $$vm

install:
	@vm=$$(scripts/vm-of '$(LUA)') && scripts/strip build/$$vm/process.so '$(INST_LIBDIR)'
	@mkdir -p '$(INST_LUADIR)/process' && install -m 644 lua/process/*.lua '$(INST_LUADIR)/process'
	@for part in pool supervisor; do \
	  mkdir -p "$(INST_LUADIR)/process/$$part" && \
	  install -m 644 lua/process/$$part/*.lua "$(INST_LUADIR)/process/$$part" || exit 1; \
	done

.PHONY: build install
