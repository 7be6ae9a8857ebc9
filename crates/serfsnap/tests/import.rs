//! What `import` writes, and to whom it then belongs; what it says stands in `cmd/import.txt`.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{
    Killed, alone, assert_code, contents, corpus, inspect, serfsnap, start, stderr, stdout,
    wait_until,
};
use serde_json::Value;

fn import(file: &Path, out: &Path, options: &[&str]) -> Output {
    let mut command = serfsnap();
    command.arg("import").arg(file).arg("-o").arg(out).args(options);
    command.stdin(Stdio::null()).output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[test]
fn whatever_reads_the_new_file_recovers_what_was_shown() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (mut files, mut nodes) = (0, 0);
    for entry in fs::read_dir(corpus("serf-crate")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let out = directory.path().join(file.with_extension("snap").file_name().unwrap());
        let before = fs::read(&file).unwrap();
        let output = import(&file, &out, &["--format", "json"]);
        assert_code(&output, 0);
        assert!(fs::read(&file).unwrap() == before, "FILE is left as it is");
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["written"], true);
        for (rejoins, reader) in [(false, "ours"), (true, "ours"), (false, "serf"), (true, "serf")]
        {
            let expect = match &shown["rejoining"] {
                Value::Object(_) if rejoins => &shown["rejoining"],
                _ => &shown,
            };
            let rejoins = format!("--rejoin-after-leave={rejoins}");
            let found = inspect(&out, &["--as", reader, &rejoins]).unwrap();
            for key in ["alive", "clock", "event_clock", "query_clock"] {
                assert_eq!(found[key], expect[key], "{key} {reader} {rejoins} {}", file.display());
            }
            assert_eq!(found["verdict"], "clean");
            nodes += expect["alive"].as_array().unwrap().len();
        }
        files += 1;
    }
    assert!(files >= 9 && nodes > 4 * files, "{nodes} nodes in {files} files");
}

#[test]
fn the_agent_that_owns_the_old_file_owns_the_new_one_and_its_lock() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("serf.bin"), directory.path().join("snapshot"));
    fs::copy(corpus("serf-crate/a-compacted.bin"), &file).unwrap();
    let is_root = fs::metadata(&file).unwrap().uid() == 0;
    if is_root {
        chown(&file, Some(65_534), Some(65_533)).unwrap();
    } else {
        println!("skipped: only root can give files to another user");
    }
    // The crate leaves its files executable.
    fs::set_permissions(&file, PermissionsExt::from_mode(0o750)).unwrap();
    assert_code(&import(&file, &out, &["--assume-stopped"]), 0);
    let model = fs::metadata(&file).unwrap();
    for path in [&out, &with_suffix(&out, ".lock")] {
        let metadata = fs::metadata(path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (model.uid(), model.gid()), "{path:?}");
        assert_eq!(mode(path), 0o640, "{path:?}");
    }
    // One that is there already stays whose it is.
    if is_root {
        chown(&out, Some(65_530), None).unwrap();
    }
    fs::set_permissions(&out, PermissionsExt::from_mode(0o600)).unwrap();
    let owner = fs::metadata(&out).unwrap().uid();
    assert_code(&import(&file, &out, &["--yes", "--assume-stopped"]), 0);
    assert_eq!((fs::metadata(&out).unwrap().uid(), mode(&out)), (owner, 0o600));
}

#[test]
fn what_is_there_is_kept_until_it_may_be_replaced() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("snapshot");
    let old = fs::read(corpus("05-a-events-queries.snap")).unwrap();
    fs::write(&out, &old).unwrap();
    let before = contents(directory.path());
    let file = corpus("serf-crate/a-b-moved.bin");
    for format in ["table", "json"] {
        let output = import(&file, &out, &["--format", format]);
        assert_code(&output, 1);
        let word = if format == "json" { "\"written\":false" } else { "3 alive nodes; --yes" };
        assert!(stdout(&output).contains(word), "{}", stdout(&output));
    }
    assert!(contents(directory.path()) == before, "no lock either");
    assert_code(&import(&file, &out, &["--yes"]), 0);
    let names = contents(directory.path()).into_iter();
    let backups: Vec<_> =
        names.filter(|(path, _)| path.display().to_string().contains(".bak-")).collect();
    assert_eq!(backups.len(), 1);
    assert!(backups[0].1 == old);
    assert_eq!(common::nodes(&inspect(&out, &[]).unwrap(), "alive").len(), 2);
}

#[test]
fn what_another_one_writes_is_left_alone() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("snapshot");
    let recorder = Killed(start(serfsnap().arg("record").arg(&out)));
    wait_until("the recorder has the lock", || with_suffix(&out, ".lock").exists() && out.exists());
    let file = corpus("serf-crate/a-b-moved.bin");
    let output = import(&file, &out, &["--yes"]);
    assert_code(&output, 2);
    let who = format!("process {} (serfsnap) has it open", recorder.0.id());
    assert!(stderr(&output).contains(&who), "{}", stderr(&output));
    let output = import(&file, &out, &["--yes", "--assume-stopped"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("another recorder holds its lock"), "{}", stderr(&output));
}

#[test]
fn a_hundred_mebibytes_of_one_record_or_of_none_are_not_held() {
    /// Far less than the input; what the program takes for itself is below 64 MiB of addresses.
    const LIMIT_KIB: u32 = 96 * 1024;
    const MEBIBYTES: u64 = 100 << 20;
    let program = env!("CARGO_BIN_EXE_serfsnap");
    let check = |begin: &str, byte: &str, verdict: &str, records: u64| {
        let script = format!(
            "ulimit -v {LIMIT_KIB} && (printf '{begin}'; head -c {MEBIBYTES} /dev/zero | tr '\\0' '{byte}') | \
             {program} import - --format json"
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_code(&output, 0);
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&shown["verdict"], &shown["records"]), (&verdict.into(), &records.into()));
    };
    check("", "\\007", "clean", MEBIBYTES);
    let clock = "\\002\\001\\000\\000\\000\\000\\000\\000\\000";
    check(&format!("{clock}\\001\\377\\377\\377\\377"), "\\377", "damaged", 1);
    check(clock, "\\000", "damaged", 1);
    // A node that might be the longest, and its zeros.
    check(&format!("{clock}\\000\\000\\000\\001\\000"), "\\000", "damaged", 1);
}
