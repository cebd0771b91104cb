//! Process groups (G-1 to G-9): processes join groups by name, others send to all members of a group, or hear who comes and goes.
//!
//! A *scope* is a table of groups behind one lock. A group has its members, each with how often it has joined, and its
//! subscribers. What a process has in groups is noted in its relations as well ([`Belonging`]), so that one that is in no group pays
//! nothing when it ends.
//!
//! **Invariants.**
//! - Both sides change under the lock of the scope: a process is a member exactly while its relations say so, until its end takes
//!   them all out at once. It cannot join afterwards, since it is gone then, which is asked under the same lock of its relations.
//! - An event is put into the mailboxes of the subscribers under the lock of the scope, and a subscriber is shown the members under
//!   the same lock. So what it hears follows what it was shown, without gap or overlap, and for one process joins and leaves
//!   alternate.
//! - A group without members and subscribers is not in the table.
//!
//! Locks: that of a scope, then the relations of one process. Nobody is woken under them.

use super::belonging::{Belonging, GroupName, Interest, ScopeNumber};
use super::envelope::Envelope;
use super::errand::Asleep;
use super::failure::Failure;
use super::lifecycle::Stage;
use super::mailbox::Owner;
use super::needs::Needs;
use super::pid::ProcessId;
use super::process::Process;
use super::signal::{Membership, Notice, Noticed, Signal};
use crate::platform::reserve;
use once_cell::sync::Lazy;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// All scopes, by number and by name. They are never removed.
static SCOPES: Lazy<RwLock<Scopes>> = Lazy::new(Default::default);

#[derive(Default)]
struct Scopes {
    all: Vec<Arc<Scope>>,
    by_name: HashMap<Box<str>, Arc<Scope>>,
}

/// A table of groups.
pub struct Scope {
    number: ScopeNumber,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Hashed with keys that nobody knows: processes choose the names.
    groups: HashMap<GroupName, Group>,
    /// Those who hear of every group.
    subscribers: Vec<Subscriber>,
}

#[derive(Default)]
struct Group {
    members: FxHashMap<ProcessId, Member>,
    subscribers: Vec<Subscriber>,
    /// The members, for those who go through them without the lock; none when they have changed since.
    listed: Option<Members>,
}

/// The members of a group at one moment.
pub type Members = Arc<[Arc<Process>]>;

struct Member {
    process: Arc<Process>,
    /// How often it has joined, at least once.
    joins: usize,
}

struct Subscriber {
    process: Arc<Process>,
    channel: u64,
}

/// The scope of this name, which exists from now on.
pub fn open(name: &str) -> Arc<Scope> {
    if let Some(scope) = SCOPES.read().by_name.get(name) {
        return Arc::clone(scope);
    }
    let mut scopes = SCOPES.write();
    if let Some(scope) = scopes.by_name.get(name) {
        return Arc::clone(scope);
    }
    let scope = Arc::new(Scope { number: scopes.all.len() as ScopeNumber, inside: Mutex::default() });
    scopes.all.push(Arc::clone(&scope));
    scopes.by_name.insert(name.into(), Arc::clone(&scope));
    scope
}

fn scope_of(number: ScopeNumber) -> Option<Arc<Scope>> {
    SCOPES.read().all.get(number as usize).cloned()
}

/// Longest name of a group, in bytes.
const NAME_LIMIT: usize = 65_535;

/// Whether a group may have this name.
///
/// # Errors
/// It is empty or too long.
pub fn check_name(name: &[u8]) -> Result<(), Failure> {
    match name.len() {
        0 => Err(Failure::EmptyGroup),
        1..=NAME_LIMIT => Ok(()),
        length => Err(Failure::GroupTooLong(length)),
    }
}

/// Bytes that a membership, or an interest, costs, about.
fn cost(name: &[u8]) -> usize {
    2 * name.len() + 256
}

impl Scope {
    /// Makes the process a member of these groups, once more of those it is in already: of all of them, or of none.
    ///
    /// # Errors
    /// A bad name, no memory, or a process that is gone.
    pub fn join(&self, process: &Arc<Process>, names: &[&[u8]]) -> Result<(), Failure> {
        names.iter().try_for_each(|name| check_name(name))?;
        let mut inside = self.inside.lock();
        let mut new: HashSet<GroupName> = HashSet::new();
        for name in names {
            let group = inside.groups.get_key_value(*name);
            if !group.is_some_and(|(_, group)| group.members.contains_key(&process.id))
                && !new.contains(*name)
            {
                new.insert(group.map_or_else(|| GroupName::from(*name), |(name, _)| Arc::clone(name)));
            }
        }
        let charged = new.iter().map(|name| cost(name)).sum();
        let noted = if process.charge(charged) {
            process.with_relations(|relations| {
                if relations.life.stage() == Stage::Gone {
                    return Err(Failure::ProcessNotFound(process.pid.as_bytes().to_vec()));
                }
                let groups = &mut relations.belonging.get_or_insert_default().groups;
                groups.extend(new.iter().map(|name| (self.number, Arc::clone(name))));
                Ok(())
            })
        } else {
            Err(Failure::OutOfMemory)
        };
        if noted.is_err() {
            process.discharge(charged);
            return noted;
        }
        let mut asleep = Asleep::default();
        for name in names {
            if let Some(name) = new.take(*name) {
                let group = inside.groups.entry(Arc::clone(&name)).or_default();
                group.members.insert(process.id, Member { process: Arc::clone(process), joins: 1 });
                group.listed = None;
                inside.tell(&name, process, true, &mut asleep);
            } else if let Some(group) = inside.groups.get_mut(*name)
                && let Some(member) = group.members.get_mut(&process.id)
            {
                member.joins += 1;
            }
        }
        drop(inside);
        asleep.wake();
        Ok(())
    }

    /// Takes one join back for each of these names; those that the process is not in are passed over.
    ///
    /// # Errors
    /// A bad name; or it is in none of them.
    pub fn leave(&self, process: &Arc<Process>, names: &[&[u8]]) -> Result<(), Failure> {
        names.iter().try_for_each(|name| check_name(name))?;
        let mut inside = self.inside.lock();
        let mut asleep = Asleep::default();
        let mut found = names.is_empty();
        for name in names {
            let Some((name, _)) = inside.groups.get_key_value(*name) else { continue };
            let name = Arc::clone(name);
            let Some(group) = inside.groups.get_mut(&name) else { continue };
            let Some(member) = group.members.get_mut(&process.id) else { continue };
            found = true;
            member.joins -= 1;
            if member.joins > 0 {
                continue;
            }
            process.with_relations(|relations| {
                if let Some(belonging) = &mut relations.belonging {
                    belonging.groups.remove(&(self.number, Arc::clone(&name)));
                }
            });
            inside.remove(&name, process, &mut asleep);
            process.discharge(cost(&name));
        }
        drop(inside);
        asleep.wake();
        if found { Ok(()) } else { Err(Failure::NotAMember(names[0].to_vec())) }
    }

    /// The members of a group now, `None` if it has none.
    pub fn members(&self, name: &[u8]) -> Option<Members> {
        self.inside.lock().groups.get_mut(name).filter(|group| !group.members.is_empty()).map(Group::list)
    }

    /// The groups that have members now.
    pub fn names(&self) -> Vec<GroupName> {
        let inside = self.inside.lock();
        let groups = inside.groups.iter().filter(|(_, group)| !group.members.is_empty());
        groups.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// From now on the process hears on this channel of everybody who comes and goes, in one group or in all. The members at this
    /// moment, by group.
    ///
    /// # Errors
    /// No memory; nothing has changed then.
    pub fn subscribe(
        &self,
        process: &Arc<Process>,
        name: Option<&[u8]>,
        channel: u64,
    ) -> Result<Vec<(GroupName, Members)>, Failure> {
        let charged = cost(name.unwrap_or_default());
        if !process.charge(charged) {
            process.discharge(charged);
            return Err(Failure::OutOfMemory);
        }
        let mut inside = self.inside.lock();
        let subscriber = Subscriber { process: Arc::clone(process), channel };
        let group = name.map(|name| {
            let known = inside.groups.get_key_value(name).map(|(name, _)| Arc::clone(name));
            known.unwrap_or_else(|| name.into())
        });
        let shown = match &group {
            Some(name) => {
                let group = inside.groups.entry(Arc::clone(name)).or_default();
                group.subscribers.push(subscriber);
                vec![(Arc::clone(name), group.list())]
            }
            None => {
                inside.subscribers.push(subscriber);
                let groups = inside.groups.iter_mut().filter(|(_, group)| !group.members.is_empty());
                groups.map(|(name, group)| (Arc::clone(name), group.list())).collect()
            }
        };
        process.with_relations(|relations| {
            let interests = &mut relations.belonging.get_or_insert_default().interests;
            interests.push(Interest { scope: self.number, group, channel });
        });
        Ok(shown)
    }

    /// Undoes [`Scope::subscribe`] for this channel; `false` if that is undone already.
    pub fn unsubscribe(&self, process: &Process, channel: u64) -> bool {
        let interest = process.with_relations(|relations| {
            let interests = &mut relations.belonging.as_mut()?.interests;
            let place = interests.iter().position(|interest| interest.channel == channel)?;
            Some(interests.swap_remove(place))
        });
        if let Some(interest) = &interest {
            self.forget(process, interest);
            process.discharge(cost(interest.group.as_deref().unwrap_or_default()));
        }
        interest.is_some()
    }

    fn forget(&self, process: &Process, interest: &Interest) {
        let mut inside = self.inside.lock();
        let others = |other: &Subscriber| other.process.id != process.id || other.channel != interest.channel;
        match &interest.group {
            None => inside.subscribers.retain(others),
            Some(name) => {
                if let Some(group) = inside.groups.get_mut(name) {
                    group.subscribers.retain(others);
                }
                inside.tidy(name);
            }
        }
    }
}

impl Group {
    fn list(&mut self) -> Members {
        let members = &self.members;
        let list = || members.values().map(|member| Arc::clone(&member.process)).collect();
        Arc::clone(self.listed.get_or_insert_with(list))
    }
}

impl Inside {
    /// Tells the subscribers that the process has come into the group, or has left it.
    fn tell(&self, name: &GroupName, process: &Process, joined: bool, asleep: &mut Asleep) {
        let of_group = self.groups.get(name).map_or(&[][..], |group| &group.subscribers);
        for Subscriber { process: subscriber, channel } in of_group.iter().chain(&self.subscribers) {
            let change = Membership { group: Arc::clone(name), pid: process.pid.clone(), joined };
            let notice = Notice { channel: *channel, what: Noticed::Membership(change) };
            if subscriber.put_signal(Signal::Notice(Box::new(notice))) == Some(Owner::Parked) {
                asleep.add(subscriber);
            }
        }
    }

    /// Takes a member out, and tells the subscribers.
    fn remove(&mut self, name: &GroupName, process: &Process, asleep: &mut Asleep) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.members.remove(&process.id);
        group.listed = None;
        self.tell(name, process, false, asleep);
        self.tidy(name);
    }

    fn tidy(&mut self, name: &GroupName) {
        let is_empty = |group: &Group| group.members.is_empty() && group.subscribers.is_empty();
        if self.groups.get(name).is_some_and(is_empty) {
            self.groups.remove(name);
        }
    }
}

/// The process is gone: it leaves all groups, and hears nothing any more.
pub(super) fn release(process: &Process, belonging: Belonging) {
    for interest in &belonging.interests {
        if let Some(scope) = scope_of(interest.scope) {
            scope.forget(process, interest);
        }
    }
    let mut asleep = Asleep::default();
    for (number, name) in &belonging.groups {
        if let Some(scope) = scope_of(*number) {
            scope.inside.lock().remove(name, process, &mut asleep);
        }
    }
    asleep.wake();
}

/// The process goes on with other code, which has no subscriptions.
pub fn unsubscribe_all(process: &Process) {
    let interests = process.with_relations(|relations| {
        relations.belonging.as_mut().map(|belonging| std::mem::take(&mut belonging.interests))
    });
    for interest in interests.into_iter().flatten() {
        if let Some(scope) = scope_of(interest.scope) {
            scope.forget(process, &interest);
        }
        process.discharge(cost(interest.group.as_deref().unwrap_or_default()));
    }
}

/// Payloads of at least so many bytes are not copied for each member.
const SHARED: usize = 512;

/// Sends one message to every member of a group: to how many. One that does not take it is passed over.
///
/// # Errors
/// No memory for the payload.
pub fn broadcast(
    scope: &Scope,
    sender: &Process,
    name: &[u8],
    topic: &[u8],
    payload: &[u8],
) -> Result<usize, Failure> {
    let Some(members) = scope.members(name) else { return Ok(0) };
    let needs = Needs::of(payload);
    let shared = match payload.len() {
        ..SHARED => None,
        _ => Some(reserve::shared(payload).ok_or(Failure::OutOfMemory)?),
    };
    let mut count = 0;
    for member in members.iter() {
        if !member.taker().takes(needs) {
            continue;
        }
        let message = match &shared {
            Some(shared) => Envelope::shared(&sender.pid, topic, Arc::clone(shared)),
            None => Envelope::message(&sender.pid, topic, payload),
        };
        if message.is_ok_and(|message| member.deliver(message).is_ok()) {
            sender.vitals.sent(payload.len());
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
