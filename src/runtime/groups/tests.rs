use super::*;
use crate::runtime::host;
use crate::runtime::sleeper::Sleeper;
use once_cell::sync::OnceCell;

fn process() -> Arc<Process> {
    let host = host::find("app:processes").unwrap();
    Arc::new(Process::new("t:t", host, Arc::default(), Sleeper::Thread(OnceCell::new())))
}

fn end(process: &Arc<Process>) {
    let belonging = process.with_relations(|relations| {
        relations.life.leave();
        relations.belonging.take()
    });
    release(process, *belonging.unwrap_or_default());
}

/// What the process was told: channel, group, PID, whether it joined.
fn told(process: &Process) -> Vec<(u64, Vec<u8>, Box<str>, bool)> {
    let change = |envelope: Envelope| match envelope.as_signal() {
        Some(Signal::Notice(notice)) => match &notice.what {
            Noticed::Membership(change) => {
                Some((notice.channel, change.group.to_vec(), change.pid.clone(), change.joined))
            }
            Noticed::Report(_) | Noticed::OsSignal(_) => None,
        },
        _ => None,
    };
    process.mailbox.take().filter_map(change).collect()
}

fn count(scope: &Scope, name: &[u8]) -> usize {
    scope.members(name).map_or(0, |members| members.len())
}

#[test]
fn a_name_is_one_scope() {
    assert!(Arc::ptr_eq(&open("test:one"), &open("test:one")));
    assert!(!Arc::ptr_eq(&open("test:one"), &open("test:two")));
}

#[test]
fn joins_are_counted_and_only_the_first_and_the_last_are_told() {
    let scope = open("test:counted");
    let (own, watcher) = (process(), process());
    assert_eq!(scope.subscribe(&watcher, Some(b"a"), 7).unwrap()[0].1.len(), 0);
    scope.join(&own, &[b"a", b"b", b"a"]).unwrap();
    scope.join(&own, &[b"a"]).unwrap();
    for _ in 0..2 {
        scope.leave(&own, &[b"a"]).unwrap();
        assert_eq!(count(&scope, b"a"), 1);
    }
    scope.leave(&own, &[b"c", b"a"]).unwrap();
    assert_eq!((count(&scope, b"a"), count(&scope, b"b")), (0, 1));
    assert!(matches!(scope.leave(&own, &[b"c", b"a"]), Err(Failure::NotAMember(name)) if name == b"c"));
    assert!(scope.leave(&own, &[]).is_ok());
    let pid = &own.pid;
    let expected = [(7, b"a".to_vec(), pid.clone(), true), (7, b"a".to_vec(), pid.clone(), false)];
    assert_eq!(told(&watcher), expected);
    end(&own);
    assert!(told(&watcher).is_empty() && scope.names().is_empty());
    assert!(scope.unsubscribe(&watcher, 7) && !scope.unsubscribe(&watcher, 7));
    assert!(scope.inside.lock().groups.is_empty());
}

#[test]
fn who_is_gone_is_in_no_group_and_joins_none() {
    let scope = open("test:gone");
    let (own, watcher) = (process(), process());
    assert!(scope.subscribe(&watcher, None, 1).unwrap().is_empty());
    scope.join(&own, &[b"a", b"b"]).unwrap();
    scope.subscribe(&own, Some(b"a"), 2).unwrap();
    assert_eq!(told(&watcher).len(), 2);
    end(&own);
    let mut left: Vec<_> = told(&watcher).into_iter().map(|(_, name, _, joined)| (name, joined)).collect();
    left.sort();
    assert_eq!(left, [(b"a".to_vec(), false), (b"b".to_vec(), false)]);
    assert!(scope.join(&own, &[b"a"]).is_err());
    assert!(scope.inside.lock().groups.is_empty());
    scope.join(&watcher, &[b"a"]).unwrap();
    assert!(told(&own).len() < 3, "it hears nothing any more");
    end(&watcher);
    assert!(scope.inside.lock().subscribers.is_empty());
}

#[test]
fn a_bad_name_changes_nothing() {
    let scope = open("test:bad");
    let own = process();
    let long = vec![b'x'; NAME_LIMIT + 1];
    assert!(matches!(scope.join(&own, &[b"a", b""]), Err(Failure::EmptyGroup)));
    assert!(matches!(scope.join(&own, &[b"a", &long]), Err(Failure::GroupTooLong(65_536))));
    assert!(scope.join(&own, &[&long[1..]]).is_ok());
    assert_eq!(count(&scope, b"a"), 0);
    end(&own);
}

#[test]
fn a_hundred_thousand_members() {
    let scope = open("test:many");
    let members: Vec<_> = (0..100_000).map(|_| process()).collect();
    for member in &members {
        scope.join(member, &[b"all"]).unwrap();
    }
    let payload = vec![7; 100_000];
    assert_eq!(broadcast(&scope, &members[0], b"all", b"t", &payload).unwrap(), 100_000);
    assert!(members.iter().all(|member| member.mailbox.take().count() == 1));
    members.iter().for_each(end);
    assert!(scope.names().is_empty());
}

#[test]
fn what_a_subscriber_hears_follows_what_it_was_shown() {
    let scope = open("test:races");
    let members: Vec<_> = (0..8).map(|_| process()).collect();
    std::thread::scope(|threads| {
        for (thread, own) in members.chunks(2).enumerate() {
            let scope = &scope;
            threads.spawn(move || {
                for step in 0..5_000usize {
                    let process = &own[step % 2];
                    if (step / 2 + thread).is_multiple_of(3) {
                        let _ = scope.leave(process, &[b"g"]);
                    } else {
                        scope.join(process, &[b"g"]).unwrap();
                    }
                }
                while scope.leave(&own[0], &[b"g"]).is_ok() {}
            });
        }
        for _ in 0..200 {
            let watcher = process();
            let shown = scope.subscribe(&watcher, Some(b"g"), 1).unwrap();
            let mut known: HashSet<Box<str>> = shown[0].1.iter().map(|member| member.pid.clone()).collect();
            std::thread::yield_now();
            let now = {
                let mut inside = scope.inside.lock();
                let members = inside.groups.get_mut(&b"g"[..]).map(Group::list);
                for (_, _, pid, joined) in told(&watcher) {
                    assert!(if joined { known.insert(pid) } else { known.remove(&pid) });
                }
                members
            };
            let now: HashSet<Box<str>> =
                now.iter().flat_map(|members| members.iter()).map(|member| member.pid.clone()).collect();
            assert_eq!(known, now);
            assert!(scope.unsubscribe(&watcher, 1));
        }
    });
    members.iter().for_each(end);
    assert!(scope.inside.lock().groups.is_empty());
}
