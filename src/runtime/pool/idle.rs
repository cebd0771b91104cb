//! Which workers exist, which of them are idle, and which one is woken when there is something to do.
//!
//! Every worker is *at work* (in a step or about to look for one), *searching*, *idle* (parked, in `idle`), *away* (inside a
//! step that sleeps or does not end), or *spare* (parked, in `spares`, not needed). `active` counts all but the last two.

use super::worker_slot::WorkerSlot;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// The workers of one pool.
#[derive(Default)]
pub struct IdleWorkers {
    /// Slots that have a thread.
    pub(super) slots: RwLock<Vec<&'static WorkerSlot>>,
    pub(super) lists: Mutex<Lists>,
    /// The length of `idle`, as far as the lock knows.
    pub(super) idle: AtomicUsize,
    /// Workers that look for something to do, or were called to. While there is one nobody else is called.
    pub(super) searching: AtomicUsize,
    /// Workers that are neither away nor spares; changed under the lock.
    pub(super) active: AtomicUsize,
    /// There is an overseer.
    pub(super) overseen: AtomicBool,
    /// All threads were started, and none was dismissed since.
    pub(super) opened: AtomicBool,
}

#[derive(Default)]
pub(super) struct Lists {
    pub(super) idle: Vec<&'static WorkerSlot>,
    pub(super) spares: Vec<&'static WorkerSlot>,
    /// Slots without a thread.
    pub(super) free: Vec<&'static WorkerSlot>,
}

impl IdleWorkers {
    /// The slots with a thread.
    pub fn slots(&self) -> RwLockReadGuard<'_, Vec<&'static WorkerSlot>> {
        self.slots.read()
    }

    /// True if a worker is idle or searching: what lies in a queue is going to be taken.
    pub fn has_hands(&self) -> bool {
        self.searching.load(Ordering::SeqCst) > 0 || self.idle.load(Ordering::SeqCst) > 0
    }

    /// True if every active worker is parked. Nobody gets up while this is found out.
    pub fn is_asleep(&self) -> bool {
        let lists = self.lists.lock();
        lists.idle.len() >= self.active.load(Ordering::Relaxed) && self.searching.load(Ordering::SeqCst) == 0
    }

    /// A worker begins to search.
    pub fn begin_search(&self) {
        self.searching.fetch_add(1, Ordering::SeqCst);
    }

    /// A searching worker has found something: true if nobody searches any more.
    pub fn end_search(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// A searching worker has found nothing and is idle from now on. It has to look once more before it parks.
    pub fn park(&self, slot: &'static WorkerSlot) {
        let mut lists = self.lists.lock();
        slot.called.store(false, Ordering::Relaxed);
        lists.idle.push(slot);
        self.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.searching.fetch_sub(1, Ordering::SeqCst);
        drop(lists);
        fence(Ordering::SeqCst);
    }

    /// An idle worker has seen something to do before it has parked: it searches again. `false`: it was called anyhow.
    pub fn unpark(&self, slot: &'static WorkerSlot) -> bool {
        let mut lists = self.lists.lock();
        let Some(place) = lists.idle.iter().position(|other| std::ptr::eq(*other, slot)) else {
            return false;
        };
        lists.idle.remove(place);
        self.idle.store(lists.idle.len(), Ordering::SeqCst);
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// The worker does not count as active from now on; nothing happens if it does not already.
    pub fn go_away(&self, slot: &WorkerSlot) {
        let _lists = self.lists.lock();
        if !slot.away.swap(true, Ordering::AcqRel) {
            self.active.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The worker is active again.
    pub fn come_back(&self, slot: &WorkerSlot) {
        let _lists = self.lists.lock();
        if slot.away.swap(false, Ordering::AcqRel) {
            self.active.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Counts one more worker as active and searching, if there is a place: a spare that has to be called, or none, and then a
    /// thread has to be started. As relief only if nobody else searches.
    pub(super) fn admit(&self, size: usize, relief: bool) -> Option<Option<&'static WorkerSlot>> {
        let mut lists = self.lists.lock();
        let full = self.active.load(Ordering::Acquire) >= size;
        if full || (relief && self.searching.load(Ordering::SeqCst) > 0) {
            return None;
        }
        self.active.fetch_add(1, Ordering::AcqRel);
        self.searching.fetch_add(1, Ordering::SeqCst);
        Some(lists.spares.pop())
    }

    /// Undoes [`IdleWorkers::admit`]: no thread could be started.
    pub(super) fn take_back(&self) {
        let _lists = self.lists.lock();
        self.active.fetch_sub(1, Ordering::AcqRel);
        self.searching.fetch_sub(1, Ordering::SeqCst);
    }

    /// More workers are in steps than the pool has places: some have come back while their relief was at work.
    pub fn is_crowded(&self, size: usize) -> bool {
        let lists = self.lists.lock();
        let looking = lists.idle.len() + self.searching.load(Ordering::SeqCst);
        self.active.load(Ordering::Relaxed) > size + looking
    }

    /// More workers are active than the pool has places.
    pub fn is_overstaffed(&self, size: usize) -> bool {
        self.active.load(Ordering::Relaxed) > size
    }

    /// Makes a spare of the worker if there are too many.
    pub fn retire(&self, slot: &'static WorkerSlot, size: usize) -> bool {
        let mut lists = self.lists.lock();
        let retired = self.active.load(Ordering::Relaxed) > size;
        if retired {
            self.active.fetch_sub(1, Ordering::AcqRel);
            slot.called.store(false, Ordering::Relaxed);
            lists.spares.push(slot);
        }
        retired
    }

    /// A spare has waited for long enough: true if its thread ends. `false`: it was called just now.
    pub fn dismiss(&self, slot: &'static WorkerSlot) -> bool {
        let mut lists = self.lists.lock();
        let Some(place) = lists.spares.iter().position(|other| std::ptr::eq(*other, slot)) else {
            return false;
        };
        lists.spares.remove(place);
        drop(lists);
        self.slots.write().retain(|other| !std::ptr::eq(*other, slot));
        true
    }

    /// A searching worker was dismissed, and its thread ends.
    pub fn quit(&self, slot: &'static WorkerSlot) {
        self.slots.write().retain(|other| !std::ptr::eq(*other, slot));
        self.active.fetch_sub(1, Ordering::AcqRel);
        self.searching.fetch_sub(1, Ordering::SeqCst);
        self.opened.store(false, Ordering::Release);
    }

    /// The overseer was dismissed, and its thread ends.
    pub fn overseer_quits(&self) {
        self.overseen.store(false, Ordering::Release);
        self.opened.store(false, Ordering::Release);
    }

    /// The thread of a slot is gone.
    pub fn free(&self, slot: &'static WorkerSlot) {
        self.lists.lock().free.push(slot);
    }
}
