//! The models.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Durability, Durable, Event, Member, NotDurable, Options, Policy, Snapshotter};
use snapshot_model::{Model, Rules};

/// How often a thread may be stopped where it need not be, unless the environment says otherwise. Most races need two.
const PREEMPTIONS: usize = 2;

/// Explores all interleavings and tells how many there were.
fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.max_branches = 50_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("proof: model name={name} executions={executions} violations=0");
}

/// A snapshot that is written only when somebody needs it: no time of day has a part in the model.
fn open(storage: &SimStorage) -> Snapshotter {
    let mut policy = Policy::default();
    policy.durability = Durability::Always;
    policy.check_interval = Duration::ZERO;
    let options = Options::new().policy(policy).storage(storage.clone());
    options.open("/snapshot").unwrap().0
}

fn join(name: &str) -> Event<'_> {
    Event::MemberJoin(Member::new(name.as_bytes(), b"10.0.0.1:7946").unwrap())
}

/// What is left when the power fails now and nothing is kept that was not synced.
fn after_power_cut(storage: &SimStorage) -> Model {
    let worst = storage.crash_images(0, 2).next().unwrap();
    let file = worst.storage.contents("/snapshot").unwrap_or_default();
    snapshot_model::replay(&file, &Rules::hardened(true))
}

fn is_there(storage: &SimStorage, name: &str) -> bool {
    after_power_cut(storage).alive.contains_key(name.as_bytes())
}

#[test]
fn whoever_waits_for_a_position_ends_and_has_it() {
    explore("waiters", || {
        let storage = SimStorage::new();
        let log = open(&storage);
        let other = {
            let (log, storage) = (log.clone(), storage.clone());
            thread::spawn(move || {
                let position = log.record(join("a"));
                log.durable(position).wait(Duration::MAX).unwrap();
                assert!(is_there(&storage, "a"), "it was said to be durable");
            })
        };
        log.record(join("b"));
        log.sync().wait(Duration::MAX).unwrap();
        assert!(is_there(&storage, "b"), "it was said to be durable");
        other.join().unwrap();
        drop(log);
        assert_eq!(storage.open_files(), 0);
    });
}

/// Wakes a thread that waits for it.
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn block_on(promise: Durable) -> Result<(), NotDurable> {
    let bell = Arc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() });
    let (waker, mut promise) = (Waker::from(Arc::clone(&bell)), pin!(promise));
    loop {
        if let Poll::Ready(result) = promise.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let mut rung = bell.rung.lock().unwrap();
        while !*rung {
            rung = bell.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[test]
fn a_future_is_woken() {
    explore("futures", || {
        let storage = SimStorage::new();
        let log = open(&storage);
        let other = {
            let log = log.clone();
            thread::spawn(move || {
                log.record(join("a"));
                drop(log.sync());
            })
        };
        let position = log.record(join("b"));
        block_on(log.durable(position)).unwrap();
        assert!(is_there(&storage, "b"));
        other.join().unwrap();
        block_on(log.close()).unwrap();
        assert!(is_there(&storage, "a"));
    });
}

#[test]
fn a_leave_is_acknowledged_when_it_is_durable() {
    explore("leave", || {
        let storage = SimStorage::new();
        let log = open(&storage);
        let other = {
            let (log, storage) = (log.clone(), storage.clone());
            thread::spawn(move || {
                log.leave().wait(Duration::MAX).unwrap();
                let left = after_power_cut(&storage);
                let file = storage.crash_images(0, 2).next().unwrap().storage.contents("/snapshot");
                let has_left = file.unwrap().windows(7).any(|bytes| bytes == b"\nleave\n");
                assert!(has_left, "acknowledged, and not there: {left:?}");
            })
        };
        let before = log.record(join("a"));
        // Whether it came before the leave or not at all, its position is safe.
        log.durable(before).wait(Duration::MAX).unwrap();
        let known = log.with_state(|state| state.alive().count() + state.failed_len());
        assert!(known == 0 || is_there(&storage, "a"));
        other.join().unwrap();
    });
}

#[test]
fn a_close_ends_whatever_happens_beside_it() {
    explore("close", || {
        let storage = SimStorage::new();
        let log = open(&storage);
        let kept = log.record(join("a"));
        let other = {
            let log = log.clone();
            thread::spawn(move || {
                let position = log.record(join("b"));
                // It ends, either way.
                let _ = log.durable(position).wait(Duration::MAX);
                let _ = log.compact().wait(Duration::MAX);
            })
        };
        let promise = log.durable(kept);
        log.close().wait(Duration::MAX).unwrap();
        assert_eq!(storage.open_files(), 0, "the lock is free when the close has ended");
        promise.wait(Duration::MAX).unwrap();
        assert!(is_there(&storage, "a"));
        other.join().unwrap();
    });
}

#[test]
fn the_last_drop_ends_whoever_comes_last() {
    explore("drop", || {
        let storage = SimStorage::new();
        let log = open(&storage);
        let other = {
            let log = log.clone();
            thread::spawn(move || {
                log.record(join("a"));
            })
        };
        log.record(join("b"));
        drop(log);
        other.join().unwrap();
        assert!(is_there(&storage, "a") && is_there(&storage, "b"));
        assert_eq!(storage.open_files(), 0);
    });
}

#[test]
fn an_attempt_that_fails_ends_whoever_waits() {
    for call in [Call::Write, Call::Sync] {
        explore(&format!("failing-{call}"), move || {
            let storage = SimStorage::new();
            let log = open(&storage);
            let nth = storage.journal().count(call) as u64 + 1;
            storage.fail(At::Nth(call, nth), Fault::error(libc::EIO).lasting());
            let other = {
                let log = log.clone();
                thread::spawn(move || {
                    let position = log.record(join("a"));
                    let _ = log.durable(position).wait(Duration::MAX);
                })
            };
            log.record(join("b"));
            // Whoever asks again is served, without waiting for the back-off.
            while log.sync().wait(Duration::MAX).is_err() {
                storage.clear_faults();
            }
            assert!(is_there(&storage, "b"));
            other.join().unwrap();
        });
    }
}

/// The model can fail: the same primitives, handed over in the wrong order.
#[test]
#[should_panic(expected = "deadlock")]
fn a_notification_before_the_flag_is_missed() {
    explore("mutant", || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut set = shared.0.lock().unwrap();
                while !*set {
                    set = shared.1.wait(set).unwrap();
                }
            })
        };
        shared.1.notify_one();
        *shared.0.lock().unwrap() = true;
        waiter.join().unwrap();
    });
}
