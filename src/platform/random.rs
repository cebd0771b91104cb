//! Random numbers for seeds.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number, a different one for every call.
pub fn random_word() -> u64 {
    // Keys from the system for each thread, and another one for each use.
    RandomState::new().build_hasher().finish()
}
