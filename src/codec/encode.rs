//! From the Lua stack to bytes (the format is described in [`super`]).
//!
//! Tables are walked without recursion, with `lua_next` and the Lua stack as work stack: a table and the key that is being
//! worked on for each level. What stands deeper than [`DEPTH`] is put aside and written behind the values.

pub use super::place::Origin;
use super::place::{self, LONG_ENOUGH};
use super::tables::Tables;
use super::time::{put_time, put_zone};
use super::{HEADER, NEEDS, Needs, put_bytes, put_error, tag, zigzag};
use crate::lua::error::ErrorObject;
use crate::lua::field::FIELD;
use crate::lua::payload::{self, PayloadObject};
use crate::lua::time::{DurationObject, LocationObject, TimeObject};
use crate::runtime::failure::{Failure, shown};
use crate::runtime::host::Host;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::object;
use crate::vm::standard;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Levels of nesting that are written inside each other.
pub const DEPTH: usize = 1000;

/// Strings up to this length are looked up for being written before; longer ones seldom repeat.
const SHORT: usize = 40;

const STRING_CACHE: usize = 64;

/// No slot was given yet.
const NO_SLOT: u8 = u8::MAX;

/// The buffers of encoding, kept from one use to the next.
pub struct Encoder {
    out: Vec<u8>,
    /// Most bytes of a sequence: what is written twice in it can be far more than the process has memory for.
    limit: usize,
    levels: Vec<Level>,
    tables: Tables,
    shared: u32,
    strings: [Seen; STRING_CACHE],
    /// The number of this encoding.
    encoding: u32,
    slots: u8,
    /// Tables and functions put aside: id and where they stand. They are in the Lua table `aside`, under their id.
    aside: Vec<(u32, String)>,
    out_of_memory: bool,
    /// Functions may be met: everything is looked up for having a name. Only from the first function on, since without one
    /// there is nothing of the standard library either.
    functions: bool,
    /// Tables that have names though no function in them shows it; none until the first table is met.
    plain_tables: Option<[usize; 3]>,
    /// What the sequence needs so far.
    pub(super) needs: Needs,
    /// The encoding is made to find out what this host refuses.
    pub(super) receiver: Option<std::sync::Arc<Host>>,
}

/// A table that is being written.
struct Level {
    /// Where its counts stand.
    counts: usize,
    items: u32,
    pairs: u32,
}

/// A string that was written: the address of Lua's only copy, in which encoding, where, and its slot.
#[derive(Clone, Copy)]
struct Seen {
    address: usize,
    at: usize,
    encoding: u32,
    slot: u8,
}

const UNSEEN: Seen = Seen { address: 0, at: 0, encoding: 0, slot: NO_SLOT };

/// Why a value cannot be encoded.
pub(super) enum Refusal {
    /// A value of this type name.
    Type(&'static str),
    /// A view of a message that was not called.
    Field,
    /// No memory for the bytes.
    Memory,
    /// A function, the first one: to be encoded again with an eye for functions and names.
    Again,
}

impl Encoder {
    /// One that has no memory yet and may write so many bytes, `None` for any number.
    pub fn within(limit: Option<usize>) -> Self {
        Encoder {
            out: Vec::new(),
            limit: limit.unwrap_or(usize::MAX),
            levels: Vec::new(),
            tables: Tables::default(),
            shared: 0,
            strings: [UNSEEN; STRING_CACHE],
            encoding: 0,
            slots: 0,
            aside: Vec::new(),
            out_of_memory: false,
            functions: false,
            plain_tables: None,
            needs: Needs::default(),
            receiver: None,
        }
    }

    /// Encodes the `count` values from `first` on. The bytes are valid until the next encoding.
    ///
    /// `origin` says where the first of them comes from; arguments are counted on from it.
    ///
    /// # Errors
    /// A value that cannot cross, with its place; or no memory.
    ///
    /// # Safety
    /// The stack holds these values. Runs no Lua code; may raise only if the VM has no memory for a stack.
    pub unsafe fn encode(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
    ) -> Result<&[u8], Failure> {
        let start = |index: c_int| {
            Place::begun(place::start(match origin {
                Origin::Argument(number) => Origin::Argument(number + index - first),
                // The host stands between a function as an entry and its arguments.
                Origin::Entry if index == first => Origin::Argument(1),
                Origin::Entry => Origin::Argument(2 + index - first),
                other => other,
            }))
        };
        self.encode_from(l, first, count, &start)
    }

    /// Encodes the one value at `index`, which stands under the key below it in a table that is itself no value.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn encode_field(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        origin: Origin,
    ) -> Result<&[u8], Failure> {
        let mut text = place::start(origin) + ", ";
        place::step(&mut text, l, index - 1);
        self.encode_from(l, index, 1, &|_| Place { text: text.clone(), under_way: true })
    }

    unsafe fn encode_from(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<&[u8], Failure> {
        self.functions = self.receiver.is_some();
        match self.encode_once(l, first, count, start) {
            // What cannot cross by itself may stand in a table that crosses by its name.
            Err(Failure::FunctionMet | Failure::CannotSend { .. }) if !self.functions => {}
            Err(failure) => return Err(failure),
            Ok(()) => return Ok(&self.out),
        }
        // Looking at functions allocates: the collector, and with it Lua code, must not run meanwhile, and a limit of the
        // process's memory must not raise.
        self.functions = true;
        let memory = &Context::of_state(l).memory;
        let limit = memory.set_limit(0);
        let held = CollectorHeld::hold(l);
        let result = self.encode_once(l, first, count, start);
        held.release(l);
        memory.set_limit(limit);
        result.map(|()| &*self.out)
    }

    /// What the sequence encoded last needs.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Why processes of `host` do not take these values, which can be encoded as such.
    ///
    /// # Safety
    /// As [`Encoder::encode`].
    pub unsafe fn refusal_by(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        origin: Origin,
        host: &std::sync::Arc<Host>,
    ) -> Failure {
        self.receiver = Some(std::sync::Arc::clone(host));
        let refused = self.encode(l, first, count, origin).map(|_| ());
        self.receiver = None;
        let name = host.name.to_string();
        refused.err().unwrap_or(Failure::CannotSendTo {
            what: "function",
            place: "inside".into(),
            host: name,
        })
    }

    unsafe fn encode_once(
        &mut self,
        l: *mut lua_State,
        first: c_int,
        count: c_int,
        start: &dyn Fn(c_int) -> Place,
    ) -> Result<(), Failure> {
        self.reset();
        self.put(&[0; HEADER]);
        self.patch_u32(5, count as u32);
        let top = lua_gettop(l);
        for index in first..first + count {
            if let Err(failure) = self.value(l, index, || start(index)) {
                lua_settop(l, top);
                self.forget_aside(l);
                return Err(failure);
            }
        }
        let filled = self.fill_aside(l, top);
        lua_settop(l, top);
        filled?;
        if self.out_of_memory {
            self.out = Vec::new();
            return Err(Failure::OutOfMemory);
        }
        self.out[0] = self.slots;
        let shared = self.shared;
        self.patch_u32(1, shared);
        if !self.needs.is_nothing() {
            let [needs, from] = self.needs.words();
            self.patch_u32(NEEDS, needs);
            self.patch_u32(NEEDS + 4, from);
        }
        Ok(())
    }

    fn reset(&mut self) {
        // A huge message must not keep its memory for ever.
        if self.out.capacity() > 1 << 20 {
            self.out = Vec::new();
        }
        self.out.clear();
        self.levels.clear();
        self.tables.clear();
        if self.shared != 0 {
            self.shared = 0;
        }
        // What earlier encodings have seen does not count any more; after a turn of the count it might seem to.
        self.encoding = self.encoding.wrapping_add(1);
        if self.encoding == 0 {
            self.strings = [UNSEEN; STRING_CACHE];
            self.encoding = 1;
        }
        self.slots = 0;
        self.aside.clear();
        self.out_of_memory = false;
        self.needs = Needs::default();
    }

    /// Encodes the value at `index` and everything in it.
    pub(super) unsafe fn value(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        match lua_type(l, index) {
            LUA_TTABLE => {}
            LUA_TFUNCTION if self.functions => return self.function(l, index, || start().text),
            LUA_TUSERDATA if object::get::<PayloadObject>(l, index).is_some() => {
                return self.wrapped(l, index, &start);
            }
            kind => {
                return self.scalar(l, index, kind).map_err(|refusal| refusal.failure(start().text));
            }
        }
        if self.has_name(l, index, &|| start().text)? {
            return Ok(());
        }
        if !self.reference(lua_topointer(l, index)) {
            if lua_checkstack(l, 8) == 0 {
                return Err(Failure::OutOfMemory);
            }
            lua_pushvalue(l, index);
            self.begin_table();
            let base = lua_gettop(l);
            lua_pushnil(l);
            self.walk(l, base, start)?;
        }
        Ok(())
    }

    /// Writes the table at `index` by its name if it has one.
    #[inline]
    unsafe fn has_name(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        place: &impl Fn() -> String,
    ) -> Result<bool, Failure> {
        if self.functions {
            return self.named(l, index, place);
        }
        let address = lua_topointer(l, index) as usize;
        let plain = match self.plain_tables {
            Some(tables) => tables,
            None if lua_checkstack(l, 4) == 0 => return Err(Failure::OutOfMemory),
            None => *self.plain_tables.insert(standard::plain_tables(l)),
        };
        if plain.contains(&address) { Err(Failure::FunctionMet) } else { Ok(false) }
    }

    /// Encodes what the Payload object at `index` wraps.
    unsafe fn wrapped(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        start: &dyn Fn() -> Place,
    ) -> Result<(), Failure> {
        if lua_checkstack(l, 8) == 0 {
            return Err(Failure::OutOfMemory);
        }
        lua_pushvalue(l, index);
        if payload::unwrap(l) == LUA_TUSERDATA {
            self.scalar(l, -1, LUA_TUSERDATA).map_err(|refusal| refusal.failure(start().text))?;
        } else {
            self.value(l, lua_gettop(l), start)?;
        }
        lua_pop(l, 1);
        Ok(())
    }

    /// Writes the table at `base`, whose key stands above it, and everything in it. Pops both.
    unsafe fn walk(
        &mut self,
        l: *mut lua_State,
        base: c_int,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        let bottom = self.levels.len() - 1;
        while self.levels.len() > bottom {
            if lua_next(l, -2) == 0 {
                lua_pop(l, 1);
                if let Some(level) = self.levels.pop() {
                    self.patch_u32(level.counts, level.items);
                    self.patch_u32(level.counts + 4, level.pairs);
                }
                continue;
            }
            let depth = self.levels.len() - bottom;
            if let Some(level) = self.levels.last_mut() {
                // Items from 1 on come first and in order; from the first other key on everything is a pair.
                let kind = lua_type(l, -2);
                if kind == LUA_TNUMBER
                    && level.pairs == 0
                    && to_whole(l, -2) == Some(i64::from(level.items) + 1)
                {
                    level.items += 1;
                } else {
                    level.pairs += 1;
                    self.key(l, kind, depth, base, &start)?;
                }
            }
            let mut kind = lua_type(l, -1);
            if kind == LUA_TUSERDATA {
                kind = payload::unwrap(l);
            }
            if kind != LUA_TTABLE {
                if self.functions && kind == LUA_TFUNCTION {
                    self.function(l, -1, || path(l, base, depth, start()))?;
                } else if let Err(refusal) = self.scalar(l, -1, kind) {
                    return Err(refusal.failure(path(l, base, depth, start())));
                }
                lua_pop(l, 1);
                continue;
            }
            if self.has_name(l, -1, &|| path(l, base, depth, start()))?
                || self.reference(lua_topointer(l, -1))
            {
                lua_pop(l, 1);
            } else if self.levels.len() < DEPTH && lua_checkstack(l, 8) != 0 {
                self.begin_table();
                lua_pushnil(l);
            } else {
                self.put_aside(l, -1, || path(l, base, depth, start()));
                lua_pop(l, 1);
            }
            if self.out_of_memory {
                return Err(Failure::OutOfMemory);
            }
        }
        Ok(())
    }

    /// Writes the key below the top.
    #[inline(always)]
    unsafe fn key(
        &mut self,
        l: *mut lua_State,
        kind: c_int,
        depth: usize,
        base: c_int,
        start: impl Fn() -> Place,
    ) -> Result<(), Failure> {
        let place = || key_place(l, base, depth, start());
        if kind != LUA_TUSERDATA {
            return self.key_at(l, -2, kind, place);
        }
        // The key itself stays where it is: the walk through the table goes on from it.
        lua_pushvalue(l, -2);
        let kind = payload::unwrap(l);
        let impossible = match kind {
            LUA_TNIL => Some("nil"),
            LUA_TNUMBER if lua_tonumber(l, -1).is_nan() => Some("NaN"),
            _ => None,
        };
        match impossible {
            Some(what) => return Err(Refusal::Type(what).failure(place())),
            None => self.key_at(l, -1, kind, place)?,
        }
        lua_pop(l, 1);
        Ok(())
    }

    /// Writes the value at `index`, of the type `kind`, as a key.
    #[inline(always)]
    unsafe fn key_at(
        &mut self,
        l: *mut lua_State,
        index: c_int,
        kind: c_int,
        place: impl Fn() -> String,
    ) -> Result<(), Failure> {
        match kind {
            LUA_TTABLE => {}
            LUA_TFUNCTION if self.functions => return self.function(l, index, place),
            _ => return self.scalar(l, index, kind).map_err(|refusal| refusal.failure(place())),
        }
        if self.has_name(l, index, &place)? {
            return Ok(());
        }
        if !self.reference(lua_topointer(l, index)) {
            self.put_aside(l, index, place);
        }
        Ok(())
    }

    /// Writes a reference if the table at this address was written before; else remembers that it is written now.
    pub(super) fn reference(&mut self, address: *const c_void) -> bool {
        let at = self.out.len();
        let Some(known) = self.tables.find_or_insert(address, at) else {
            return false;
        };
        let (first, mut id) = (known.at, known.id);
        if id == 0 {
            self.shared += 1;
            id = self.shared;
            known.id = id;
            self.out[first] = tag::TABLE_DEF;
            self.patch_u32(first + 9, id);
        }
        self.put(&[tag::TABLE_REF]);
        self.put(&id.to_le_bytes());
        true
    }

    fn begin_table(&mut self) {
        let counts = self.out.len() + 1;
        self.put(&[tag::TABLE; 1]);
        self.put(&[0; 12]);
        self.levels.push(Level { counts, items: 0, pairs: 0 });
    }

    /// The id of what stands at this address, if it was written before under one.
    pub(super) fn shared_id(&mut self, address: *const c_void) -> Option<u32> {
        let at = self.out.len();
        self.tables.find_or_insert(address, at).map(|known| known.id)
    }

    /// Gives an id to what was just looked up.
    pub(super) fn share(&mut self, address: *const c_void) -> u32 {
        self.shared += 1;
        self.tables.set_id(address, self.shared);
        self.shared
    }

    /// Writes a reference to the table at `index`, which comes later. `reference` has just remembered it.
    unsafe fn put_aside(&mut self, l: *mut lua_State, index: c_int, place: impl FnOnce() -> String) {
        let id = self.share(lua_topointer(l, index));
        self.keep_aside(l, index, id, place());
        self.put(&[tag::TABLE_REF]);
        self.put(&id.to_le_bytes());
    }

    /// Keeps what stands at `index` to be filled in behind the values.
    pub(super) unsafe fn keep_aside(&mut self, l: *mut lua_State, index: c_int, id: u32, place: String) {
        let index = lua_absindex(l, index);
        // The table of tables allocates: the collector, and with it Lua code, must not run meanwhile, and a limit of the
        // process's memory must not raise.
        let limit = Context::find(l).map(|context| (context, context.memory.set_limit(0)));
        let held = CollectorHeld::hold(l);
        lua_checkstack(l, 4);
        push_own_table(l, &ASIDE);
        lua_pushvalue(l, index);
        lua_rawseti(l, -2, lua_Integer::from(id));
        lua_pop(l, 1);
        held.release(l);
        if let Some((context, limit)) = limit {
            context.memory.set_limit(limit);
        }
        self.aside.push((id, place));
    }

    /// Fills in what was put aside, and what is put aside meanwhile.
    unsafe fn fill_aside(&mut self, l: *mut lua_State, top: c_int) -> Result<(), Failure> {
        let mut done = 0;
        let mut result = Ok(());
        while result.is_ok() && done < self.aside.len() {
            let (id, place) = (self.aside[done].0, self.aside[done].1.clone());
            done += 1;
            lua_settop(l, top);
            push_own_table(l, &ASIDE);
            lua_rawgeti(l, -1, lua_Integer::from(id));
            lua_remove(l, -2);
            if lua_type(l, -1) == LUA_TFUNCTION {
                result = self.fill_function(l, id, &place);
                continue;
            }
            self.put(&[tag::FILL]);
            self.put(&id.to_le_bytes());
            self.begin_table();
            let base = lua_gettop(l);
            lua_pushnil(l);
            result = self.walk(l, base, || Place { text: place.clone(), under_way: true });
        }
        self.forget_aside(l);
        result
    }

    unsafe fn forget_aside(&mut self, l: *mut lua_State) {
        if !self.aside.is_empty() {
            lua_pushnil(l);
            lua_rawsetp(l, LUA_REGISTRYINDEX, ptr::from_ref(&ASIDE).cast());
            self.aside.clear();
        }
    }

    /// Writes a value that is not a table, of the type `kind`.
    #[inline(always)]
    unsafe fn scalar(&mut self, l: *mut lua_State, index: c_int, kind: c_int) -> Result<(), Refusal> {
        match kind {
            LUA_TSTRING => {
                let mut len = 0;
                let start = lua_tolstring(l, index, &mut len);
                // SAFETY: a string, which stays on the stack.
                return self.string(std::slice::from_raw_parts(start.cast(), len));
            }
            LUA_TNUMBER => self.number(l, index),
            LUA_TBOOLEAN => self.put(&[if lua_toboolean(l, index) != 0 { tag::TRUE } else { tag::FALSE }]),
            LUA_TNIL => self.put(&[tag::NIL]),
            _ => return self.rare(l, index, kind),
        }
        if self.out_of_memory { Err(Refusal::Memory) } else { Ok(()) }
    }

    #[cold]
    unsafe fn rare(&mut self, l: *mut lua_State, index: c_int, kind: c_int) -> Result<(), Refusal> {
        match kind {
            LUA_TUSERDATA => match self.userdata(l, index) {
                // It may be of a library, whose table crosses by its name.
                Err(_) if !self.functions => return Err(Refusal::Again),
                written => written?,
            },
            LUA_TFUNCTION => return Err(Refusal::Again),
            LUA_TTHREAD => return Err(Refusal::Type("thread")),
            LUA_TLIGHTUSERDATA => return Err(Refusal::Type("lightuserdata")),
            // The only type left is LuaJIT's own.
            _ => return Err(Refusal::Type("cdata")),
        }
        if self.out_of_memory { Err(Refusal::Memory) } else { Ok(()) }
    }

    unsafe fn number(&mut self, l: *mut lua_State, index: c_int) {
        #[cfg(feature = "lua54")]
        let whole = if lua_isinteger(l, index) != 0 { Some(lua_tointeger(l, index)) } else { None };
        #[cfg(feature = "luajit")]
        let whole = {
            let number = lua_tonumber(l, index);
            // Doubles that are whole and exact travel as integers, except minus zero.
            let exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
            (exact && (number != 0.0 || number.is_sign_positive())).then_some(number as i64)
        };
        match whole {
            Some(whole) => {
                let mut bytes = [0; 11];
                bytes[0] = tag::INTEGER;
                let mut rest = zigzag(whole);
                let mut len = 1;
                while rest >= 0x80 {
                    bytes[len] = rest as u8 | 0x80;
                    rest >>= 7;
                    len += 1;
                }
                bytes[len] = rest as u8;
                self.put(&bytes[..=len]);
            }
            None => {
                let mut bytes = [tag::FLOAT; 9];
                bytes[1..].copy_from_slice(&lua_tonumber(l, index).to_le_bytes());
                self.put(&bytes);
            }
        }
    }

    #[inline(always)]
    fn string(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > SHORT {
            return self.long_string(bytes);
        }
        let address = bytes.as_ptr() as usize;
        let seen = &mut self.strings[(address >> 4) % STRING_CACHE];
        if seen.address == address && seen.encoding == self.encoding {
            if seen.slot == NO_SLOT && self.slots < NO_SLOT {
                seen.slot = self.slots;
                self.slots += 1;
                self.out[seen.at] = tag::STRING_DEF;
                self.out[seen.at + 1] = seen.slot;
            }
            if seen.slot != NO_SLOT {
                let slot = seen.slot;
                self.put(&[tag::STRING_REF, slot]);
                return if self.out_of_memory { Err(Refusal::Memory) } else { Ok(()) };
            }
        } else {
            *seen = Seen { address, at: self.out.len(), encoding: self.encoding, slot: NO_SLOT };
        }
        // The length of a short string takes one byte.
        if !self.has_room(SHORT + 3) {
            return Err(Refusal::Memory);
        }
        self.put(&[tag::STRING, 0, bytes.len() as u8]);
        self.put(bytes);
        Ok(())
    }

    fn long_string(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.put(&[tag::STRING, 0]);
        if !self.has_room(bytes.len().saturating_add(10)) {
            return Err(Refusal::Memory);
        }
        put_bytes(&mut self.out, bytes);
        Ok(())
    }

    /// Whether so many bytes can be appended.
    #[inline(always)]
    fn has_room(&mut self, count: usize) -> bool {
        self.out.capacity() - self.out.len() >= count || self.grow(count)
    }

    #[cold]
    fn grow(&mut self, count: usize) -> bool {
        count <= self.limit.saturating_sub(self.out.len()) && self.out.try_reserve(count).is_ok()
    }

    unsafe fn userdata(&mut self, l: *mut lua_State, index: c_int) -> Result<(), Refusal> {
        if let Some(error) = object::get::<ErrorObject>(l, index) {
            if let Some(details) = &error.0.details {
                self.needs = self.needs.and(Needs::of(details));
            }
            let mut bytes = vec![tag::ERROR];
            put_error(&mut bytes, &error.0);
            self.put(&bytes);
        } else if let Some(time) = object::get::<TimeObject>(l, index) {
            let mut bytes = vec![tag::TIME];
            put_time(&mut bytes, &time.0);
            self.put(&bytes);
        } else if let Some(duration) = object::get::<DurationObject>(l, index) {
            self.put(&[tag::DURATION]);
            self.put(&duration.0.to_le_bytes());
        } else if let Some(location) = object::get::<LocationObject>(l, index) {
            let mut bytes = vec![tag::LOCATION];
            put_zone(&mut bytes, &location.0);
            self.put(&bytes);
        } else {
            return Err(match object::class_of(l, index) {
                Some(class) if ptr::eq(class, &FIELD) => Refusal::Field,
                Some(class) => Refusal::Type(class.name),
                None => Refusal::Type("userdata"),
            });
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            let len = self.out.len();
            // SAFETY: there is room for the bytes behind the end.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.out.as_mut_ptr().add(len), bytes.len());
                self.out.set_len(len + bytes.len());
            }
        } else {
            self.out_of_memory = true;
        }
    }

    fn patch_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
}

impl Refusal {
    pub(super) fn failure(self, place: String) -> Failure {
        match self {
            Refusal::Type(what) => Failure::CannotSend { what, place: shown(place.as_bytes()) },
            Refusal::Field => Failure::UncalledField { place: shown(place.as_bytes()) },
            Refusal::Memory => Failure::OutOfMemory,
            Refusal::Again => Failure::FunctionMet,
        }
    }
}

/// The place of the value on top: the keys on the stack are the way to it.
unsafe fn path(l: *mut lua_State, base: c_int, depth: usize, start: Place) -> String {
    let mut steps = String::new();
    for level in 0..depth {
        place::step(&mut steps, l, base + 1 + 2 * level as c_int);
        if steps.len() > LONG_ENOUGH {
            break;
        }
    }
    start.followed_by(&steps)
}

/// The place of a key: the way to its table.
unsafe fn key_place(l: *mut lua_State, base: c_int, depth: usize, start: Place) -> String {
    let mut steps = String::new();
    for level in 0..depth - 1 {
        place::step(&mut steps, l, base + 1 + 2 * level as c_int);
        if steps.len() > LONG_ENOUGH {
            break;
        }
    }
    if start.text.len() > LONG_ENOUGH {
        return start.text;
    }
    let start = start.text;
    if steps.is_empty() { format!("{start}, key of the table") } else { format!("{start}, key of {steps}") }
}

/// Where a walk begins, as error texts show it.
pub(super) struct Place {
    /// `argument 3`, or how far the path has come.
    pub(super) text: String,
    /// The path inside tables has begun: further steps follow without a comma.
    under_way: bool,
}

impl Place {
    /// A place inside which a path of its own begins.
    pub(super) fn begun(text: String) -> Self {
        Place { text, under_way: false }
    }

    fn followed_by(self, steps: &str) -> String {
        if self.text.len() > LONG_ENOUGH {
            return self.text;
        }
        let comma = if self.under_way || steps.is_empty() { "" } else { ", " };
        format!("{}{comma}{steps}", self.text)
    }
}

/// Where the tables that were put aside are kept.
static ASIDE: u8 = 0;

/// Encodes details of an error, or anything else outside a call: the one value at `index`.
///
/// # Errors
/// As [`Encoder::encode`].
///
/// # Safety
/// As [`Encoder::encode`]; `encoder` is not in use.
pub unsafe fn encode_one(
    encoder: &mut Encoder,
    l: *mut lua_State,
    index: c_int,
    origin: Origin,
) -> Result<Vec<u8>, Failure> {
    let index = lua_absindex(l, index);
    encoder.encode(l, index, 1, origin).map(<[u8]>::to_vec)
}

/// Encodes the value at `index` as the details `{ value = … }` of an error, `None` if it cannot cross.
///
/// # Safety
/// As [`encode_one`]. May raise.
pub unsafe fn encode_value_detail(encoder: &mut Encoder, l: *mut lua_State, index: c_int) -> Option<Vec<u8>> {
    lua_pushvalue(l, index);
    lua_createtable(l, 0, 1);
    lua_insert(l, -2);
    set_raw_field(l, -2, c"value");
    let details = encode_one(encoder, l, -1, Origin::Details).ok();
    lua_pop(l, 1);
    details
}
