# The start of every script here: the project folder as working directory, messages, and the differences between the VMs.
# The folder of Lua's headers that the user has chosen for one of the VMs, if any.
given=${LUA_INCDIR:-}
case $given in "" | /*) ;; *) given=$PWD/$given ;; esac

cd "$(dirname "$0")/.."

# The place where rustup puts cargo, for shells that have not read its profile.
PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin

# In Lua 5.4 this variable would win over the LUA_CPATH that the scripts set.
unset LUA_CPATH_5_4

vms="lua54 luajit"

# For commands that take minutes: on a terminal they show that they are still running.
if [ -t 2 ]; then quiet=; else quiet=--quiet; fi

# headers_in FOLDER: prints the version of Lua's headers there, such as "5.4" (LuaJIT: "5.1"); nothing if there are none.
headers_in() {
  [ ! -r "$1/lua.h" ] || sed -nE \
    -e 's/^#[[:space:]]*define[[:space:]]+LUA_VERSION_NUM[[:space:]]+50([0-9]).*/5.\1/p' \
    -e 's/^#[[:space:]]*define[[:space:]]+LUA_VERSION_MINOR_N[[:space:]]+([0-9]+).*/5.\1/p' "$1/lua.h"
}

# use_vm lua54|luajit: sets vm, its interpreter `lua`, its version for LuaRocks, and a tree to install the rock into.
# The variable LUA_INCDIR stays set if it names headers of this VM; headers of the other VM mean nothing here.
use_vm() {
  vm=$1
  case $vm in
  lua54) lua=lua5.4 version=5.4 ;;
  luajit) lua=luajit version=5.1 ;;
  *) fail "no such VM: '$vm' (lua54 or luajit)" ;;
  esac
  tree=$PWD/build/tree-$version
  unset LUA_INCDIR
  [ -n "$given" ] || return 0
  found=$(headers_in "$given")
  case $found in
  "$version") export LUA_INCDIR="$given" ;;
  5.1 | 5.4) ;;
  "") fail "LUA_INCDIR=$given: there is no lua.h" ;;
  *) fail "LUA_INCDIR=$given holds the headers of Lua $found; needed are those of 5.4, or of 5.1 for LuaJIT" ;;
  esac
}

# compile ARGUMENTS...: the C compiler, with the headers of the VM in use.
compile() {
  if [ -n "${LUA_INCDIR:-}" ]; then
    cc -I"$LUA_INCDIR" "$@"
  else
    cc $(pkg-config --cflags "$lua") "$@"
  fi
}

# step WHAT COMMAND...: announces the step in one line, and does it.
step() {
  doing=$1
  shift
  printf '==> %s\n' "$doing"
  "$@"
}

fail() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}
