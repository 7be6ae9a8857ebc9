//! Promises: awaited without a runtime, waited for with a bound, dropped, and shared.

use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Durability, Durable, Event, LamportTime, NotDurable, Options, Snapshotter};

use crate::common::gate::Gate;
use crate::common::{DEADLINE, join};

/// Wakes a thread that is parked, and counts.
struct Bell {
    thread: Thread,
    rung: AtomicUsize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn bell() -> Arc<Bell> {
    Arc::new(Bell { thread: thread::current(), rung: AtomicUsize::new(0) })
}

/// All that a future needs.
fn block_on(promise: Durable) -> Result<(), NotDurable> {
    let (bell, mut promise, deadline) = (bell(), pin!(promise), Instant::now() + DEADLINE);
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        if let Poll::Ready(result) = promise.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        assert!(Instant::now() < deadline, "nobody rings");
        thread::park_timeout(DEADLINE);
    }
}

/// A snapshot whose writer stands before a shut gate, with the position of a record that is not written.
fn stuck(gate: &Gate) -> (SimStorage, Snapshotter) {
    let storage = SimStorage::new();
    let options = Options::new().storage(gate.before(storage.clone()));
    let (log, _) = options.durability(Durability::Always).open("/snapshot").unwrap();
    gate.shut();
    log.record(join("a"));
    gate.wait_for_caller();
    (storage, log)
}

#[test]
fn a_promise_is_awaited_without_a_runtime() {
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    let position = log.record(join("b"));
    let waiting = {
        let log = log.clone();
        thread::spawn(move || {
            let ends = [log.durable(position), log.sync(), log.compact(), log.leave()];
            ends.into_iter().map(block_on).for_each(Result::unwrap);
            block_on(log.close()).unwrap();
        })
    };
    gate.open();
    waiting.join().unwrap();
    let position = log.progress().accepted;
    block_on(log.durable(position)).unwrap();
}

#[test]
fn the_last_waker_is_woken_once() {
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    let mut promise = pin!(log.sync());
    let bells = [bell(), bell()];
    for bell in [&bells[0], &bells[1], &bells[1]] {
        let waker = Waker::from(Arc::clone(bell));
        let polled = promise.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    assert_eq!(Arc::strong_count(&bells[0]), 1, "the first task is forgotten");
    gate.open();
    promise.wait(DEADLINE).unwrap();
    while bells[1].rung.load(Ordering::SeqCst) == 0 {
        thread::park_timeout(DEADLINE);
    }
    let waker = Waker::from(Arc::clone(&bells[0]));
    assert!(promise.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert!(
        promise.as_mut().poll(&mut Context::from_waker(&waker)).is_ready(),
        "as often as one asks"
    );
    log.close().wait(DEADLINE).unwrap();
    let rung = bells.map(|bell| bell.rung.load(Ordering::SeqCst));
    assert_eq!(rung, [0, 1]);
}

/// A waker that uses the snapshot, as an executor does that runs or drops a task where it is woken.
struct Host(Snapshotter, mpsc::SyncSender<u64>);

impl Wake for Host {
    fn wake(self: Arc<Self>) {
        let Self(log, said) = &*self;
        log.record(join("from the waker"));
        drop(log.sync());
        said.send(log.stats().records).unwrap();
    }
}

#[test]
fn a_waker_may_use_the_snapshot() {
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    let (said, heard) = mpsc::sync_channel(2);
    let mut promise = pin!(log.sync());
    let waker = Waker::from(Arc::new(Host(log.clone(), said)));
    assert!(promise.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.open();
    let records =
        heard.recv_timeout(DEADLINE).expect("the waker waits for a lock that its caller holds");
    assert_eq!(records, 2);
}

#[test]
fn a_wait_that_has_ended_may_be_repeated() {
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    let promise = log.sync();
    for limit in [0, 1, 10] {
        let error = promise.wait(Duration::from_millis(limit)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
    gate.open();
    promise.wait(DEADLINE).unwrap();
    promise.wait(Duration::ZERO).unwrap();
    promise.wait(Duration::MAX).unwrap();
}

#[test]
fn promises_that_are_dropped_do_not_pile_up() {
    const KEPT: usize = 100;
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    // Each open promise holds a waker, so wakers tell how many there are.
    let bell = bell();
    let waker = Waker::from(Arc::clone(&bell));
    let mut kept = Vec::new();
    for number in 0..30_000 {
        let mut promise =
            if number % 2 == 0 { log.sync() } else { log.durable(log.progress().accepted) };
        let polled = pin!(&mut promise).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        if number < KEPT {
            kept.push(promise);
        }
        let held = Arc::strong_count(&bell);
        assert!(held <= 4 * KEPT, "{held} promises are held after {number}");
    }
    gate.open();
    for promise in kept {
        promise.wait(DEADLINE).unwrap();
    }
    // What was many once does not let many lie for ever.
    drop((log.close().wait(DEADLINE), waker));
    assert_eq!(Arc::strong_count(&bell), 1);
}

#[test]
fn many_that_wait_cost_each_other_nothing() {
    let gate = Gate::default();
    let (_storage, log) = stuck(&gate);
    let promises: Vec<_> = (1..=20_000)
        .map(|time| {
            let position = log.record(Event::User(LamportTime(time)));
            log.durable(position)
        })
        .collect();
    gate.open();
    for promise in promises {
        promise.wait(DEADLINE).unwrap();
    }
}

#[test]
fn those_who_wait_share_syncs() {
    let gate = Gate::default();
    let (storage, log) = stuck(&gate);
    let before = storage.journal().count(Call::Sync);
    let waiting: Vec<_> = (0..16)
        .map(|thread| {
            let log = log.clone();
            thread::spawn(move || {
                let name = format!("node-{thread}");
                let position = log.record(join(&name));
                block_on(log.durable(position)).unwrap();
            })
        })
        .collect();
    // All have recorded before the first write ends.
    while log.stats().records < 17 {
        thread::yield_now();
    }
    gate.open();
    for thread in waiting {
        thread.join().unwrap();
    }
    let syncs = storage.journal().count(Call::Sync) - before;
    assert!(syncs <= 3, "{syncs} syncs for 16 who wait");
}

#[test]
fn an_attempt_that_fails_ends_every_promise_and_the_next_one_counts() {
    let gate = Gate::default();
    let (storage, log) = stuck(&gate);
    let position = log.record(join("b"));
    let promises = [log.durable(position), log.sync(), log.compact()];
    let nth = storage.journal().count(Call::Write) as u64 + 1;
    storage.fail(At::Nth(Call::Write, nth), Fault::error(libc::EIO));
    gate.open();
    for promise in promises {
        let error = promise.wait(DEADLINE).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EIO));
        assert!(!error.is_timeout() && error.to_string().starts_with("not durable: "), "{error}");
    }
    // The writer has gone on trying.
    log.durable(position).wait(DEADLINE).unwrap();
    assert!(log.health().is_good());
}

#[test]
fn a_host_that_panics_leaves_nobody_waiting() {
    let storage = SimStorage::new();
    storage.plant("/snapshot", "alive: a 10.0.0.1:7946\n");
    let (tell, told) = mpsc::channel();
    let options = Options::new().storage(storage.clone()).on_health(move |_| {
        tell.send(()).unwrap();
        panic!("a host's mistake, which this test asks for");
    });
    let (log, _) = options.open("/snapshot").unwrap();
    // The file is rewritten, and its health is told.
    told.recv_timeout(DEADLINE).unwrap();
    let position = log.record(join("b"));
    let later = log.durable(position).wait(DEADLINE);
    let closed = log.clone().close().wait(DEADLINE);
    assert!(!later.is_err_and(|error| error.is_timeout()), "nobody answers any more");
    assert!(!closed.is_err_and(|error| error.is_timeout()), "nobody answers any more");
    let opened = Options::new().storage(storage).open("/snapshot");
    assert!(opened.is_ok(), "the lock is free: {opened:?}");
}
