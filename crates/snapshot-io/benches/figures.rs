//! The first figures: replay beside the least work that any reader must do, and events recorded a second.
//!
//! `cargo bench -p snapshot-io` prints medians of seven runs, each with its range.
//! `cargo bench -p snapshot-io -- write FILE` leaves the generated file for other programs to be measured on.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a benchmark is there to print")]
#![expect(clippy::cast_precision_loss, reason = "ratios of sizes need no 53 bits")]

use std::io::Write;
use std::time::{Duration, Instant};

use snapshot_engine::{Mode, Replay};
use snapshot_format::{Lines, Record, Sealer, UnixMillis};
use snapshot_io::{Durability, Event, Member, Options, Policy};

/// The churn of the design's figures: half of the lines alive, a fifth not alive, the rest clocks.
const LINES: usize = 2_000_000;
const NAMES: u64 = 200_000;
const RUNS: usize = 7;

fn main() {
    let mut args = std::env::args().skip(1).skip_while(|arg| arg.starts_with("--"));
    let file = churn(7);
    if args.next().as_deref() == Some("write") {
        let path = args.next().expect("a path to write to");
        std::fs::File::create(path)
            .and_then(|mut out| out.write_all(&file))
            .expect("the file can be written");
        return;
    }
    println!("{LINES} lines, {NAMES} names, {} MB", file.len() / 1_000_000);
    let split = report("split and parse the lines", || {
        let mut records = 0_u64;
        Lines::new(&file).for_each(|line| records += u64::from(line.record().is_ok()));
        assert_eq!(records, LINES as u64);
    });
    let replay = report("replay, from memory to the state", || {
        let replay = Replay::new(Mode::Hardened, &Policy::default(), 7);
        let (state, _) = snapshot_io::replay(&file[..], replay).expect("memory can be read");
        assert!(!state.is_empty());
    });
    println!("replay / split and parse: {:.2}", replay.as_secs_f64() / split.as_secs_f64());
    for lines in [1300, 20] {
        let sealed = sealed(&file, lines);
        let more = sealed.len() as f64 / file.len() as f64 - 1.0;
        let time = report(&format!("the same with a seal for every {lines} lines"), || {
            let replay = Replay::new(Mode::Hardened, &Policy::default(), 7);
            let (_, report) = snapshot_io::replay(&sealed[..], replay).expect("memory can be read");
            assert!(report.is_wholly_sealed());
        });
        let ratio = time.as_secs_f64() / replay.as_secs_f64();
        println!("sealed / not sealed: {ratio:.2} in time, {:.2} % more bytes", more * 100.0);
    }
    record();
}

/// Events of one producer through `record`, nothing waited for but the close.
fn record() {
    const EVENTS: u32 = 1_000_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let names: Vec<_> = (0..NAMES).map(name).collect();
    let mut rates = Vec::new();
    for run in 0..RUNS {
        let path = dir.path().join(format!("{run}.snapshot"));
        let options = Options::new().durability(Durability::Interval(Duration::from_secs(5)));
        let (log, _) = options.open(&path).expect("a new snapshot");
        let mut random = 7;
        let start = Instant::now();
        for _ in 0..EVENTS {
            let number = step(&mut random);
            let member =
                Member::new(names[(number % NAMES) as usize].as_bytes(), b"10.11.12.13:7946");
            let member = member.expect("a good member");
            let event = if (number >> 40).is_multiple_of(4) {
                Event::MemberLeave(member)
            } else {
                Event::MemberJoin(member)
            };
            log.record(event);
        }
        let took = start.elapsed();
        let stats = log.stats();
        log.close().wait(Duration::from_secs(60)).expect("a disk that works");
        println!(
            "record: {:.2} M events/s, {} lines, {} rewrites, {} overflows",
            f64::from(EVENTS) / took.as_secs_f64() / 1e6,
            stats.records,
            stats.rewrites,
            stats.overflows
        );
        rates.push(took);
    }
    rates.sort();
    println!(
        "record: {:.2} M events/s (median)",
        f64::from(EVENTS) / rates[RUNS / 2].as_secs_f64() / 1e6
    );
}

/// The same lines with a seal behind every so many.
fn sealed(file: &[u8], lines: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() * 2);
    let all: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').collect();
    for batch in all.chunks(lines) {
        let mut sealer = Sealer::new();
        let start = out.len();
        out.extend(batch.iter().copied().flatten());
        sealer.update(&out[start..]);
        Record::Seal(sealer.seal(UnixMillis(1_763_867_000_000))).encode(&mut out);
    }
    out
}

fn report(what: &str, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times[RUNS / 2];
    println!("{what}: {median:.1?} ({:.1?} to {:.1?})", times[0], times[RUNS - 1]);
    median
}

fn churn(seed: u64) -> Vec<u8> {
    let mut random = seed;
    let mut file = Vec::with_capacity(100 << 20);
    for line in 0..LINES {
        let number = step(&mut random);
        let name = name(number % NAMES);
        let written = match number >> 40 & 0xf {
            0..8 => writeln!(
                file,
                "alive: {name} 10.{}.{}.{}:7946",
                number & 0xff,
                number >> 8 & 0xff,
                number >> 16 & 0xff
            ),
            8..11 => writeln!(file, "not-alive: {name}"),
            11..13 => writeln!(file, "clock: {line}"),
            13..15 => writeln!(file, "event-clock: {line}"),
            _ => writeln!(file, "query-clock: {line}"),
        };
        written.expect("memory can be written");
    }
    file
}

/// 45 bytes, as names of cloud instances are.
fn name(number: u64) -> String {
    format!(
        "ip-10-0-{:03}-{:03}.eu-west-1.compute.internal-{number:06}",
        number / 1000,
        number % 1000
    )
}

/// Split mix 64 (Steele, Lea, Flood, 2014).
fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
