//! What processes of restricted hosts may not do to others (H-31, B-100).

use crate::runtime::entry;
use crate::runtime::failure::Failure;
use crate::runtime::process::Process;
use crate::vm::context::Context;
use std::sync::Arc;

fn refusal(context: &Context, function: &'static str) -> Failure {
    Failure::NotAllowed { host: context.process().host.name.to_string(), function }
}

/// Whether the process may do this at all.
///
/// # Errors
/// It is restricted.
pub fn allowed(context: &Context, function: &'static str) -> Result<(), Failure> {
    if context.process().host.settings.restricted { Err(refusal(context, function)) } else { Ok(()) }
}

/// Whether the process may do this to `target`: anything to itself and to what it has spawned.
///
/// # Errors
/// It is restricted, and `target` is somebody else.
pub fn allowed_on(context: &Context, target: &Arc<Process>, function: &'static str) -> Result<(), Failure> {
    let own =
        Arc::ptr_eq(target, context.process()) || target.parent.as_ptr() == Arc::as_ptr(context.process());
    if own { Ok(()) } else { allowed(context, function) }
}

/// Whether the process may run this entry on this host: what others have defined, on its own host.
///
/// # Errors
/// It is restricted, and this is something else.
pub fn allowed_to_run(
    context: &Context,
    reference: Option<&str>,
    host: &str,
    function: &'static str,
) -> Result<(), Failure> {
    let own_host = host == &*context.process().host.name;
    if own_host && reference.is_some_and(|reference| entry::definition(reference).is_some()) {
        return Ok(());
    }
    allowed(context, function)
}
