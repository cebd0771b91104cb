//! Compiles the two-line C file around `sigsetjmp` and checks that the headers of Lua, where they are given, fit the feature.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=src/vm/jump.c");
    println!("cargo:rerun-if-env-changed=LUA_INCDIR");
    cc::Build::new().file("src/vm/jump.c").opt_level(2).warnings(true).compile("process_jump");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        // The symbols of Lua come from the interpreter that loads the module.
        println!("cargo:rustc-cdylib-link-arg=-undefined");
        println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
    }
    if let Ok(folder) = env::var("LUA_INCDIR") {
        check_headers(Path::new(&folder));
    }
}

/// Stops the build when `LUA_INCDIR` belongs to another Lua than the chosen feature.
fn check_headers(folder: &Path) {
    let file = folder.join("lua.h");
    println!("cargo:rerun-if-changed={}", file.display());
    let header =
        fs::read_to_string(&file).unwrap_or_else(|error| stop(&format!("{}: {error}", file.display())));
    let found = version_in(&header);
    let (wanted, name) = match env::var("CARGO_FEATURE_LUA54") {
        Ok(_) => ("5.4", "Lua 5.4"),
        Err(_) => ("5.1", "LuaJIT, or Lua 5.1"),
    };
    match found {
        Some(found) if found == wanted => println!("LUA_INCDIR={}: Lua {found}", folder.display()),
        Some(found) => stop(&format!("{} is of Lua {found}; needed is that of {name}", file.display())),
        None => stop(&format!("{} tells no version of Lua", file.display())),
    }
}

/// Stops the build.
fn stop(why: &str) -> ! {
    eprintln!("LUA_INCDIR names the wrong folder: {why}");
    std::process::exit(1)
}

/// The version that a `lua.h` is of, such as "5.4". Its number is written as such up to 5.4, and computed since.
fn version_in(header: &str) -> Option<String> {
    let value = |name: &str| {
        header.lines().find_map(|line| {
            let mut words = line.strip_prefix('#')?.split_whitespace();
            (words.next() == Some("define") && words.next() == Some(name)).then(|| words.next()).flatten()
        })
    };
    let number = |text: &str| text.trim_matches('"').parse::<u32>().ok();
    let (major, minor) = match value("LUA_VERSION_NUM").and_then(number) {
        Some(number) => (number / 100, number % 100),
        None => (number(value("LUA_VERSION_MAJOR_N")?)?, number(value("LUA_VERSION_MINOR_N")?)?),
    };
    Some(format!("{major}.{minor}"))
}
