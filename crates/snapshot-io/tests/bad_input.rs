//! Files and paths that are not what they should be: each has its defined result, and nothing is changed that nobody
//! asked to be written.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![allow(clippy::print_stdout, reason = "a child tells its parent what it has seen")]

mod common;

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use snapshot_engine::{Mode, Replay};
use snapshot_io::sim::{At, Call, Fault, SimStorage, Stepper};
use snapshot_io::{
    Event, Identity, LamportTime, OnForeignCluster, OpenError, Options, Policy, Verdict, replay,
};
use snapshot_model::{Model, Rules};

use common::{ADDR, DEADLINE, START, alive, child, join, model_of, read, read_at};

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serf.snapshot");
    (dir, path)
}

/// Names in a directory, sorted.
fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn somebody_elses_document_is_refused_and_not_touched() {
    let tar = [&b"meta.json\0\0\0\0\0\0\0\0\0\0\0\x000000644"[..], &[0; 400], b"{\"Version\":1}"]
        .concat();
    let documents: [(&str, &[u8]); 22] = [
        ("a text", b"Dear all,\nthe cluster is fine.\n"),
        ("a text without a last newline", b"Dear all,\nthe cluster is fine."),
        ("one word", b"hello"),
        ("empty lines", b"\n\n\n"),
        ("a configuration", b"# The agent's settings.\nnode_name = \"web\"\n# The end.\n"),
        ("a script", b"#!/bin/sh\n# Cleans up.\nrm -f x\n"),
        ("JSON", b"{\n  \"node_name\": \"web\",\n  \"leave_on_terminate\": true\n}\n"),
        ("a log", b"2026/01/02 [INFO] serf: EventMemberJoin: web 10.0.0.1\n2026/01/02 [INFO] agent: left\n"),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\0\0\0"),
        ("gzip with lines", b"\x1f\x8b\x08\x08\x0a\x0b\x0a\xff\x00\x03tar\x00\x4b\x0a\x0a\xcc\x49"),
        ("an archive", &tar),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"),
        ("a database", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("UTF-16", b"\xff\xfeh\0e\0l\0l\0o\0\n\0"),
        ("a line behind a byte order mark", b"\xef\xbb\xbfkey = value\r\n"),
        ("lines that end in CR LF", b"key = value\r\nleaves = 3\r\n"),
        ("a last word that begins as a record", b"yes\nno\nc"),
        ("a last sentence that begins as a record", b"hello\nalive: and well, they said"),
        ("a sentence that begins as a record", b"leave me alone"),
        ("upper case", b"ALIVE: a 10.0.0.1:7946\nCLOCK: 5\n"),
        ("a page about the format", b"A line `alive: NAME ADDR` is a node that lives.\n"),
        ("indented records", b"  clock: 5\n  leave\n"),
    ];
    for (what, bytes) in documents {
        let (dir, path) = place();
        fs::write(&path, bytes).unwrap();
        let before = fs::metadata(&path).unwrap();
        let error = Options::new().open(&path).expect_err(what);
        assert!(matches!(error, OpenError::NotASnapshot { .. }), "{what}: {error}");
        let sentence = error.to_string();
        assert!(
            sentence.contains("serf.snapshot is no snapshot") && !sentence.contains('\n'),
            "{sentence}"
        );
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
        let when =
            |it: &fs::Metadata| (it.ino(), it.mtime(), it.mtime_nsec(), it.ctime_nsec(), it.mode());
        assert_eq!(when(&before), when(&after), "{what}");
        assert_eq!(names_in(dir.path()), ["serf.snapshot", "serf.snapshot.lock"], "{what}");
    }
}

#[test]
fn damage_is_read_as_far_as_it_goes() {
    // The bytes, and what is alive: the state of each is checked against the oracle besides.
    let big =
        [&b"alive: big 10.0.0.1:1"[..], &vec![b'x'; (1 << 20) + 1], b"\nalive: a 10.0.0.2:2\n"]
            .concat();
    let files: [(&str, &[u8], &[&str]); 21] = [
        ("empty", b"", &[]),
        ("comments", b"# one\n# two\n", &[]),
        ("a byte order mark", b"\xef\xbb\xbfalive: a 10.0.0.1:1\nclock: 3\n", &["a"]),
        (
            "CR LF",
            b"alive: a 10.0.0.1:1\r\nalive: b 10.0.0.2:2\r\nnot-alive: a\r\nclock: 9\r\n",
            &["b"],
        ),
        ("glued", b"alive: a 10.0.0alive: b 10.0.0.2:2\n", &["b"]),
        ("glued to a clock", b"clock: 12alive: b 10.0.0.2:2\n", &["b"]),
        ("torn", b"alive: a 10.0.0.1:1\nalive: b 10.0.0", &["a"]),
        ("torn where it looks whole", b"alive: a 10.0.0.1:1\nnot-alive: a", &["a"]),
        ("torn at once", b"aliv", &[]),
        ("zeros", &[0; 5000], &[]),
        ("zeros and newlines", b"\0\0\0\0\0\0\0\0\0\n\0\0\0\0\0\0\0\0\0\n", &[]),
        ("zeros at the end", b"alive: a 10.0.0.1:1\n\0\0\0\0\0\0\0\0\0", &["a"]),
        (
            "zeros inside",
            b"alive: a 10.0.0.1:1\nalive: b 10\0\0\0\0\0\0\0\0\0alive: c 10.0.0.3:3\n",
            &["a", "c"],
        ),
        ("zeros in front", b"\0\0\0\0\0\0\0\0\0\0.0.1:1\nalive: b 10.0.0.2:2\n", &["b"]),
        (
            "clocks that are none",
            b"alive: a 10.0.0.1:1\nclock: -1\nevent-clock: 99999999999999999999\nquery-clock: x\n",
            &["a"],
        ),
        (
            "clocks beyond belief",
            b"alive: a 10.0.0.1:1\nevent-clock: 18446744073709551615\n",
            &["a"],
        ),
        (
            "addresses that are none",
            b"alive: a\nalive: b nowhere\nalive:  10.0.0.1:1\nalive: c 10.0.0.3:3\n",
            &["c"],
        ),
        ("a line beyond all limits", &big, &["a"]),
        (
            "a seal that does not hold",
            b"alive: a 10.0.0.1:1\nclock: 9\n#@seal: 29 1 00000000\n",
            &["a"],
        ),
        (
            "extensions that are broken",
            b"#@failed: a\n#@seal: x\n#@nonsense: y\n#@\nalive: a 10.0.0.1:1\n",
            &["a"],
        ),
        ("nonsense and one record", b"hello\nclock: 5\n", &[]),
    ];
    for (what, bytes, names) in files {
        let expected = read(bytes);
        assert_eq!(alive(&expected), names, "{what}: the oracle");
        let (_dir, path) = place();
        fs::write(&path, bytes).unwrap();
        goes_on(what, &path, false);
    }
}

#[test]
fn every_file_of_the_corpus_is_gone_on_with() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut files: Vec<_> =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "snap"));
    assert_eq!(files.len(), 32, "files were lost");
    for (file, rejoin) in files.iter().flat_map(|file| [(file, false), (file, true)]) {
        let (_dir, path) = place();
        fs::copy(file, &path).unwrap();
        goes_on(&format!("{} with rejoin {rejoin}", file.display()), &path, rejoin);
    }
}

/// Opens, records, closes and reopens: what is there is what the oracle reads, and what was recorded.
fn goes_on(what: &str, path: &Path, rejoin: bool) {
    let rules = Rules::hardened(rejoin);
    let original = fs::read(path).unwrap();
    let mut expected = snapshot_model::replay(&original, &rules);
    let options = || Options::new().rejoin_after_leave(rejoin);
    let (log, recovery) = options().open(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(log.with_state(model_of), expected, "{what}");
    assert_eq!(recovery.report.bytes, original.len() as u64, "{what}");
    log.record(join("brand-new"));
    log.record(Event::User(LamportTime(expected.event_clock + 1)));
    log.close().wait(DEADLINE).unwrap();
    expected.alive.insert(b"brand-new".to_vec(), ADDR.as_bytes().to_vec());
    expected.event_clock += 1;
    let written = fs::read(path).unwrap();
    assert_eq!(snapshot_model::replay(&written, &rules), expected, "{what}");
    // A Serf agent reads the same from it, but for the last resorts.
    let serf = snapshot_model::replay(&written, &Rules::serf(rejoin));
    assert_eq!(serf, Model { failed: serf.failed.clone(), ..expected.clone() }, "{what}");
    let (log, recovery) = options().open(path).unwrap();
    assert_eq!(log.with_state(model_of), expected, "{what}");
    assert_eq!(recovery.report.verdict(), Verdict::Clean, "{what}: {:?}", recovery.report.findings);
}

#[test]
fn every_judged_input_is_gone_on_with_or_refused() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/edge-cases.jsonl");
    let rows = fs::read_to_string(rows).unwrap();
    let (mut opened, mut refused) = (0, 0);
    for row in rows.lines() {
        let field = |name: &str| row.split(&format!("\"{name}\": ")).nth(1).unwrap();
        let hex = field("input_hex").split('"').nth(1).unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let input: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let rejoin = field("rejoin_after_leave").starts_with("true");
        let storage = SimStorage::new();
        storage.plant("/snapshot", input.clone());
        let options = Options::new().rejoin_after_leave(rejoin).storage(storage.clone());
        let mut expected = snapshot_model::replay(&input, &Rules::hardened(rejoin));
        match Stepper::open(&options, "/snapshot", START) {
            Ok((mut stepper, _)) => {
                opened += 1;
                assert_eq!(model_of(stepper.engine().state()), expected, "{row}");
                stepper.record(join("brand-new"));
                stepper.engine().request_sync();
                stepper.run();
                expected.alive.insert(b"brand-new".to_vec(), ADDR.as_bytes().to_vec());
                let written = storage.contents("/snapshot").unwrap();
                assert_eq!(
                    snapshot_model::replay(&written, &Rules::hardened(rejoin)),
                    expected,
                    "{row}"
                );
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error, OpenError::NotASnapshot { .. }), "{error}: {row}");
                assert_eq!(expected, Model::default(), "there was something in it: {row}");
                assert_eq!(storage.contents("/snapshot").unwrap(), input, "{row}");
            }
        }
    }
    assert_eq!((opened, refused), (234, 10));
}

#[test]
fn a_path_that_leads_to_no_file_is_an_error_that_names_it() {
    let (dir, _) = place();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("file"), "alive: a 10.0.0.1:1\n").unwrap();
    symlink("loop", at("loop")).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let mut cases = vec![
        (at("directory"), "a directory"),
        (at("socket"), "a socket"),
        (at("missing/serf.snapshot"), "No such file"),
        (at("file/serf.snapshot"), "Not a directory"),
        (at("loop"), "symbolic links"),
        (at("missing/.."), "the path names no file"),
        (PathBuf::new(), "the path names no file"),
        (PathBuf::from("/"), "the path names no file"),
    ];
    if Command::new("mkfifo").arg(at("fifo")).status().is_ok_and(|status| status.success()) {
        cases.push((at("fifo"), "a FIFO"));
    } else {
        println!("skipped: FIFOs, there is no mkfifo here");
    }
    for (path, says) in cases {
        // A FIFO that was waited for would hang here.
        let error = Options::new().open(&path).unwrap_err();
        let OpenError::Io { path: named, source, .. } = &error else {
            panic!("{}: {error}", path.display())
        };
        assert!(source.to_string().contains(says), "{}: {source}", path.display());
        assert_eq!(named.file_name(), path.file_name());
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"alive: a 10.0.0.1:1\n");
    assert_eq!(names_in(&at("directory")), [""; 0]);
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_and_stays() {
    const NOBODY: u32 = 65_534;
    if let Some(path) = child::given() {
        let error = Options::new().open(&path).unwrap_err();
        let OpenError::Io { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
        return assert_eq!(error.to_string(), format!("cannot read {path}: {source}"));
    }
    let (dir, path) = place();
    let path = dir.path().canonicalize().unwrap().join(path.file_name().unwrap());
    fs::write(&path, "alive: a 10.0.0.1:1\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o200)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let is_root = fs::metadata(&path).unwrap().uid() == 0;
    let mut child =
        child::command("a_file_that_may_not_be_read_is_an_error_and_stays", path.to_str().unwrap());
    // Root may read everything: the child is somebody else.
    let child = if is_root { child.uid(NOBODY).gid(NOBODY) } else { &mut child };
    match child.output() {
        Ok(output) => drop(child::passed(&output)),
        Err(error) => return println!("skipped: nobody may not start this test: {error}"),
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"alive: a 10.0.0.1:1\n");
}

#[test]
fn a_read_error_is_never_the_end_of_the_file() {
    let bytes: Vec<u8> = (0..3000)
        .flat_map(|node| format!("alive: node-{node} 10.0.0.1:1\n").into_bytes())
        .collect();
    let options = |storage: &SimStorage| Options::new().storage(storage.clone());
    for nth in 1..4 {
        for error in [libc::EIO, libc::EINTR, libc::ESTALE] {
            let storage = SimStorage::new();
            storage.plant("/snapshot", bytes.clone());
            // Each read takes a part of it.
            storage.fail(At::Nth(Call::Read, nth), Fault::error(error));
            storage.fail(At::Nth(Call::Read, 1), Fault::short(40_000).lasting());
            let result = Stepper::open(&options(&storage), "/snapshot", START);
            if error == libc::EINTR {
                let (mut stepper, _) = result.unwrap();
                assert_eq!(stepper.engine().state().len(), 3000, "it is asked again");
                continue;
            }
            let why = result.expect_err("a part of the file is unknown");
            assert!(why.to_string().starts_with("cannot read /snapshot: "), "{why}");
            assert_eq!(storage.contents("/snapshot").unwrap(), bytes);
            assert_eq!(storage.paths().len(), 2, "{:?}", storage.paths());
            assert_eq!(storage.open_files(), 0);
            storage.clear_faults();
            assert_eq!(
                Stepper::open(&options(&storage), "/snapshot", START).unwrap().1.alive,
                3000
            );
        }
    }
    // The same for the orphan of a compaction: it may be all there is.
    let storage = SimStorage::new();
    storage.plant(
        "/snapshot.compact",
        "alive: a 10.0.0.1:1\nclock: 1\nevent-clock: 0\nquery-clock: 0\n",
    );
    storage.fail(At::Nth(Call::Read, 1), Fault::error(libc::EIO));
    Stepper::open(&options(&storage), "/snapshot", START).unwrap_err();
    assert_eq!(storage.contents("/snapshot"), None, "nothing was put in its place");
    storage.clear_faults();
    assert!(Stepper::open(&options(&storage), "/snapshot", START).unwrap().1.adopted_orphan);
}

#[test]
fn a_hundred_mebibytes_without_a_newline_take_little_memory() {
    const TEST: &str = "a_hundred_mebibytes_without_a_newline_take_little_memory";
    const SIZE: u64 = 100 << 20;
    if let Some(path) = child::given() {
        let before = child::peak_memory().unwrap();
        let torn = Path::new(&path).join("torn");
        let (log, recovery) = Options::new().open(&torn).unwrap();
        assert_eq!((recovery.report.bytes, recovery.alive), (SIZE, 1));
        log.close().wait(DEADLINE).unwrap();
        let error = Options::new().open(Path::new(&path).join("document")).unwrap_err();
        assert!(matches!(error, OpenError::NotASnapshot { .. }), "{error}");
        // The same from a pipe, of letters.
        let letters = io::repeat(b'x').take(SIZE).chain(&b"\nalive: a 10.0.0.1:1\n"[..]);
        let reader = Replay::new(Mode::Hardened, &Policy::default(), 1);
        let (state, report) = replay(letters, reader).unwrap();
        assert_eq!((state.len(), report.findings_total), (1, 1));
        assert_eq!(
            (report.findings[0].kind.as_str(), report.findings[0].len),
            ("line-too-long", SIZE)
        );
        return println!("grown by {}", child::peak_memory().unwrap() - before);
    }
    if child::peak_memory().is_none() {
        return println!("skipped: this system does not tell the peak of memory");
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, head) in [("torn", "alive: a 10.0.0.1:1\nalive: b"), ("document", "Dear all,")] {
        let mut file = File::create(dir.path().join(name)).unwrap();
        file.write_all(head.as_bytes()).unwrap();
        file.set_len(SIZE).unwrap();
    }
    let said = child::passed(&child::command(TEST, dir.path().to_str().unwrap()).output().unwrap());
    let grown: u64 =
        said.lines().find_map(|line| line.split("grown by ").nth(1)).unwrap().parse().unwrap();
    assert!(grown < 8 << 20, "{grown} bytes");
    assert_eq!(
        alive(&read_at(&dir.path().join("torn"))),
        ["a"],
        "it was rewritten, and is short now"
    );
    assert_eq!(fs::metadata(dir.path().join("document")).unwrap().len(), SIZE);
    let mut begin = [0; 9];
    File::open(dir.path().join("document")).unwrap().read_exact_at(&mut begin, 0).unwrap();
    assert_eq!(&begin, b"Dear all,");
}

fn of_cluster(cluster: &[u8]) -> Options {
    Options::new().identity(Identity::new(Some(cluster), None).unwrap())
}

#[test]
fn another_clusters_file_is_kept_byte_for_byte() {
    let (dir, path) = place();
    for (round, cluster) in (0..).zip([&b"blue"[..], b"green", b"red\x1b[31m", b"blue"]) {
        if round > 0 {
            let before = fs::read(&path).unwrap();
            let refuse = of_cluster(cluster).on_foreign_cluster(OnForeignCluster::Refuse);
            let error = refuse.open(&path).unwrap_err();
            assert!(matches!(error, OpenError::ForeignCluster { .. }), "{error}");
            assert!(error.to_string().contains("belongs to cluster"), "{error}");
            assert!(!error.to_string().contains('\x1b'), "a terminal must not obey it: {error}");
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        let before = fs::read(&path).unwrap_or_default();
        let (log, recovery) = of_cluster(cluster).open(&path).unwrap();
        assert_eq!((recovery.alive, log.clocks().event_clock.0), (0, 0), "round {round}");
        // It is gone on with under the path, and no byte of that reaches the copy.
        log.record(join(&format!("node-{round}")));
        log.record(Event::User(LamportTime(round + 7)));
        log.compact().wait(DEADLINE).unwrap();
        log.record(Event::User(LamportTime(round + 8)));
        log.close().wait(DEADLINE).unwrap();
        assert_eq!(alive(&read_at(&path)), [format!("node-{round}")]);
        assert_eq!(recovery.kept_aside.is_some(), round > 0);
        if let Some(aside) = recovery.kept_aside {
            assert_eq!(fs::read(aside).unwrap(), before, "round {round}");
        }
    }
    let kept = names_in(dir.path());
    assert_eq!(
        kept,
        [
            "serf.snapshot",
            "serf.snapshot.foreign",
            "serf.snapshot.foreign.1",
            "serf.snapshot.foreign.2",
            "serf.snapshot.lock"
        ]
    );
    // The cluster was renamed: everything is taken over.
    let adopt = of_cluster(b"new name").on_foreign_cluster(OnForeignCluster::Adopt);
    let (log, recovery) = adopt.open(&path).unwrap();
    assert_eq!((recovery.alive, recovery.clocks.event_clock.0, recovery.kept_aside), (1, 11, None));
    log.close().wait(DEADLINE).unwrap();
    let (_, recovery) = of_cluster(b"new name").open(&path).unwrap();
    assert_eq!((recovery.alive, recovery.kept_aside), (1, None));
    assert_eq!(names_in(dir.path()), kept, "no copy was asked for");
}

#[test]
fn a_cluster_line_that_no_seal_vouches_for_is_nobodys() {
    let (_dir, path) = place();
    fs::write(&path, "#@format: 1\n#@cluster: other\nalive: a 10.0.0.1:1\n").unwrap();
    let (log, recovery) = of_cluster(b"own").open(&path).unwrap();
    assert_eq!((recovery.alive, recovery.kept_aside), (1, None));
    log.close().wait(DEADLINE).unwrap();
    assert!(fs::read(&path).unwrap().starts_with(b"#@format: 1\n#@cluster: own\n"));
}

#[test]
fn a_file_of_a_newer_format_is_kept_byte_for_byte() {
    let (dir, path) = place();
    let newer = {
        let lines = b"#@format: 2\n#@shape: round\nalive: a 10.0.0.1:1\nclock: 4\n";
        let head = [&lines[..], b"#@seal: 56 1763867000000"].concat();
        assert_eq!(lines.len(), 56);
        let crc = format!(" {:08x}\n", snapshot_model::crc32c(&head));
        [&head[..], crc.as_bytes()].concat()
    };
    fs::write(&path, &newer).unwrap();
    let (log, recovery) = Options::new().open(&path).unwrap();
    let kinds: Vec<_> = recovery
        .report
        .findings
        .iter()
        .map(|finding| (finding.line, finding.kind.as_str()))
        .collect();
    assert_eq!(kinds, [(1, "newer-format"), (2, "unknown-extension")]);
    assert_eq!((recovery.alive, recovery.clocks.clock.0), (1, 4), "what is known of it is read");
    log.record(join("b"));
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(fs::read(recovery.kept_aside.unwrap()).unwrap(), newer);
    assert!(fs::read(&path).unwrap().starts_with(b"#@format: 1\n"));
    assert_eq!(alive(&read_at(&path)), ["a", "b"]);
    let (_, recovery) = Options::new().open(&path).unwrap();
    assert_eq!((recovery.kept_aside, recovery.report.verdict()), (None, Verdict::Clean));
    assert_eq!(
        names_in(dir.path()),
        ["serf.snapshot", "serf.snapshot.lock", "serf.snapshot.newer"]
    );
}

#[test]
fn a_copy_is_made_where_links_are_impossible_and_nothing_happens_where_neither_is() {
    let foreign = || {
        let storage = SimStorage::new();
        let options = of_cluster(b"blue").storage(storage.clone());
        let (mut stepper, _) = Stepper::open(&options, "/snapshot", START).unwrap();
        stepper.record(join("a"));
        stepper.engine().request_sync();
        stepper.run();
        drop(stepper);
        (storage.contents("/snapshot").unwrap(), storage)
    };
    let (before, storage) = foreign();
    storage.fail(At::Nth(Call::Link, 1), Fault::error(libc::EPERM));
    let options = of_cluster(b"green").storage(storage.clone());
    let (_, recovery) = Stepper::open(&options, "/snapshot", START).unwrap();
    let aside = recovery.kept_aside.unwrap();
    assert_eq!(storage.contents(&aside).unwrap(), before);
    for image in storage.crash_images(1, 200) {
        assert_eq!(image.storage.contents(&aside).unwrap(), before, "{image}");
    }
    // Without a copy the file is not given up.
    let (before, storage) = foreign();
    storage.fail(At::Nth(Call::Link, 1), Fault::error(libc::EPERM));
    let nth = storage.journal().count(Call::Create) as u64 + 1;
    storage.fail(At::Nth(Call::Create, nth), Fault::error(libc::EROFS));
    let options = of_cluster(b"green").storage(storage.clone());
    let error = Stepper::open(&options, "/snapshot", START).unwrap_err();
    assert!(error.to_string().starts_with("cannot keep a copy at /snapshot.foreign: "), "{error}");
    assert_eq!(storage.contents("/snapshot").unwrap(), before);
}

#[test]
fn a_finding_says_where() {
    let (_dir, path) = place();
    fs::write(
        &path,
        b"alive: a 10.0.0.1:1\nnonsense\x1b[31m\nclock: x\nalive: b 10alive: c 10.0.0.3:3\ntorn",
    )
    .unwrap();
    let (_, recovery) = Options::new().open(&path).unwrap();
    let findings: Vec<_> = recovery
        .report
        .findings
        .iter()
        .map(|it| (it.line, it.offset, it.len, it.kind.as_str()))
        .collect();
    assert_eq!(
        findings,
        [(2, 20, 13, "unrecognized"), (3, 34, 8, "invalid-clock"), (4, 43, 30, "salvaged")]
    );
    assert_eq!(recovery.report.torn, Some(74..78));
    assert_eq!(recovery.report.verdict(), Verdict::Damaged);
}
