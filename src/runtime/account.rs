//! What others keep for a process: bytes that count towards its memory although its Lua state does not hold them.
//!
//! A process of a restricted host has an account. Whoever keeps something for it (its mailbox, the table of names, another
//! process's mailbox) charges the account first and discharges it when the bytes are freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes charged to one process. Its steps also order what was written before them, which `senders` relies on.
#[derive(Debug, Default)]
pub struct Account(AtomicUsize);

impl Account {
    /// Counts `size` bytes. `false`: that makes more than `limit` bytes in all; they are counted all the same.
    pub fn charge(&self, size: usize, limit: usize) -> bool {
        let before = self.0.fetch_add(size, Ordering::AcqRel);
        before.saturating_add(size) <= limit
    }

    /// Undoes [`Account::charge`].
    pub fn discharge(&self, size: usize) {
        self.0.fetch_sub(size, Ordering::AcqRel);
    }

    /// Bytes charged so far.
    pub fn charged(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes charged to an account for as long as this value lives.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    size: usize,
}

impl Charge {
    /// Charges `size` bytes. `None`, and nothing is charged, if that makes more than `limit` bytes in all.
    pub fn new(account: &Arc<Account>, size: usize, limit: usize) -> Option<Self> {
        // A charge that does not fit is dropped here, which takes it back.
        let charge = Charge { account: Arc::clone(account), size };
        account.charge(size, limit).then_some(charge)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.discharge(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_lasts_as_long_as_its_value() {
        let account = Arc::default();
        let first = Charge::new(&account, 60, 100);
        assert!(first.is_some() && account.charged() == 60);
        assert!(Charge::new(&account, 41, 100).is_none());
        assert_eq!(account.charged(), 60);
        drop(first);
        assert_eq!(account.charged(), 0);
    }
}
