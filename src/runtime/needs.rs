//! What the receiver of an encoded sequence must have.

use super::libraries::Libraries;
use crate::wire::NEEDS;
use std::sync::Arc;

/// What a sequence asks of its receiver, because functions are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// Functions are in it.
    pub functions: bool,
    /// The libraries whose functions it names.
    pub libraries: Libraries,
    /// The libraries of the process that the functions come from.
    pub origin: Libraries,
}

impl Needs {
    const FUNCTIONS: u32 = 1 << 31;

    /// What an encoded sequence needs.
    pub fn of(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
        };
        let bits = word(NEEDS);
        Needs {
            functions: bits & Self::FUNCTIONS != 0,
            libraries: Libraries::from_bits(bits & !Self::FUNCTIONS),
            origin: Libraries::from_bits(word(NEEDS + 4)),
        }
    }

    /// The two words of the header.
    pub fn words(self) -> [u32; 2] {
        let functions = if self.functions { Self::FUNCTIONS } else { 0 };
        [self.libraries.bits() | functions, self.origin.bits()]
    }

    /// Anybody can take it.
    pub fn is_nothing(self) -> bool {
        !self.functions
    }

    /// What both need together.
    pub fn and(self, other: Needs) -> Needs {
        match (self.functions, other.functions) {
            (false, _) => other,
            (_, false) => self,
            _ => Needs {
                functions: true,
                libraries: self.libraries.and(other.libraries),
                origin: self.origin.common(other.origin),
            },
        }
    }
}

/// What the processes of one host take, as far as the needs of a value go.
#[derive(Clone, Debug)]
pub struct Taker {
    /// The name of the host, for errors.
    pub name: Arc<str>,
    /// They take functions.
    pub functions: bool,
    /// The libraries that they have.
    pub libraries: Libraries,
    /// They are not trusted with more.
    pub restricted: bool,
}

impl Taker {
    /// Whether they take values that need this: functions from a process with fewer libraries are not trusted.
    pub fn takes(&self, needs: Needs) -> bool {
        needs.is_nothing()
            || (self.functions
                && self.libraries.contain(needs.libraries)
                && needs.origin.contain(self.libraries))
    }

    /// The libraries that their code may have come from: one that is not restricted is trusted whatever it lacks.
    pub fn origin(&self) -> Libraries {
        if self.restricted { self.libraries } else { Libraries::ALL }
    }
}
