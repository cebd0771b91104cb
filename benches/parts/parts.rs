//! The parts that know no Lua, each by itself: `scripts/parts`.
//!
//! The module is a library that only an interpreter can load. So its sources are compiled here once more, as for the
//! unit tests: without the parts that need a VM.

#[path = "../../src/calendar/mod.rs"]
mod calendar;
#[path = "../../src/platform/mod.rs"]
mod platform;
#[path = "../../src/runtime/mod.rs"]
mod runtime;
#[path = "../../src/scheduling/mod.rs"]
mod scheduling;
#[path = "../../src/wire/mod.rs"]
mod wire;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use runtime::envelope::Envelope;
use runtime::host::Host;
use runtime::libraries::Libraries;
use runtime::mailbox::Mailbox;
use runtime::process::Process;
use runtime::registry;
use runtime::sleeper::Sleeper;
use scheduling::Scheduler;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wire::plain::{self, Plain};
use wire::{HEADER, Reader, put_bytes, put_varint};

/// What `{ n = 1, s = "hello" }` is encoded to, about.
const PAYLOAD: [u8; 48] = [7; 48];

fn message() -> Envelope {
    Envelope::message("{app:processes|123}", b"item", &PAYLOAD).expect("memory for a message")
}

/// Pushes, and takes until this many have come, while `producers` threads push.
fn mailbox(c: &mut Criterion) {
    let mut group = c.benchmark_group("mailbox");
    group.bench_function("envelope", |b| b.iter(|| black_box(message())));
    group.bench_function("push and take one", |b| {
        let mailbox = Mailbox::default();
        b.iter_batched(
            message,
            |envelope| {
                let _ = mailbox.push(envelope);
                mailbox.take().next()
            },
            BatchSize::SmallInput,
        );
    });
    for producers in [1, 4] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("producers", producers), |b| {
            b.iter_custom(|count| contended(producers, count));
        });
    }
    group.finish();
}

/// How long it takes until `count` messages of several threads have been taken.
fn contended(producers: u64, count: u64) -> Duration {
    let mailbox = Arc::new(Mailbox::default());
    let begin = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..producers)
        .map(|number| {
            let (mailbox, begin) = (Arc::clone(&mailbox), Arc::clone(&begin));
            let share = count / producers + u64::from(number < count % producers);
            thread::spawn(move || {
                while !begin.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                for _ in 0..share {
                    let _ = mailbox.push(message());
                }
            })
        })
        .collect();
    let start = Instant::now();
    begin.store(true, Ordering::Release);
    let mut taken = 0;
    while taken < count {
        let batch = mailbox.take().map(black_box).count() as u64;
        taken += batch;
        if batch == 0 {
            thread::yield_now();
        }
    }
    let passed = start.elapsed();
    for thread in threads {
        thread.join().expect("a producer that does not panic");
    }
    passed
}

/// The bytes of a sequence, without a Lua state at either end.
fn codec_bytes(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    let record = Plain::Record(vec![
        ("kind", Plain::Text(b"Timeout".to_vec())),
        ("retryable", Plain::True),
        ("names", Plain::List(vec![Plain::Text(b"a name".to_vec()); 8])),
    ]);
    group.bench_function("plain record", |b| b.iter(|| plain::encode(black_box(&record))));

    let mut bytes = Vec::new();
    group.bench_function("write 100 fields", |b| {
        b.iter(|| {
            bytes.clear();
            bytes.extend_from_slice(&[0; HEADER]);
            for number in 0..100u64 {
                put_bytes(&mut bytes, b"a short key");
                put_varint(&mut bytes, black_box(number * 1000));
            }
            bytes.len()
        });
    });
    group.bench_function("read 100 fields", |b| {
        b.iter(|| {
            let mut reader = Reader::new(black_box(&bytes));
            reader.take(HEADER);
            let mut sum = 0;
            while !reader.is_empty() {
                sum += reader.bytes().map_or(0, <[u8]>::len) as u64;
                sum += reader.varint().unwrap_or(0);
            }
            sum
        });
    });
    group.finish();
}

/// Names, with few and with many of them registered.
fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("registry");
    let process =
        Arc::new(Process::new("t:t", Host::of_main(Libraries::ALL), Arc::default(), Host::of_main(Libraries::ALL).sleeper()));
    for count in [10, 10_000, 100_000] {
        for number in 0..count {
            let _ = registry::register(format!("name {number}").as_bytes(), &process);
        }
        group.bench_with_input(BenchmarkId::new("find", count), &count, |b, count| {
            let names: Vec<_> = (0..100).map(|n| format!("name {}", n * 7919 % count)).collect();
            let mut at = 0;
            b.iter(|| {
                at = (at + 1) % names.len();
                registry::find(names[at].as_bytes())
            });
        });
        group.bench_with_input(BenchmarkId::new("register, unregister", count), &count, |b, _| {
            b.iter(|| {
                let _ = registry::register(b"one more", &process);
                registry::unregister(b"one more", |_| Ok(()))
            });
        });
    }
    group.finish();
}

/// The timers of one process, with few and with many pending.
fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    let far = Instant::now() + Duration::from_secs(3600);
    for count in [10u64, 10_000, 100_000] {
        let crowded = || {
            let mut scheduler = Scheduler::default();
            for number in 0..count {
                scheduler.start_timer(Some(far + Duration::from_nanos(number)));
            }
            scheduler
        };
        group.bench_function(BenchmarkId::new("start, fire, receive", count), |b| {
            let mut scheduler = crowded();
            let due = Instant::now();
            b.iter(|| {
                let timer = scheduler.start_timer(Some(due));
                scheduler.fire_timers();
                let fired = scheduler.try_receive(timer).is_some();
                scheduler.drop_channel(timer);
                assert!(fired);
            });
        });
        group.bench_function(BenchmarkId::new("start, stop", count), |b| {
            let mut scheduler = crowded();
            b.iter(|| {
                let timer = scheduler.start_timer(Some(far));
                scheduler.stop_timer(timer);
                scheduler.drop_channel(timer);
            });
        });
    }
    group.finish();
}

/// A second for each figure.
fn briefly() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20)
        .without_plots()
}

criterion_group! {
    name = parts;
    config = briefly();
    targets = mailbox, codec_bytes, names, timers
}
criterion_main!(parts);
