//! `inspect --probe`: who answers of those that an agent would try.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{inspect, serfsnap, stdout};

#[test]
fn each_candidate_is_tried_and_the_owner_is_not() {
    let bind = |addr: &str| TcpListener::bind((addr, 0)).unwrap();
    let (open, own) = (bind("127.0.63.5"), bind("127.0.63.6"));
    // A port that was free a moment ago, on an address that nobody else uses.
    let closed = bind("127.0.63.7").local_addr().unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    let port = at(&open).port();
    let file = format!(
        "alive: own {}\nalive: open {}\nalive: closed {closed}\nalive: nowhere no-such-host.invalid:{port}\n\
         not-alive: closed\n#@failed: closed {closed} 1763867000000\n",
        at(&own),
        at(&open),
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.snap");
    fs::write(&path, file).unwrap();

    let object = inspect(&path, &["--probe"]).unwrap();
    let result = |of: &str, name: &str| {
        let nodes = object[of].as_array().unwrap();
        let node = nodes.iter().find(|node| node["name"] == name).unwrap();
        node["probe"]["result"].as_str().map(str::to_owned)
    };
    assert_eq!(result("alive", "open").as_deref(), Some("connected"));
    assert_eq!(result("alive", "nowhere").as_deref(), Some("unresolved"));
    assert_eq!(result("failed", "closed").as_deref(), Some("refused"));
    assert_eq!(result("alive", "own"), None, "no agent tries itself");
    own.set_nonblocking(true).unwrap();
    assert!(own.accept().is_err());

    let output = serfsnap().args(["inspect", "--probe"]).arg(&path).output().unwrap();
    let said = stdout(&output);
    let row = |name: &str| said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    assert!(row("open").contains("connected in "), "{said}");
    assert!(row("closed").ends_with("refused"), "{said}");
    assert!(said.ends_with("Probe: 1 of 3 answer\n"), "{said}");
}
