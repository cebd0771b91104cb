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
    /// All that the VM has.
    pub const ALL: Self = {
        // `utf8` is only in Lua 5.4, the last three are only in LuaJIT.
        let absent = if cfg!(feature = "luajit") { 1 << 4 } else { 0b111 << (NAMES.len() - 3) };
        Libraries(((1 << NAMES.len()) - 1) & !absent)
    };

    /// The one of this name, `None` if the VM has no such library.
    pub fn named(name: &[u8]) -> Option<Self> {
        let place = NAMES.iter().position(|known| known.as_bytes() == name)?;
        let library = Libraries(1 << place);
        Self::ALL.contain(library).then_some(library)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_the_vm_has() {
        for name in ["utf8", "bit", "jit", "ffi"] {
            let here = cfg!(feature = "luajit") == (name != "utf8");
            assert_eq!(Libraries::named(name.as_bytes()).is_some(), here, "{name}");
        }
        let named = NAMES.iter().filter_map(|name| Libraries::named(name.as_bytes()));
        assert_eq!(named.fold(Libraries::NONE, Libraries::and), Libraries::ALL);
        assert!(Libraries::named(b"strin").is_none());
    }
}
