//! The standard libraries of Lua as a set: which of them a host grants, and which a function needs.

/// A set of standard libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Libraries(u32);

/// Their names; `base` is what `print` and `pairs` belong to.
pub const NAMES: [&str; 13] = [
    "base",
    "string",
    "table",
    "math",
    "utf8",
    "coroutine",
    "io",
    "os",
    "debug",
    "package",
    "bit",
    "jit",
    "ffi",
];

impl Libraries {
    /// None.
    pub const NONE: Self = Libraries(0);
    /// All.
    pub const ALL: Self = Libraries((1 << NAMES.len()) - 1);

    /// The one of this name, `None` if there is no such library.
    pub fn named(name: &[u8]) -> Option<Self> {
        NAMES.iter().position(|known| known.as_bytes() == name).map(|place| Libraries(1 << place))
    }

    /// All of both.
    pub fn and(self, more: Self) -> Self {
        Libraries(self.0 | more.0)
    }

    /// Those that are in both.
    pub fn common(self, other: Self) -> Self {
        Libraries(self.0 & other.0)
    }

    /// Whether all of `others` are among them.
    pub fn contain(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// As a number, for [`Libraries::from_bits`].
    pub fn bits(self) -> u32 {
        self.0
    }

    /// What [`Libraries::bits`] gave.
    pub fn from_bits(bits: u32) -> Self {
        Libraries(bits)
    }
}
