local ours = { "process", "channel", "time", "errors" }

std = "max"
exclude_files = { "target", "build" }
read_globals = { coroutine = { fields = { "spawn" } } }

files["spec"] = { std = "max+busted" }
for _, folder in ipairs({ "spec/entries", "examples", "benches", "tests/soak", "docs/reference/shop" }) do
  files[folder] = { read_globals = ours }
end
