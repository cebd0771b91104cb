//! From bytes to the Lua stack (the format is described in [`super`]). Tables are made with their exact size.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::FLAT;
use super::error::read_error;
use super::kept_strings;
use crate::platform::reserve;
use crate::runtime::failure::Failure;
use crate::vm::api::*;
use crate::vm::class::Crossing;
use crate::vm::error::ErrorObject;
use crate::vm::faces;
use crate::vm::object;
use crate::vm::raise::raise_failure;
use crate::wire::{DEPTH, LEVELS, NEEDS, Reader, tag, unzigzag};
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

/// How many values a sequence holds.
pub fn count(bytes: &[u8]) -> c_int {
    bytes.get(5..9).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes) as c_int
}

/// Pushes the values of a sequence; their number.
///
/// Stack: +n, n the result
/// Raises: any
///
/// # Safety
/// The stack has room for the values. Raises if the VM has no memory, so `bytes` must not be owned by the stack.
pub unsafe fn push(l: *mut lua_State, bytes: &[u8]) -> c_int {
    match Decoder::new(l, bytes).and_then(|mut decoder| decoder.run()) {
        Some(count) => count,
        None => raise(l, 0, b"internal error: malformed message"),
    }
}

/// Pushes the values of a message's payload as one: none is `nil`, several are packed with their number `n`.
///
/// Stack: +1, room for 2
/// Raises: any
///
/// # Safety
/// As [`push`].
pub unsafe fn push_packed(l: *mut lua_State, bytes: &[u8]) {
    let count = count(bytes);
    if count == 1 {
        push(l, bytes);
        return;
    }
    if count == 0 {
        lua_pushnil(l);
        return;
    }
    luaL_checkstack(l, count + 2, c"too many values in a message".as_ptr());
    lua_createtable(l, count, 1);
    push(l, bytes);
    for position in (1..=count).rev() {
        lua_rawseti(l, -1 - position, lua_Integer::from(position));
    }
    push_whole(l, i64::from(count));
    set_raw_field(l, -2, c"n");
}

pub(super) struct Decoder<'a> {
    pub(super) l: *mut lua_State,
    pub(super) reader: Reader<'a>,
    values: u32,
    /// There are more than [`FLAT`] levels of nesting.
    is_deep: bool,
    /// Index below the first string slot.
    slots: c_int,
    /// Index of the table of shared tables, functions and captured locals, 0 if there is none.
    pub(super) shared: c_int,
    /// Index below the first value.
    base: c_int,
}

/// The tables on the stack that are not complete, with what they still lack, but for the innermost. No destructor, since
/// decoding may raise.
struct Levels<const N: usize> {
    list: [MaybeUninit<Level>; N],
    len: usize,
}

impl<const N: usize> Levels<N> {
    #[inline(always)]
    fn push(&mut self, level: Level) -> Option<()> {
        self.list.get_mut(self.len)?.write(level);
        self.len += 1;
        Some(())
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Level> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the first `len` levels were written by `push`.
        Some(unsafe { self.list[self.len].assume_init() })
    }
}

#[derive(Clone, Copy)]
struct Level {
    items: u32,
    next: u32,
    pairs: u32,
    has_key: bool,
    /// A fill: the table is known already and is no value of anybody.
    fill: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder of these bytes, with room on the stack; `None` if they are malformed.
    ///
    /// Stack: +n, the places that decoding needs
    /// Raises: any
    ///
    /// # Safety
    /// Own state. Nothing to drop.
    unsafe fn new(l: *mut lua_State, bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (strings, tables, values) = (reader.byte()?, reader.u32()?, reader.u32()?);
        reader.take(LEVELS - NEEDS)?;
        let levels = usize::from(u16::from_le_bytes([reader.byte()?, reader.byte()?]));
        let slots = lua_gettop(l);
        let room = c_int::try_from(values).ok()?.checked_add(c_int::from(strings))?.checked_add(12)?;
        luaL_checkstack(l, room, c"too many values in a message".as_ptr());
        // A table and a key for each level.
        if lua_checkstack(l, room + 2 * levels as c_int) == 0 {
            raise(l, 0, b"stack overflow (a message is nested too deeply here)");
        }
        let mut base = slots + c_int::from(strings);
        if strings > 0 {
            lua_settop(l, base);
        }
        let mut shared = 0;
        if tables > 0 {
            lua_createtable(l, c_int::try_from(tables).ok()?, 0);
            base += 1;
            shared = base;
        }
        Some(Decoder { l, reader, values, is_deep: levels > FLAT, slots, shared, base })
    }

    /// Pushes all values: how many, `None` if the bytes are malformed.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`].
    unsafe fn run(&mut self) -> Option<c_int> {
        let l = self.l;
        for _ in 0..self.values {
            self.value()?;
        }
        while !self.reader.is_empty() {
            self.fill()?;
        }
        let count = self.values as c_int;
        // The slots and the shared tables stand below the values: move these down.
        if self.base > self.slots {
            for position in 1..=count {
                lua_copy(l, self.base + position, self.slots + position);
            }
            lua_settop(l, self.slots + count);
        }
        Some(count)
    }

    /// Decodes one value and what is in it.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`]; so for the other methods here.
    pub(super) unsafe fn value(&mut self) -> Option<()> {
        let first = self.reader.byte()?;
        if first != tag::TABLE && first != tag::TABLE_DEF {
            return self.scalar(first);
        }
        let level = self.table(first)?;
        self.walk(level)
    }

    /// Decodes the body of a table, or what a function has captured, for one that was referred to before.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`].
    unsafe fn fill(&mut self) -> Option<()> {
        let kind = self.reader.byte()?;
        let id = self.reader.u32()?;
        self.known(id);
        match kind {
            tag::FILL => {}
            tag::FILL_FUNCTION => return self.fill_function(),
            _ => return None,
        }
        let first = self.reader.byte()?;
        let level = Level { fill: true, ..self.header(first)? };
        self.walk(level)
    }

    /// Fills the table on top.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`]; the table is on top.
    unsafe fn walk(&mut self, first: Level) -> Option<()> {
        if self.is_deep { self.walk_deep(first) } else { self.walk_within::<FLAT>(first) }
    }

    /// Kept apart, since its list takes pages of the C stack.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`]; the table is on top.
    #[cold]
    #[inline(never)]
    unsafe fn walk_deep(&mut self, first: Level) -> Option<()> {
        self.walk_within::<DEPTH>(first)
    }

    /// Fills the table on top, whose levels fit into `N`.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`]; the table is on top. Tables stand inside each other in fewer than `N` levels.
    #[inline(always)]
    unsafe fn walk_within<const N: usize>(&mut self, first: Level) -> Option<()> {
        let mut outer = Levels::<N> { list: [const { MaybeUninit::uninit() }; N], len: 0 };
        let mut level = first;
        self.numbers(&mut level)?;
        loop {
            if level.is_done() {
                match outer.pop() {
                    Some(around) => level = around,
                    None => break,
                }
                self.store(&mut level);
                continue;
            }
            let code = self.reader.byte()?;
            if code == tag::TABLE || code == tag::TABLE_DEF {
                let inner = self.table(code)?;
                outer.push(level)?;
                level = inner;
                self.numbers(&mut level)?;
            } else {
                self.scalar(code)?;
                self.store(&mut level);
            }
        }
        if first.fill {
            lua_pop(self.l, 1);
        }
        Some(())
    }

    /// Puts the numbers that come next into the table on top, as long as they are items of it.
    ///
    /// Raises: memory
    ///
    /// # Safety
    /// As [`push`]; the table is on top.
    #[inline(always)]
    unsafe fn numbers(&mut self, level: &mut Level) -> Option<()> {
        while level.next <= level.items {
            match self.reader.next() {
                Some(tag::INTEGER) => {
                    self.reader.byte()?;
                    push_whole(self.l, unzigzag(self.reader.varint()?));
                }
                Some(tag::FLOAT) => {
                    self.reader.byte()?;
                    lua_pushnumber(self.l, self.reader.f64()?);
                }
                _ => break,
            }
            lua_rawseti(self.l, -2, lua_Integer::from(level.next));
            level.next += 1;
        }
        Some(())
    }

    /// Puts the value on top into the table below it, or keeps it as the key of the next value.
    ///
    /// Raises: memory
    ///
    /// # Safety
    /// As [`push`]; the value is on top.
    #[inline(always)]
    unsafe fn store(&self, level: &mut Level) {
        if level.next <= level.items {
            lua_rawseti(self.l, -2, lua_Integer::from(level.next));
            level.next += 1;
        } else if level.has_key {
            lua_rawset(self.l, -3);
            level.has_key = false;
            level.pairs -= 1;
        } else {
            level.has_key = true;
        }
    }

    /// Pushes an empty table of the size that its header says.
    ///
    /// Raises: memory
    ///
    /// # Safety
    /// As [`push`].
    #[inline(always)]
    unsafe fn table(&mut self, first: u8) -> Option<Level> {
        let l = self.l;
        let (items, pairs, id) = self.reader.three()?;
        lua_createtable(l, c_int::try_from(items).ok()?, c_int::try_from(pairs).ok()?);
        if first == tag::TABLE_DEF {
            lua_pushvalue(l, -1);
            lua_rawseti(l, self.shared, lua_Integer::from(id));
        }
        Some(Level { items, next: 1, pairs, has_key: false, fill: false })
    }

    /// The header of a table that exists already.
    fn header(&mut self, first: u8) -> Option<Level> {
        if first != tag::TABLE {
            return None;
        }
        let (items, pairs, _) = self.reader.three()?;
        Some(Level { items, next: 1, pairs, has_key: false, fill: false })
    }

    /// Pushes the shared table `id`, an empty one if it is not known yet.
    ///
    /// Raises: memory
    ///
    /// # Safety
    /// As [`push`].
    unsafe fn known(&mut self, id: u32) {
        let l = self.l;
        lua_checkstack(l, 4);
        if lua_rawgeti(l, self.shared, lua_Integer::from(id)) == LUA_TNIL {
            lua_pop(l, 1);
            lua_createtable(l, 0, 0);
            lua_pushvalue(l, -1);
            lua_rawseti(l, self.shared, lua_Integer::from(id));
        }
    }

    /// Pushes a value that holds no others.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`].
    #[inline(always)]
    unsafe fn scalar(&mut self, first: u8) -> Option<()> {
        let l = self.l;
        match first {
            tag::NIL => lua_pushnil(l),
            tag::FALSE => lua_pushboolean(l, 0),
            tag::TRUE => lua_pushboolean(l, 1),
            tag::INTEGER => push_whole(l, unzigzag(self.reader.varint()?)),
            tag::FLOAT => lua_pushnumber(l, self.reader.f64()?),
            tag::STRING => {
                self.reader.byte()?;
                push_bytes(l, self.reader.bytes()?);
            }
            tag::STRING_DEF => {
                let slot = self.slots + 1 + c_int::from(self.reader.byte()?);
                push_bytes(l, self.reader.bytes()?);
                lua_copy(l, -1, slot);
            }
            tag::STRING_REF => {
                let slot = self.slots + 1 + c_int::from(self.reader.byte()?);
                lua_pushvalue(l, slot);
            }
            tag::TABLE_REF => {
                let id = self.reader.u32()?;
                self.known(id);
            }
            _ => return self.rare(first),
        }
        Some(())
    }

    /// An object of the class whose objects cross with this tag.
    ///
    /// Raises: memory
    ///
    /// # Safety
    /// As [`push`].
    unsafe fn object(&mut self, first: u8) -> Option<()> {
        let take = faces::get().classes.iter().find_map(|class| match class.crossing {
            Crossing::Value { tag, take, .. } if tag == first => Some(take),
            _ => None,
        });
        take?(self.l, &mut self.reader)
    }

    /// Pushes a value that is neither text, number nor table.
    ///
    /// Raises: any
    ///
    /// # Safety
    /// As [`push`].
    #[cold]
    unsafe fn rare(&mut self, first: u8) -> Option<()> {
        let l = self.l;
        match first {
            tag::NULL => lua_pushlightuserdata(l, std::ptr::null_mut()),
            tag::ERROR => {
                let place = object::reserve::<ErrorObject>(l);
                let size = self.reader.left();
                let error = read_error(&mut self.reader);
                if error.is_none() && !reserve::has_room_for(size) {
                    raise_failure(l, 1, Failure::OutOfMemory);
                }
                ptr::write(place, ErrorObject(Arc::new(error?)));
                object::confirm::<ErrorObject>(l);
            }
            tag::FUNCTION => self.function()?,
            tag::NAMED => self.named()?,
            tag::GLOBALS => push_globals(l),
            tag::MODULE => self.module()?,
            tag::ENVIRONMENT => self.environment()?,
            tag::KEPT_STRING => kept_strings::push(l, self.reader.u32()?),
            tag => return self.object(tag),
        }
        Some(())
    }
}

impl Level {
    fn is_done(&self) -> bool {
        self.next > self.items && self.pairs == 0
    }
}
