//! Compiles the two-line C file around `sigsetjmp` and checks that the Lua headers, where they are given, fit the feature.

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
    let Ok(header) = fs::read_to_string(folder.join("lua.h")) else {
        return;
    };
    let found = ["501", "504"].into_iter().find(|number| {
        let (major, minor) = number.split_at(1);
        let minor = minor.trim_start_matches('0');
        header.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["#define", "LUA_VERSION_NUM", value, ..] => value == number,
                ["#define", "LUA_VERSION_MINOR", value, ..] => {
                    major == "5" && value.trim_matches('"') == minor
                }
                _ => false,
            }
        })
    });
    let wanted = if env::var("CARGO_FEATURE_LUA54").is_ok() { "504" } else { "501" };
    if let Some(number) = found {
        assert!(
            number == wanted,
            "LUA_INCDIR={} holds the headers of Lua {number}, the chosen feature needs {wanted}",
            folder.display()
        );
    }
}
