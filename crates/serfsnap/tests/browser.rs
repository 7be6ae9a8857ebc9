//! The pages of `report` in a real browser.
//!
//! Where there is no Chromium each test says so and passes.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![expect(clippy::print_stdout, reason = "skips are printed")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{assert_code, corpus, run_on, serfsnap};
use tempfile::TempDir;

/// No page takes so long, in seconds.
const LIMIT_SECONDS: &str = "60";

/// A page as it is once its scripts have run, and what the console said.
struct Loaded {
    dom: String,
    console: Vec<String>,
}

impl Loaded {
    /// Loads a page; `hash` is what follows its `#`.
    fn new(page: &Path, hash: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut chromium = Command::new("timeout");
        chromium.args(["--kill-after=5", LIMIT_SECONDS, "chromium", "--headless=new"]);
        // Tests may run as root, for whom its sandbox does not work; nothing but our pages is loaded.
        chromium.args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        chromium.args(["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"]);
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        let output = chromium.arg(format!("file://{}#{hash}", page.display())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
        Self { dom, console: console.collect() }
    }

    /// The rows that are shown.
    fn rows(&self) -> usize {
        let (_, table) = self.dom.split_once("<table id=\"rows\">").unwrap();
        let body = table.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
        body.matches("<tr>").count()
    }

    #[track_caller]
    fn check_ready(&self) {
        assert_eq!(self.console, [""; 0]);
        assert!(self.dom.contains("data-ready"), "the script has not come to its end");
    }
}

/// Where pages are made, if there is a browser.
fn begin(test: &str) -> Option<TempDir> {
    let version = Command::new("chromium").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("skipped: {test}: there is no chromium here");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

fn report(directory: &TempDir, files: &[&Path]) -> std::path::PathBuf {
    let page = directory.path().join("report.html");
    let mut command = serfsnap();
    command.arg("report").args(files).arg("-o").arg(&page);
    assert_code(&run_on(&mut command, b""), 0);
    page
}

#[test]
fn what_goes_wrong_in_a_page_is_seen() {
    let Some(directory) = begin("a broken page") else { return };
    let page = directory.path().join("broken.html");
    fs::write(&page, "<!doctype html><script>missing()</script><table id=\"rows\">").unwrap();
    let loaded = Loaded::new(&page, "");
    assert!(loaded.console.iter().any(|line| line.contains("missing is not defined")));
    assert!(!loaded.dom.contains("data-ready"));
}

#[test]
fn a_page_about_a_file_is_drawn_and_searched() {
    let Some(directory) = begin("a page about a file") else { return };
    let file = directory.path().join("web-1.snap");
    let mut text = String::new();
    for node in 1..=12_000 {
        let (high, low) = (node / 250, node % 250);
        writeln!(text, "alive: web-{node} 10.1.{high}.{low}:7946").unwrap();
    }
    text +=
        "not-alive: web-77\nalive: web-77 10.9.9.9:7946\nalive: </script><b>x 10.0.0.1:1\nodd\n";
    fs::write(&file, text).unwrap();
    let page = report(&directory, &[&file]);
    let all = Loaded::new(&page, "");
    all.check_ready();
    assert_eq!(all.rows(), 200, "no more than anybody reads");
    assert!(all.dom.contains("the first 200 of 12\u{202f}001"));
    let plots = all.dom.matches("<svg class=\"plot").count();
    assert!(plots >= 9 && all.dom.matches("<polyline").count() >= 9, "{plots} plots");
    let one = Loaded::new(&page, "q=10.9.9.9");
    one.check_ready();
    assert_eq!(one.rows(), 1);
    assert!(one.dom.contains("<td class=\"name\">web-77</td>"));
    let hostile = Loaded::new(&page, "q=%3C%2Fscript");
    hostile.check_ready();
    assert_eq!(hostile.rows(), 1);
    assert!(hostile.dom.contains("<td class=\"name\">&lt;/script&gt;&lt;b&gt;x</td>"));
    assert_eq!(Loaded::new(&page, "q=nobody").rows(), 0);
}

#[test]
fn a_page_about_a_fleet_is_drawn_and_searched() {
    let Some(directory) = begin("a page about a fleet") else { return };
    let files =
        ["q1", "q2", "q3"].map(|name| corpus(&format!("60-{name}-sequential-shutdown.snap")));
    let files = files.each_ref().map(std::path::PathBuf::as_path);
    let loaded = Loaded::new(&report(&directory, &files), "q=q3");
    loaded.check_ready();
    assert_eq!(loaded.rows(), 1);
    assert!(loaded.dom.contains("serfsnap revive --yes"));
    let graphs: Vec<_> = loaded.dom.split("graph\"").skip(1).collect();
    assert_eq!(graphs.len(), 2, "for wide pages and for phones");
    let arrows = |svg: &str| svg.split("</svg>").next().unwrap().matches("marker-end").count();
    assert!(graphs.iter().all(|svg| arrows(svg) == 3), "q1 knows both, q2 knows q3");
}
