//! How a state holds what crosses by name. All main states are made alike, and so are the states of all hosts that grant the same
//! libraries: each is one *kind*. The library finds out once for each kind, by a look at its first state before any code of the
//! user's runs. No list says which functions a kind has in a form of its own. If something is not a C function that works
//! anywhere, each state *keeps* it (see [`super::standard`]).

use super::api::*;
use super::name::{Name, Of};
use super::paths::{is_iterator, is_plain, push_present, split};
use rustc_hash::FxHashMap;
#[cfg(feature = "luajit")]
use std::ffi::CStr;

/// What a state has under one name.
#[derive(Clone, Copy)]
pub enum Own {
    /// Nothing.
    Nothing,
    /// A C function without captured values.
    Plain(Function),
    /// What was kept at this position when the state was made.
    Kept(u32),
    /// Something of a module that may have to be loaded first.
    Module(usize),
    /// The blocking function of this name.
    #[cfg(feature = "luajit")]
    Blocking(&'static CStr),
    /// The function of `string` of this name, as a method of errors.
    ErrorMethod(usize),
}

/// How the states of one kind have each name.
#[derive(Default)]
pub struct Kind {
    /// For each name.
    pub own: Vec<Own>,
    /// The names of what each state keeps, by position.
    pub kept: Vec<usize>,
    /// C functions of this kind alone, with their names.
    pub by_address: FxHashMap<usize, usize>,
}

impl Kind {
    /// Reads the kind of a state that no code of the user's has changed.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    pub unsafe fn read(l: *mut lua_State, names: &[Name]) -> Self {
        let mut kind = Kind::default();
        for (place, name) in names.iter().enumerate() {
            let own = match name.of {
                Of::Own(function) => Own::Plain(function),
                Of::OwnTable => kind.keep(place),
                #[cfg(feature = "luajit")]
                Of::Blocking(name) => Own::Blocking(name),
                Of::ErrorMethod(function) => Own::ErrorMethod(function),
                // The functions of `ffi` crash unless it was opened.
                Of::Module(module) => match name.function {
                    Some(function) if name.plain && !name.text.starts_with(b"ffi.") => Own::Plain(function),
                    _ => Own::Module(module),
                },
                // SAFETY: as the caller says.
                Of::Standard => unsafe { kind.standard(l, place, name) },
            };
            kind.own.push(own);
        }
        // Those that stand in one table one after the other: each table is looked up once.
        kind.kept.sort_by_key(|&place| split(&names[place].text));
        for (position, &place) in kind.kept.iter().enumerate() {
            kind.own[place] = Own::Kept(position as u32 + 1);
        }
        kind
    }

    fn keep(&mut self, place: usize) -> Own {
        self.kept.push(place);
        Own::Kept(0)
    }

    /// Learns how the standard function at this place gets into a state.
    ///
    /// Stack: 0, room for 8
    /// Raises: memory
    ///
    /// # Safety
    /// Own state.
    unsafe fn standard(&mut self, l: *mut lua_State, place: usize, name: &Name) -> Own {
        // SAFETY: own state.
        let (present, function, plain) = unsafe {
            push_present(l, &name.text);
            let (present, function) = (lua_type(l, -1), lua_tocfunction(l, -1));
            let plain = present == LUA_TFUNCTION && is_plain(l, -1);
            lua_pop(l, 1);
            (present, function, plain)
        };
        match function.filter(|_| plain) {
            Some(function) => {
                if name.function.is_none_or(|stock| stock as usize != function as usize) {
                    self.by_address.insert(function as usize, place);
                }
                Own::Plain(function)
            }
            None if present != LUA_TNIL => self.keep(place),
            // Nothing leads to it without a call.
            None => match name.function {
                Some(function) if name.plain && is_iterator(&name.text) => Own::Plain(function),
                _ => Own::Nothing,
            },
        }
    }
}

/// What is kept in one state, by address: the places of its names.
pub type Kept = FxHashMap<usize, usize>;
