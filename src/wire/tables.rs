//! The tables that an encoding has met.

use rustc_hash::FxHashMap;
use std::ffi::c_void;

/// Which tables were written, by address: a short list that is searched, with an index once it is long.
#[derive(Default)]
pub struct Tables {
    list: Vec<KnownTable>,
    index: FxHashMap<usize, usize>,
}

/// A table that was written.
pub struct KnownTable {
    address: usize,
    /// Where it was written.
    pub at: usize,
    /// 0 until it is referred to.
    pub id: u32,
}

const SEARCHED: usize = 8;

impl Tables {
    /// A new encoding begins.
    pub fn clear(&mut self) {
        if self.list.len() > SEARCHED {
            if self.list.len() > 4096 {
                *self = Tables::default();
            } else {
                self.index.clear();
            }
        }
        self.list.clear();
    }

    fn position(&self, address: usize) -> Option<usize> {
        if self.list.len() <= SEARCHED {
            self.list.iter().position(|known| known.address == address)
        } else {
            self.index.get(&address).copied()
        }
    }

    /// The table if it is known; else it is from now on, written at `at`.
    pub fn find_or_insert(&mut self, address: *const c_void, at: usize) -> Option<&mut KnownTable> {
        let address = address as usize;
        if let Some(position) = self.position(address) {
            return self.list.get_mut(position);
        }
        let position = self.list.len();
        self.list.push(KnownTable { address, at, id: 0 });
        if position == SEARCHED {
            self.index
                .extend(self.list.iter().enumerate().map(|(position, known)| (known.address, position)));
        } else if position > SEARCHED {
            self.index.insert(address, position);
        }
        None
    }

    /// The table is referred to by this number from now on.
    pub fn set_id(&mut self, address: *const c_void, id: u32) {
        if let Some(position) = self.position(address as usize) {
            self.list[position].id = id;
        }
    }
}
