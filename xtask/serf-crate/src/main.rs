//! Makes real snapshot files with the `serf` crate, and asks it what it makes of a file.
//!
//! ```text
//! cargo run --manifest-path xtask/serf-crate/Cargo.toml -- make DIRECTORY   about a minute, on 127.0.65.x
//! cargo run --manifest-path xtask/serf-crate/Cargo.toml -- ask FILE…
//! ```
//!
//! Addresses, names and order of records are the same in every run but where two agents speak at once; clocks differ
//! by a few.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serf::net::{NetTransportOptions, TokioNetTransport};
use serf::tokio::{TokioSocketAddrResolver, TokioTcp};
use serf::types::{MaybeResolvedAddress, SmolStr};
use serf::{MemberlistOptions, Options, Serf};

type Agent = Serf<TokioNetTransport<SmolStr, TokioSocketAddrResolver, TokioTcp>>;
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The crate flushes every half second, with the next record.
const FLUSHED: Duration = Duration::from_millis(1500);
/// The crate compacts a file above 128 KiB.
const ALMOST_COMPACTED: usize = 128 * 1024 - 60;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["make", directory] => make(Path::new(directory)).await,
        ["flood", file] => flood(Path::new(file)).await,
        ["ask", ref files @ ..] => {
            for file in files {
                ask(Path::new(file)).await?;
            }
            Ok(())
        }
        _ => Err("make DIRECTORY, or ask FILE…".into()),
    }
}

async fn make(directory: &Path) -> Outcome {
    fs::create_dir_all(directory)?;
    let at = |name: &str| directory.join(name);
    three_nodes(&at).await?;
    back_after_leave(&at("b-left.bin"), &at("b-back-after-leave.bin")).await?;
    ipv6(&at("v6-a.bin")).await?;
    odd_names(&at("a-odd-names.bin")).await?;
    moved(&at("a-b-moved.bin")).await?;
    compacted(&at("a-compacted.bin")).await?;
    // No file may grow beyond 4 KiB, as if the disk were full there.
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" flood \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", limited]).arg(std::env::current_exe()?).arg(at("a-disk-full.bin"));
    shell.status()?.success().then_some(()).ok_or("the flood has failed".into())
}

/// Events and a query; then b leaves and c fails.
async fn three_nodes(at: &impl Fn(&str) -> PathBuf) -> Outcome {
    let a = start("a", "127.0.65.1:17946", Some(at("a-three-nodes.bin")), false).await?;
    let b = start("b", "127.0.65.2:17946", Some(at("b-left.bin")), false).await?;
    let c = start("c", "127.0.65.3:17946", Some(at("c-no-leave.bin")), false).await?;
    join(&a, "127.0.65.2:17946").await?;
    join(&c, "127.0.65.1:17946").await?;
    for agent in [&a, &b, &c] {
        until(agent, 3, 0).await;
    }
    for number in 0..5 {
        a.user_event(format!("deploy-{number}"), "", false).await?;
    }
    a.query("uptime", "", None).await?;
    tokio::time::sleep(FLUSHED).await;
    b.leave().await?;
    tokio::time::sleep(FLUSHED).await;
    end(b).await;
    // Without a leave, it fails.
    end(c).await;
    until(&a, 1, 1).await;
    end(a).await;
    Ok(())
}

/// b goes on with a file that ends with its leave.
async fn back_after_leave(left: &Path, file: &Path) -> Outcome {
    fs::copy(left, file)?;
    let a = start("a", "127.0.65.1:17946", None, false).await?;
    let b = start("b", "127.0.65.2:17946", Some(file.to_owned()), false).await?;
    join(&b, "127.0.65.1:17946").await?;
    until(&b, 2, 0).await;
    b.user_event("late", "", false).await?;
    end(b).await;
    end(a).await;
    Ok(())
}

async fn ipv6(file: &Path) -> Outcome {
    let a = start("v6-a", "[::1]:17946", Some(file.to_owned()), false).await?;
    let b = start("v6-b", "[::1]:17947", None, false).await?;
    join(&a, "[::1]:17947").await?;
    until(&a, 2, 0).await;
    end(a).await;
    end(b).await;
    Ok(())
}

async fn odd_names(file: &Path) -> Outcome {
    let a = start("a", "127.0.65.1:17946", Some(file.to_owned()), false).await?;
    let long = "n".repeat(200);
    let names = [
        "web 1",
        "w\u{e4}b-\u{4e2d}",
        "evil\nalive: ghost 10.0.0.9:7946",
        "x alive: y",
        "bell\u{7}\u{1b}[31m",
        "cr\r",
        &long,
        "dc1/rack-2",
    ];
    let mut others = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let bind = format!("127.0.65.{}:17946", 20 + index);
        match start(name, &bind, None, false).await {
            Ok(other) => {
                join(&other, "127.0.65.1:17946").await?;
                others.push(other);
            }
            Err(error) => println!("{name:?} is refused: {error}"),
        }
        until(&a, 1 + others.len(), 0).await;
    }
    end(a).await;
    for other in others {
        end(other).await;
    }
    Ok(())
}

/// b fails and comes back somewhere else.
async fn moved(file: &Path) -> Outcome {
    let a = start("a", "127.0.65.1:17946", Some(file.to_owned()), false).await?;
    let b = start("b", "127.0.65.2:17946", None, false).await?;
    join(&b, "127.0.65.1:17946").await?;
    until(&a, 2, 0).await;
    end(b).await;
    until(&a, 1, 1).await;
    let b = start("b", "127.0.65.22:17946", None, false).await?;
    join(&b, "127.0.65.1:17946").await?;
    until(&a, 2, 0).await;
    end(a).await;
    end(b).await;
    Ok(())
}

/// Starts on a file that is full of one event clock, so that a few more records make the crate compact it.
async fn compacted(file: &Path) -> Outcome {
    const EVENT_CLOCK_1: [u8; 9] = [3, 1, 0, 0, 0, 0, 0, 0, 0];
    fs::write(file, EVENT_CLOCK_1.repeat(ALMOST_COMPACTED / EVENT_CLOCK_1.len()))?;
    let a = start("a", "127.0.65.1:17946", Some(file.to_owned()), false).await?;
    let b = start("b", "127.0.65.2:17946", None, false).await?;
    join(&a, "127.0.65.2:17946").await?;
    until(&a, 2, 0).await;
    for number in 0..20 {
        a.user_event(format!("e{number}"), "", false).await?;
    }
    for _ in 0..3 {
        a.query("q", "", None).await?;
    }
    end(a).await;
    end(b).await;
    Ok(())
}

/// More events than 4 KiB hold.
async fn flood(file: &Path) -> Outcome {
    let a = start("a", "127.0.65.1:17946", Some(file.to_owned()), false).await?;
    for number in 0..1000 {
        a.user_event(format!("e{number}"), "", false).await?;
    }
    end(a).await;
    Ok(())
}

/// What the crate itself recovers, from a copy, since it appends.
async fn ask(file: &Path) -> Outcome {
    let copy = std::env::temp_dir().join(format!("asked-{}", std::process::id()));
    for rejoin in [false, true] {
        fs::copy(file, &copy)?;
        let name = file.file_name().unwrap_or_default();
        let shown = name.display();
        match start("asker", "127.0.65.9:17946", Some(copy.clone()), rejoin).await {
            Ok(agent) => {
                let stats = agent.stats().await;
                let member = stats.get_member_time();
                let (event, query) = (stats.get_event_time(), stats.get_query_time());
                println!("{shown} rejoin {rejoin}: next times {member} {event} {query}");
                end(agent).await;
            }
            Err(error) => println!("{shown} rejoin {rejoin}: refused: {error}"),
        }
        fs::remove_file(&copy)?;
    }
    Ok(())
}

async fn start(name: &str, bind: &str, file: Option<PathBuf>, rejoin: bool) -> Outcome<Agent> {
    let bind: SocketAddr = bind.parse()?;
    let options = Options::new()
        .with_memberlist_options(MemberlistOptions::local())
        .with_rejoin_after_leave(rejoin)
        .with_snapshot_path(file);
    let mut transport = NetTransportOptions::new(SmolStr::new(name));
    transport.add_bind_address(bind);
    Ok(Serf::new(transport, options).await?)
}

async fn join(agent: &Agent, addr: &str) -> Outcome {
    agent.join(MaybeResolvedAddress::resolved(addr.parse()?), false).await?;
    Ok(())
}

/// Waits until an agent knows so many members to be alive, and at least so many to have failed.
async fn until(agent: &Agent, alive: usize, failed: usize) {
    loop {
        let stats = agent.stats().await;
        let gone = stats.get_failed() + stats.get_left();
        if stats.get_members() - gone == alive && stats.get_failed() >= failed {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stops an agent without a leave, and lets its snapshotter write what it holds.
async fn end(agent: Agent) {
    tokio::time::sleep(FLUSHED).await;
    let _ = agent.shutdown().await;
    tokio::time::sleep(FLUSHED).await;
}
