//! A state machine of engine, storage and crashes: random events, faults, foreign hands, power cuts and kills, each
//! recovery held against the oracle.
//!
//! `PROPTEST_CASES` sets how many histories are tried; what they went through is printed at the end.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../common/mod.rs"]
mod common;
mod history;
mod ops;

use std::cell::RefCell;

use history::{Counts, History};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Histories tried by `cargo test`; a minute of a release build tries a hundred times as many.
const CASES: u32 = 400;

#[test]
fn whatever_happens_the_file_holds_a_prefix_of_what_was_accepted() {
    let cases =
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let total = RefCell::new(Counts::default());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&ops::history(), |(settings, ops)| {
        let mut history = History::new(settings);
        for op in &ops {
            history
                .apply(op)
                .map_err(|why| TestCaseError::fail(format!("{why}\n{}", history.listing())))?;
        }
        history
            .finish()
            .map_err(|why| TestCaseError::fail(format!("{why}\n{}", history.listing())))?;
        total.borrow_mut().add(history.counts());
        Ok(())
    });
    let violations = u32::from(result.is_err());
    println!("proof: machine histories={cases} {} violations={violations}", total.borrow());
    if let Err(error) = result {
        // Its `Debug` would print every byte on a line of its own.
        panic!("{}", error.to_string().split("minimal failing input").next().unwrap_or_default());
    }
}
