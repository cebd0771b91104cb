# demo: the main example on both VMs. test: every check. guests: inside Neovim, nginx and others, after
# test. bench: measure. soak: random lives, for SECONDS (600) in all. build: the module for both VMs. clean: as cloned.

MAKEFLAGS += --no-print-directory

demo test guests bench:
	@scripts/$@

soak:
	@scripts/soak $(SECONDS)

build:
	@scripts/setup
	@scripts/build lua54
	@scripts/build luajit

clean:
	@rm -rf build target
	@echo "removed build and target"

.PHONY: demo test guests bench soak build clean
