//! Which coroutines may be left by a jump.

use super::*;
use crate::vm::testing::Spawned;

/// Whether a jump is allowed when a C module has resumed a coroutine, which the chain does not know, and calls the library.
fn left_from(body: impl FnOnce(&Chain, *mut lua_State, *mut lua_State) -> bool) -> bool {
    let spawned = Spawned::new(0);
    let chain = spawned.context().chain();
    // SAFETY: under `attempt`; the thread stays on the stack.
    let found = spawned.attempt(|l| body(chain, l, unsafe { lua_newthread(l) }));
    found.expect("nothing raises")
}

#[test]
fn a_link_is_entered_and_taken_off_in_turn() {
    let links = left_from(|chain, l, co| {
        // SAFETY: both are threads of the state.
        let (outer, inner) = unsafe {
            let outer = chain.link(l, co);
            chain.enter(&outer);
            (outer.co, chain.link(co, lua_newthread(l)))
        };
        let entered = chain.running() == co && chain.has_resumed(|known| known == co);
        chain.enter(&inner);
        let both = chain.has_resumed(|known| known == outer) && chain.has_resumed(|known| known == inner.co);
        chain.back(&inner);
        let after = chain.running() == co && !chain.has_resumed(|known| known == inner.co);
        chain.forget();
        entered && both && after && chain.running() == l && !chain.has_resumed(|_| true)
    });
    assert!(links);
}

#[test]
fn what_the_library_has_resumed_may_be_left() {
    // SAFETY: threads of the state.
    assert!(left_from(|chain, l, _| unsafe { chain.may_be_left(l) }));
    // SAFETY: under `attempt`.
    assert!(left_from(|chain, l, co| unsafe {
        let link = chain.link(l, co);
        chain.enter(&link);
        let may = chain.may_be_left(co);
        chain.back(&link);
        may
    }));
}

#[test]
fn what_a_c_module_has_resumed_may_not_be_left_nor_what_it_resumes_in_turn() {
    // SAFETY: threads of the state.
    assert!(!left_from(|chain, _, co| unsafe { chain.may_be_left(co) }));
    // SAFETY: under `attempt`.
    assert!(!left_from(|chain, l, co| unsafe {
        let link = chain.link(co, lua_newthread(l));
        chain.enter(&link);
        let may = chain.may_be_left(link.co);
        chain.back(&link);
        may || !chain.has_no_strangers()
    }));
}
