local ours = { "process", "channel", "time", "errors" }

std = "max"
-- The files of library/ only declare types.
exclude_files = { "target", "build", "library" }
read_globals = { coroutine = { fields = { "spawn" } } }

files["spec"] = { std = "max+busted" }
for _, folder in ipairs({ "spec/entries", "examples", "benches", "tests/soak", "docs/reference/shop" }) do
  files[folder] = { read_globals = ours }
end
files["examples/neovim"] = { read_globals = { "vim" } }
files["tests/guests/neovim.lua"] = { read_globals = { "vim" } }
files["tests/guests/prosody"] = { globals = { "module" } }
files["tests/guests/lighttpd"] = { globals = { "lighty" } }
files["tests/guests/love"] = { globals = { "love" } }
files["examples/nginx"] = { read_globals = { "ngx" } }
