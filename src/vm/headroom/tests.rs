//! Limits while the library pushes what it owns.

use super::*;
use crate::vm::testing::{Spawned, State};

#[test]
fn room_is_made_by_collecting_garbage() {
    let spawned = Spawned::new(1_000_000);
    // SAFETY: under `attempt`.
    let made = spawned.attempt(|l| unsafe {
        push_bytes(l, &[b'x'; 700_000]);
        lua_pop(l, 1);
        (make(l, 600_000), make(l, 1_200_000))
    });
    assert_eq!(made, Ok((true, false)));
}

#[test]
fn what_is_pushed_without_a_limit_leaves_the_limit_as_it_was() {
    let spawned = Spawned::new(100_000);
    let limit = spawned.context().budget().set_limit(0);
    spawned.context().budget().set_limit(limit);
    // SAFETY: under `attempt`.
    let pushed = spawned.attempt(|l| unsafe {
        unlimited(l, || push_bytes(l, &[b'x'; 300_000]));
        spawned.context().budget().set_limit(limit)
    });
    assert_eq!(pushed, Ok(limit));
    // SAFETY: under `attempt`.
    let refused = spawned.attempt(|l| unsafe { push_bytes(l, &[b'x'; 300_000]) });
    assert_eq!(refused, Err("not enough memory".into()));
}

#[test]
fn what_rust_owns_is_freed_before_the_raise() {
    use std::cell::Cell;
    use std::rc::Rc;
    struct Owned(Rc<Cell<u32>>);
    impl Drop for Owned {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; 200_000]
        }
    }
    let (spawned, drops) = (Spawned::new(50_000), Rc::new(Cell::new(0)));
    let owned = Owned(Rc::clone(&drops));
    // SAFETY: under `attempt`.
    let refused = spawned.attempt(|l| unsafe { push_owned(l, owned) });
    assert_eq!((refused, drops.get()), (Err("not enough memory".into()), 1));
}

#[test]
fn a_main_process_has_no_limit() {
    let state = State::main();
    // SAFETY: under `attempt`.
    assert_eq!(state.attempt(|l| unsafe { make(l, usize::MAX / 2) }), Ok(true));
}
