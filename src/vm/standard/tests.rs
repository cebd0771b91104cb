//! Every name finds its value, and every value its name.

use super::*;
use crate::vm::testing::State;

/// The names that are not found again by what they push, in a main process.
fn lost(state: &State) -> Result<Vec<String>, String> {
    // SAFETY: under `attempt`.
    state.attempt(|l| unsafe {
        luaL_checkstack(l, 40, std::ptr::null());
        let context = Context::of_state(l);
        let mut lost = Vec::new();
        for name in &NAMES.list {
            let text = &*name.text;
            if !push_named(l, context, text) {
                continue;
            }
            let found = name_at(l, context, -1).map(|(found, _)| found);
            // Two names may stand for one value.
            let same = found.is_some_and(|found| {
                push_named(l, context, found);
                let same = lua_rawequal(l, -1, -2) != 0;
                lua_pop(l, 1);
                same
            });
            if !same && lua_type(l, -1) == LUA_TFUNCTION && lua_iscfunction(l, -1) == 0 {
                lost.push(String::from_utf8_lossy(text).into_owned());
            }
            lua_pop(l, 1);
        }
        lost
    })
}

#[test]
fn a_name_pushes_a_value_that_has_the_name() {
    assert_eq!(lost(&State::main()), Ok(Vec::new()));
}

#[test]
fn well_known_values_have_their_names() {
    let state = State::main();
    let name_of = |code: &'static str| {
        // SAFETY: under `attempt`.
        state.attempt(|l| unsafe {
            if luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), c"=test".as_ptr()) != LUA_OK {
                lua_error(l);
            }
            lua_call(l, 0, 1);
            let name = name_at(l, Context::of_state(l), -1);
            name.map(|(text, _)| String::from_utf8_lossy(text).into_owned())
        })
    };
    let named = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(name_of("return print"), named("print"));
    assert_eq!(name_of("return string.format"), named("string.format"));
    assert_eq!(name_of("return process.send"), named("process.send"));
    assert_eq!(name_of("return channel.new().receive"), named("@channel.receive"));
    assert_eq!(name_of("return io.stdout.write"), named("@file.write"));
    assert_eq!(name_of("return function() end"), Ok(None));
    assert_eq!(name_of("return {}"), Ok(None));
}

#[test]
fn what_the_user_has_replaced_crosses_as_what_it_is() {
    let state = State::main();
    let code = "local stock = print print = function() end return stock, print";
    // SAFETY: under `attempt`.
    let names = state.attempt(|l| unsafe {
        luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), c"=test".as_ptr());
        lua_call(l, 0, 2);
        let context = Context::of_state(l);
        (name_at(l, context, -2).is_some(), name_at(l, context, -1).is_some())
    });
    assert_eq!(names, Ok((true, false)));
}

#[test]
fn a_name_that_does_not_exist_pushes_nothing() {
    let state = State::main();
    let pushed =
        // SAFETY: under `attempt`.
        state.attempt(|l| unsafe { push_named(l, Context::of_state(l), b"string.no_such_function") });
    assert_eq!(pushed, Ok(false));
}
