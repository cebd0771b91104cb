use super::*;

const NONE: *mut c_void = ptr::null_mut();

/// A block of `size` bytes, each of which is `byte`.
fn block(memory: &Memory, size: usize, byte: u8) -> *mut c_void {
    // SAFETY: a new block of that size.
    unsafe {
        let block = memory.reallocate(NONE, 5, size);
        assert!(!block.is_null());
        block.cast::<u8>().write_bytes(byte, size);
        block
    }
}

fn free(memory: &Memory, block: *mut c_void, size: usize) {
    // SAFETY: every test frees a block of that size once.
    assert!(unsafe { memory.reallocate(block, size, 0) }.is_null());
}

#[test]
fn a_freed_block_serves_the_next_of_its_class_alone() {
    let memory = Memory::default();
    let (first, second) = (block(&memory, 40, 1), block(&memory, 40, 2));
    free(&memory, first, 40);
    free(&memory, second, 40);
    let other = block(&memory, 41, 3);
    assert_eq!(block(&memory, 33, 4), second);
    assert_eq!(block(&memory, 40, 5), first);
    assert_eq!(memory.budget.used(), 41 + 33 + 40);
    assert_eq!(memory.keeps.get(), 0);
    for (block, size) in [(other, 41), (second, 33), (first, 40)] {
        free(&memory, block, size);
    }
    assert_eq!(memory.budget.used(), 0);
}

#[test]
fn what_a_block_holds_survives_every_change_of_its_size() {
    survives(&Memory::default());
    for room in [8, 64, 300, 2000] {
        let memory = Memory::default();
        memory.make_room(room);
        survives(&memory);
    }
}

fn survives(memory: &Memory) {
    let (mut grown, mut size) = (block(memory, 1, 7), 1);
    for new in [8, 9, 24, 25, 264, 265, 5000, 100_000, 300, 264, 20, 3] {
        // SAFETY: the block has `size` bytes before and `new` after.
        unsafe {
            grown = memory.reallocate(grown, size, new);
            let bytes = std::slice::from_raw_parts_mut(grown.cast::<u8>(), new);
            assert!(bytes[..size.min(new)].iter().all(|&byte| byte == 7), "{size} to {new}");
            bytes.fill(7);
        }
        size = new;
        assert_eq!(memory.budget.used(), size);
    }
    free(memory, grown, size);
}

#[test]
fn the_limit_refuses_new_blocks_and_growth_but_nothing_else() {
    let memory = Memory::default();
    let held = block(&memory, 1000, 1);
    assert_eq!(memory.budget.set_limit(1500), 0);
    // SAFETY: a refused block stays as it was.
    unsafe {
        assert!(memory.reallocate(NONE, 0, 501).is_null());
        assert!(memory.reallocate(held, 1000, 1501).is_null());
        assert_eq!(memory.budget.used(), 1000);
        assert!(memory.budget.is_limited() && memory.budget.has_room(500) && !memory.budget.has_room(501));
        assert_eq!(memory.budget.set_limit(10), 1500);
        memory.budget.raise_limit(50);
        assert!(memory.budget.has_room(50) && !memory.budget.has_room(51));
        let held = memory.reallocate(held, 1000, 900);
        assert!(!held.is_null());
        free(&memory, held, 900);
    }
}

/// A memory that keeps so many blocks of 200 bytes, and what of them is in use.
fn keeping(count: usize, used_of: usize) -> (Memory, Vec<*mut c_void>) {
    let memory = Memory::default();
    let blocks: Vec<_> = (0..count).map(|_| block(&memory, 200, 1)).collect();
    let mut used = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        if number % used_of == 0 { used.push(block) } else { free(&memory, block, 200) }
    }
    (memory, used)
}

#[test]
fn slabs_that_are_free_go_when_much_is_kept_and_others_stay() {
    let (memory, used) = keeping(100_000, 10_000);
    // What was kept beyond the cache was swept: all but the slabs of those in use.
    assert!(memory.keeps.get() < 2 * CACHE);
    assert_eq!(memory.budget.used(), 200 * used.len());
    for block in used {
        free(&memory, block, 200);
    }
    // One block of four in use holds all slabs; a sweep that gives back nothing is not repeated soon.
    let (memory, _) = keeping(100_000, 4);
    let (keeps, stuck) = (memory.keeps.get(), memory.stuck.get());
    assert_eq!(keeps, 200 * 75_000);
    assert!(stuck >= CACHE && keeps <= 2 * stuck, "{keeps} {stuck}");
}

#[test]
fn sweeps_are_rare_where_there_is_much_to_look_at() {
    let (memory, used) = keeping(100_000, 2);
    assert!(memory.sweep_at.get() >= memory.slabs.bytes() / 8);
    // None while the state closes: all slabs go together.
    memory.close();
    let slabs = memory.slabs.bytes();
    for block in used {
        free(&memory, block, 200);
    }
    assert_eq!((memory.keeps.get(), memory.slabs.bytes()), (200 * 100_000, slabs));
}

#[test]
fn little_is_kept_in_sleep() {
    let _alone = super::super::allowance::tests::ALONE.lock();
    let full = || keeping(600, 600).0;
    let mut sleepers = Vec::new();
    let memory = loop {
        let memory = full();
        assert!(memory.keeps.get() > 100_000);
        memory.sleep();
        if memory.keeps.get() < CACHE_ASLEEP {
            break memory;
        }
        assert!(sleepers.len() < 1000);
        sleepers.push(memory);
    };
    let (woken, other) = (&sleepers[0], full());
    woken.wake();
    other.sleep();
    assert!(other.keeps.get() > 100_000);
    let little = block(&memory, 200, 1);
    free(&memory, little, 200);
    memory.sleep();
    assert_eq!(block(&memory, 200, 2), little);
}

#[test]
fn what_stands_in_the_arena_serves_again_but_is_never_given_back() {
    let memory = Memory::default();
    memory.make_room(400);
    let (first, second) = (block(&memory, 40, 1), block(&memory, 200, 2));
    let outside = block(&memory, 200, 3);
    assert_eq!((memory.wanted(), memory.arena.holds(outside.cast())), (440, false));
    for (block, size) in [(first, 40), (outside, 200), (second, 200)] {
        free(&memory, block, size);
    }
    assert_eq!(memory.keeps.get(), 200);
    memory.sweep();
    assert_eq!(memory.keeps.get(), 0);
    assert_eq!((block(&memory, 40, 4), block(&memory, 200, 5)), (first, second));
    assert_eq!((memory.keeps.get(), memory.wanted()), (0, 440));
    memory.close();
    free(&memory, first, 40);
    free(&memory, second, 200);
    assert!(memory.kept.iter().all(|kept| kept.get().is_null()));
    assert_eq!(memory.budget.used(), 0);
}

#[test]
fn a_block_that_shrinks_is_never_refused() {
    let memory = Memory::default();
    let (large, small) = (block(&memory, 5000, 1), block(&memory, 200, 2));
    memory.budget.set_limit(100);
    // SAFETY: each block has the size that is given.
    unsafe {
        assert!(memory.reallocate(small, 200, 250).is_null());
        let (large, small) = (memory.reallocate(large, 5000, 64), memory.reallocate(small, 200, 24));
        assert!(!large.is_null() && !small.is_null());
        assert_eq!((*large.cast::<u8>(), *small.cast::<u8>(), memory.budget.used()), (1, 2, 88));
        free(&memory, large, 64);
        free(&memory, small, 24);
    }
    assert_eq!(memory.budget.used(), 0);
}

#[test]
fn a_block_of_the_arena_grows_within_the_limit() {
    let memory = Memory::default();
    memory.make_room(1000);
    let held = block(&memory, 400, 1);
    memory.budget.set_limit(600);
    // SAFETY: a refused block stays as it was.
    unsafe {
        assert!(memory.reallocate(held, 400, 601).is_null());
        let grown = memory.reallocate(held, 400, 600);
        assert!(!grown.is_null() && grown != held);
        assert_eq!(memory.budget.used(), 600);
        assert_eq!(memory.reallocate(grown, 600, 300), grown);
        free(&memory, grown, 300);
    }
}
