//! The program as a whole: its main processes, everything spawned from them, and how it ends.
//!
//! When the Lua state of a main process closes:
//!
//! 1. The realm is closing: nothing can be spawned from it or registered in it any more, and it reports nothing.
//! 2. The main process is gone; that counts as a normal exit.
//! 3. Processes that have asked for their events get CANCEL and the exit grace; all others are ended at once. The children of a
//!    supervisor have the grace too, but are left to it.
//! 4. Those that overrun are ended too, and their threads get a last moment. What is still left is stuck in code that
//!    cannot be stopped; the operating system ends it with the program.

use super::clock::{Timestamp, instant_after};
use super::directory;
use super::exit::{self, doom};
use super::failure::Failure;
use super::host::Host;
use super::libraries::Libraries;
use super::live;
use super::process::Process;
use super::realm::Realm;
use super::reaper;
use super::relations;
use super::shown::Shown;
use super::signal::{CancelRequest, Signal};
use super::sleeper::Sleeper;
use super::trace;
use super::tracing;
use super::vitals::Phase;
use crate::platform::Waker;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long threads that were told to stop are waited for.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Makes the calling Lua state a main process.
///
/// # Errors
/// The operating system has no descriptor left.
pub fn open_main(libraries: Libraries) -> io::Result<Arc<Process>> {
    let sleeper = Sleeper::Main(Waker::new()?);
    let host = Host::of_main(libraries);
    let main = Arc::new(Process::new("main:main", Arc::clone(&host), Arc::default(), sleeper));
    // The host of main processes has no limit.
    let _ = host.enter();
    live::one_more();
    directory::insert(&main);
    live::add_main(&main);
    main.vitals.set_phase(Phase::Running);
    main.with_shown(Shown::start_clock);
    Ok(main)
}

/// Ends a main process and everything spawned from it, in bounded time (see the top of this page).
pub fn close_main(main: &Arc<Process>) {
    let realm = &main.realm;
    if !realm.close() {
        return;
    }
    live::remove_main(main);
    exit::begin(main, Ok(Vec::new()));
    exit::finish(main);
    let end = end_all(main, b"main process ended", None);
    realm.wait_for_threads(end);
    for process in descendants(realm) {
        doom(&process, Failure::Terminated);
    }
    if let Some(last) = instant_after(LAST_MOMENT.as_nanos() as i64) {
        realm.wait_for_threads(last);
    }
    if trace::is_on() {
        // Nobody is there any more who could be told that the file cannot be written.
        let _ = tracing::stop();
    }
}

/// Has everything that was spawned from a main process end (M-31), while that lives on: nothing is spawned from it until
/// [`Realm::end_shutdown`]. Its links to what ends so mean nothing any more.
///
/// [`Realm::end_shutdown`]: super::realm::Realm::end_shutdown
pub fn begin_shutdown(main: &Arc<Process>, grace: Option<Duration>) {
    main.realm.begin_shutdown();
    for process in descendants(&main.realm) {
        relations::unlink(main, &process);
    }
    end_all(main, b"shutdown", grace);
}

/// Asks those to end that have asked for their events, and ends all others. When the last of those is ended that were asked;
/// `grace` is how long they have, each as long as its host says if there is none.
fn end_all(main: &Arc<Process>, reason: &[u8], grace: Option<Duration>) -> Instant {
    let (at, now) = (Timestamp::now(), Instant::now());
    let mut end = now;
    for process in descendants(&main.realm) {
        let grace = grace.unwrap_or(process.host.settings.exit_grace);
        let own_end = now.checked_add(grace).unwrap_or(end);
        let asked = is_supervised(&process)
            || process.with_relations(|relations| relations.reads_events)
                && process.signal(Signal::Cancel(Box::new(CancelRequest {
                    from: main.pid.clone(),
                    reason: Some(reason.to_vec()),
                    deadline: Some(at.plus(grace)),
                    at,
                    charge: None,
                })));
        if asked {
            reaper::doom_at(&process, own_end, Failure::Terminated);
            end = end.max(own_end);
        } else {
            doom(&process, Failure::Terminated);
        }
    }
    end
}

/// Whether its supervisor, which is asked to end, asks it in its turn.
fn is_supervised(process: &Process) -> bool {
    process.parent.upgrade().is_some_and(|parent| parent.is_supervisor())
}

fn descendants(realm: &Arc<Realm>) -> Vec<Arc<Process>> {
    directory::select(|process| !process.is_main() && Arc::ptr_eq(&process.realm, realm))
}
