//! What one process has in process groups: what it is in, and what it wants to hear of. The groups themselves are in
//! [`super::groups`].

use std::collections::HashSet;
use std::sync::Arc;

/// The name of a group, shared by all who mention it.
pub type GroupName = Arc<[u8]>;

/// Which scope: numbers in the order of the first `open`.
pub type ScopeNumber = u32;

/// What a process wants to hear of.
#[derive(Clone, Debug, PartialEq)]
pub struct Interest {
    /// The scope.
    pub scope: ScopeNumber,
    /// The group, `None` for all of the scope.
    pub group: Option<GroupName>,
    /// The channel on which the process hears of it.
    pub channel: u64,
}

/// All of it. A process that has nothing to do with groups has none.
#[derive(Debug, Default)]
pub struct Belonging {
    /// The groups that it is in. Hashed with keys that nobody knows: processes choose the names.
    pub groups: HashSet<(ScopeNumber, GroupName)>,
    /// What it wants to hear of.
    pub interests: Vec<Interest>,
}
