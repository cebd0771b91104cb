//! Tables that fill themselves.

use super::*;
use crate::vm::testing::State;

static FIELDS: Fields = Fields(&[
    &[(c"whole", Field::Whole(7)), (c"text", Field::Text("seven"))],
    &[(c"made", Field::Made(push_globals))],
]);

/// The fields that a table has by itself, and what it gives for each name.
fn looked_up(
    push: unsafe fn(*mut lua_State, &'static Fields, c_int),
) -> Result<(usize, String, usize), String> {
    let state = State::main();
    // SAFETY: under `attempt`.
    let filled = state.attempt(|l| unsafe {
        push(l, &FIELDS, 2);
        lua_setglobal(l, c"t".as_ptr());
    });
    filled?;
    let count = || {
        state
            .run("local n = 0 for _ in pairs(t) do n = n + 1 end return n")
            .map(|text| text.parse().unwrap_or(99))
    };
    let before = count()?;
    let found = state.run("return t.whole, t.text, t.made == _G, t.nothing, t[1]")?;
    Ok((before, found, count()?))
}

#[test]
fn a_field_is_made_when_it_is_looked_up_and_kept() {
    assert_eq!(looked_up(push_table), Ok((0, "7, seven, true, nil, nil".into(), 3)));
}

#[test]
fn an_ordinary_table_has_all_fields_at_once() {
    assert_eq!(looked_up(push_filled), Ok((3, "7, seven, true, nil, nil".into(), 3)));
}

#[test]
fn only_a_table_that_fills_itself_is_lazy() {
    let state = State::main();
    // SAFETY: under `attempt`.
    let lazy = state.attempt(|l| unsafe {
        push_table(l, &FIELDS, 0);
        let own = is_lazy(l);
        push_filled(l, &FIELDS, 0);
        let filled = is_lazy(l);
        lua_pushnil(l);
        (own, filled, is_lazy(l))
    });
    assert_eq!(lazy, Ok((true, false, false)));
}
