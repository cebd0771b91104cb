//! The values of one state that cross by name ([`super::standard`]), as far as they were looked up.

use super::kind::{Kept, Kind};
use super::name::PlainTables;
use std::cell::{Cell, OnceCell};

/// What one state knows of its own names.
#[derive(Default)]
pub struct OwnNames {
    /// How the state has what crosses by name.
    kind: Cell<Option<&'static Kind>>,
    /// The values that the state keeps, once that was asked.
    kept: OnceCell<Kept>,
    /// Tables that have names though no function in them shows it; none until the first table is encoded.
    plain_tables: Cell<Option<PlainTables>>,
}

impl OwnNames {
    /// The kind of the state, once it is known.
    pub fn kind(&self) -> Option<&'static Kind> {
        self.kind.get()
    }

    /// The state is of this kind.
    pub fn set_kind(&self, kind: &'static Kind) {
        self.kind.set(Some(kind));
    }

    /// The values that the state keeps, by address; `read` finds them out at the first call.
    pub fn kept(&self, read: impl FnOnce() -> Kept) -> &Kept {
        self.kept.get_or_init(read)
    }

    /// The addresses of plain tables, once they are known.
    #[inline(always)]
    pub fn plain_tables(&self) -> Option<PlainTables> {
        self.plain_tables.get()
    }

    /// The plain tables have these addresses.
    pub fn set_plain_tables(&self, tables: PlainTables) {
        self.plain_tables.set(Some(tables));
    }
}
