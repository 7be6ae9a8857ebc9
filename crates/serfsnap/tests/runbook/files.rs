//! Entries that need no agent.

use crate::stage::Stage;

#[test]
fn a_copy_first_and_the_way_back() {
    let mut stage = Stage::of_files("a_copy_first_and_the_way_back");
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn what_monitoring_sees() {
    let mut stage = Stage::of_files("what_monitoring_sees");
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn zeros_and_glued_lines() {
    let mut stage = Stage::of_files("zeros_and_glued_lines");
    stage.play();
    stage.play();
    stage.end();
}
