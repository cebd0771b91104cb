//! How a process is to be spawned.

use crate::runtime::failure::Failure;
use crate::runtime::host::{Host, Limits};
use crate::runtime::process::ContextValues;
use std::sync::Arc;

/// How a process is to be spawned, besides its entry, host and arguments.
#[derive(Clone)]
pub struct Plan {
    /// Context values that it gets besides those it inherits.
    pub values: ContextValues,
    /// Waiting messages, if that was said.
    pub mailbox_limit: Option<usize>,
    /// Bytes of Lua memory, if that was said.
    pub memory_limit: Option<usize>,
    /// Bytes of C stack, if that was said.
    pub stack_size: Option<usize>,
    /// How long `exec` waits at most, in nanoseconds, if that was said.
    pub timeout: Option<i64>,
    /// The name that it gets before it runs.
    pub name: Option<Vec<u8>>,
    /// Topics and encoded payloads of its first messages.
    pub messages: Vec<(Vec<u8>, Vec<u8>)>,
    /// What was given to the builder and cannot cross: told by the call that spawns.
    pub failure: Option<Failure>,
}

impl Plan {
    /// Nothing special.
    pub const EMPTY: Plan = Plan {
        values: ContextValues::new(),
        mailbox_limit: None,
        memory_limit: None,
        stack_size: None,
        timeout: None,
        name: None,
        messages: Vec::new(),
        failure: None,
    };

    /// The context of the child: that of its parent, with the builder's own values above it.
    pub fn values_over(&self, inherited: &Arc<ContextValues>) -> Arc<ContextValues> {
        if self.values.is_empty() {
            return Arc::clone(inherited);
        }
        let mut values = (**inherited).clone();
        values.extend(self.values.iter().map(|(key, value)| (key.clone(), Arc::clone(value))));
        Arc::new(values)
    }

    /// Whether this host can give what was asked for.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self, host: &Host) -> Result<(), Failure> {
        self.stack_size.map_or(Ok(()), |wanted| host.check_stack(wanted))
    }

    /// The limits of the child on a host with these.
    pub fn limits(&self, of_host: Limits) -> Limits {
        of_host.lowered(self.mailbox_limit, self.memory_limit, self.stack_size)
    }
}
