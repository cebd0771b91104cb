# What every script here begins with: the project folder as working directory, a voice, and what differs between the VMs.
cd "$(dirname "$0")/.."

# Where rustup puts cargo, for shells that have not read its profile.
PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin

# In Lua 5.4 it would win over the LUA_CPATH that the scripts set.
unset LUA_CPATH_5_4

vms="lua54 luajit"

# use_vm lua54|luajit: sets vm, its interpreter `lua`, the version LuaRocks knows it by, and a tree to install the rock into.
use_vm() {
  vm=$1
  case $vm in
  lua54) lua=lua5.4 version=5.4 ;;
  luajit) lua=luajit version=5.1 ;;
  *) fail "no such VM: '$vm' (lua54 or luajit)" ;;
  esac
  tree=$PWD/build/tree-$version
}

# step WHAT COMMAND...: tells in one line what comes, and does it.
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
