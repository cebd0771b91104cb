# demo: the main example on both VMs. test: every check. bench: measure. build: the module for both VMs. clean: as cloned.

MAKEFLAGS += --no-print-directory

demo test bench:
	@scripts/$@

build:
	@scripts/setup
	@scripts/build lua54
	@scripts/build luajit

clean:
	@rm -rf build target
	@echo "removed build and target"

.PHONY: demo test bench build clean
