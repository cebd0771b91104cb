//! The strings that an encoding has met, so that one which occurs again is written as a reference.

/// Strings up to this length, in bytes, are looked up for being written before; longer ones seldom repeat. Their length takes
/// one byte.
pub const SHORT: usize = 40;

const PLACES: usize = 64;

/// No slot was given yet.
const NO_SLOT: u8 = u8::MAX;

/// Where each short string was written, by the address of Lua's only copy of it. A string may be forgotten for another one:
/// it is written in full again then.
pub struct Strings {
    places: [Place; PLACES],
    /// The number of this encoding. What earlier ones have met does not count any more.
    encoding: u32,
    slots: u8,
}

#[derive(Clone, Copy)]
struct Place {
    address: usize,
    at: usize,
    encoding: u32,
    slot: u8,
}

const NEVER: Place = Place { address: 0, at: 0, encoding: 0, slot: NO_SLOT };

/// What an encoding has to do with a string.
pub enum Met {
    /// To write it in full: it is new, or there are no slots left.
    New,
    /// To write it in full at its first place, under this slot from now on, and to refer to it.
    Again {
        /// Where that place is.
        first: usize,
        /// The slot.
        slot: u8,
    },
    /// To refer to it.
    Known {
        /// The slot it has.
        slot: u8,
    },
}

impl Default for Strings {
    fn default() -> Self {
        Strings { places: [NEVER; PLACES], encoding: 0, slots: 0 }
    }
}

impl Strings {
    /// A new encoding begins.
    pub fn clear(&mut self) {
        self.slots = 0;
        self.encoding = self.encoding.wrapping_add(1);
        // After a turn of the count old places might seem to be of this encoding.
        if self.encoding == 0 {
            *self = Strings { encoding: 1, ..Strings::default() };
        }
    }

    /// How many slots were given.
    pub fn slots(&self) -> u8 {
        self.slots
    }

    /// The string at `address` is about to be written at `at`.
    #[inline(always)]
    pub fn meet(&mut self, address: usize, at: usize) -> Met {
        let place = &mut self.places[(address >> 4) % PLACES];
        if place.address != address || place.encoding != self.encoding {
            *place = Place { address, at, encoding: self.encoding, slot: NO_SLOT };
            return Met::New;
        }
        if place.slot != NO_SLOT {
            return Met::Known { slot: place.slot };
        }
        if self.slots == NO_SLOT {
            return Met::New;
        }
        place.slot = self.slots;
        self.slots += 1;
        Met::Again { first: place.at, slot: place.slot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_gets_a_slot_when_it_is_met_again() {
        let mut strings = Strings::default();
        strings.clear();
        assert!(matches!(strings.meet(0x1000, 17), Met::New));
        assert!(matches!(strings.meet(0x1010, 30), Met::New));
        assert!(matches!(strings.meet(0x1000, 40), Met::Again { first: 17, slot: 0 }));
        assert!(matches!(strings.meet(0x1000, 50), Met::Known { slot: 0 }));
        assert_eq!(strings.slots(), 1);
        strings.clear();
        assert!(matches!(strings.meet(0x1000, 17), Met::New));
        assert_eq!(strings.slots(), 0);
    }

    #[test]
    fn what_another_string_has_taken_the_place_of_is_new() {
        let mut strings = Strings::default();
        strings.clear();
        let rival = 0x1000 + (PLACES << 4);
        assert!(matches!(strings.meet(0x1000, 17), Met::New));
        assert!(matches!(strings.meet(rival, 30), Met::New));
        assert!(matches!(strings.meet(0x1000, 40), Met::New));
    }
}
