//! Other hands on the file, under the unmodified binary.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use snapshot_model::Model;
use tempfile::TempDir;

use crate::common::recorder::{Recorder, command};
use crate::common::story::{Chance, Story, read_at};
use crate::common::wait_until;
use crate::ground::{Case, Mount, run, seed};

const GHOST: &str = "alive: ghost 6.6.6.6:6\n";

type Hand = fn(&Path);

const HANDS: [(&str, Hand); 5] = [
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("replaced", |path| {
        let other = path.with_extension("other");
        fs::write(&other, GHOST).unwrap();
        fs::rename(other, path).unwrap();
    }),
    ("truncated", |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }),
    ("emptied", |path| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
    }),
    ("appended", |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(GHOST.as_bytes()).unwrap();
    }),
];

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("touched.snap");
    (dir, path)
}

fn start(path: &Path, level: &str) -> Recorder {
    let options = ["--durability", level, "--flush-interval", "2ms", "--sync-interval", "5ms"];
    Recorder::start(&mut command(path, &options))
}

#[test]
fn what_another_hand_does_is_told_and_put_right() {
    let case = Case("hands");
    let seed = seed();
    println!("seed {seed}");
    let mut chance = Chance::new(seed);
    let mut checks = 0;
    for (hand, act) in HANDS {
        for level in ["always", "interval", "os"] {
            for kill in [false, true] {
                let (_dir, path) = place();
                let story = Story::by_chance(&Model::default(), 40, &mut chance);
                let mut recorder = start(&path, level);
                recorder.send(&story.input[..20]);
                recorder.wait_acked(20);
                act(&path);
                recorder.send(&story.input[20..]);
                recorder.wait_acked(40);
                let ended = if kill { recorder.kill() } else { recorder.close() };
                let which = format!("{hand}, {level}, seed {seed}: {}", ended.stderr);
                assert_eq!(ended.status.code(), (!kill).then_some(0), "{which}");
                assert!(ended.stderr.contains("stale: somebody else"), "{which}");
                assert_eq!(&read_at(&path), story.model(), "{which}");
                checks += 1;
            }
        }
    }
    case.proof(&format!("checks={checks} seed={seed}"));
}

#[test]
fn what_another_hand_does_is_noticed_while_nothing_is_recorded() {
    let case = Case("hands-idle");
    let mut all = vec![];
    for (hand, act) in HANDS {
        let (dir, path) = place();
        let story = Story::by_chance(&Model::default(), 20, &mut Chance::new(3));
        let mut recorder = start(&path, "always");
        recorder.send(&story.input);
        recorder.wait_acked(20);
        act(&path);
        all.push((hand, dir, path, story, recorder));
    }
    // All of them wait for the same five seconds.
    for (hand, _dir, path, story, recorder) in all {
        wait_until(hand, || recorder.stderr().contains(": good\n"));
        let ended = recorder.kill();
        assert!(ended.stderr.contains("stale: somebody else"), "{hand}: {}", ended.stderr);
        assert_eq!(&read_at(&path), story.model(), "{hand}");
    }
    case.proof(&format!("checks={}", HANDS.len()));
}

#[test]
fn one_of_many_recorders_gets_the_file() {
    let case = Case("two-recorders");
    case.in_namespace("hands::one_of_many_recorders_gets_the_file", &["umount"], |case| {
        const ROUNDS: u64 = 8;
        for round in 0..ROUNDS {
            let (dir, path) = place();
            let link = dir.path().join("link.snap");
            std::os::unix::fs::symlink("touched.snap", &link).unwrap();
            let bound = match Mount::new(&["--bind", dir.path().to_str().unwrap()]) {
                Ok(mount) => mount,
                Err(why) => return case.skip(&why),
            };
            let names = [path.clone(), path.clone(), link, bound.at.join("touched.snap")];
            let stories: Vec<_> = (0..4)
                .map(|number| {
                    Story::by_chance(&Model::default(), 20, &mut Chance::new(round * 4 + number))
                })
                .collect();
            let mut recorders: Vec<_> = names
                .iter()
                .zip(&stories)
                .map(|(path, story)| {
                    // That somebody has it open is found out before the lock; here the lock has to do.
                    let options = ["--durability", "always", "--assume-stopped"];
                    let mut recorder = Recorder::start(&mut command(path, &options));
                    recorder.send(&story.input);
                    recorder
                })
                .collect();
            wait_until("all but one have ended", || {
                recorders.iter_mut().filter_map(|it| it.has_ended().then_some(())).count() == 3
            });
            let winner = recorders.iter_mut().position(|it| !it.has_ended()).unwrap();
            for (number, recorder) in recorders.into_iter().enumerate() {
                let ended = recorder.close();
                ended.assert_code(if number == winner { 0 } else { 2 });
                let told = ended.stderr.contains("another recorder holds its lock");
                assert_eq!(
                    (told, ended.acked),
                    if number == winner { (false, 20) } else { (true, 0) }
                );
            }
            assert_eq!(&read_at(&path), stories[winner].model(), "the winner alone has written");
        }
        case.proof(&format!("checks={ROUNDS}"));
    });
}

#[test]
fn a_bind_mounted_file_is_appended_to_and_never_lost() {
    let case = Case("bind-mount");
    case.in_namespace(
        "hands::a_bind_mounted_file_is_appended_to_and_never_lost",
        &["umount"],
        |case| {
            let seed = seed();
            println!("seed {seed}");
            let mut chance = Chance::new(seed);
            let (_dir, path) = place();
            Recorder::start(&mut command(&path, &[])).close().assert_code(0);
            let inode = fs::metadata(&path).unwrap().ino();
            let mount_dir = tempfile::tempdir().unwrap();
            let at = mount_dir.path().join("bound.snap");
            fs::write(&at, "").unwrap();
            let (from, to) = (path.to_str().unwrap(), at.to_str().unwrap());
            if let Err(why) = run("mount", &["--bind", from, to]) {
                return case.skip(&why);
            }
            let bound = Bound(at.clone());
            // It grows beyond the size at which it is rewritten.
            let story = Story::by_chance(&Model::default(), 300, &mut chance);
            let options = ["--durability", "always", "--min-compact-size", "1KiB"];
            let mut recorder = Recorder::start(&mut command(&at, &options));
            for round in story.input.chunks(50) {
                recorder.send(round);
            }
            recorder.wait_acked(story.len());
            let tells = |recorder: &Recorder| recorder.stderr().contains("mount its directory");
            wait_until("it tells why it is not rewritten", || tells(&recorder));
            recorder.close().assert_code(0);
            assert_eq!(&read_at(&path), story.model());
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
            // Once it is not good any more, nothing can be added, and nothing is lost.
            OpenOptions::new().append(true).open(&path).unwrap().write_all(b"alive: to").unwrap();
            let before = fs::read(&path).unwrap();
            let more = Story::by_chance(story.model(), 20, &mut chance);
            let mut recorder = Recorder::start(&mut command(&at, &options));
            recorder.send(&more.input);
            wait_until("it tells why it gets nothing", || tells(&recorder));
            let ended = recorder.close();
            ended.assert_code(2);
            assert_eq!(ended.acked, 0);
            assert!(fs::read(&path).unwrap() == before);
            // With the mount away it goes on.
            drop(bound);
            let mut recorder = Recorder::start(&mut command(&path, &options));
            recorder.send(&more.input);
            recorder.close().assert_code(0);
            assert_eq!(&read_at(&path), more.model());
            case.proof(&format!("checks=3 seed={seed}"));
        },
    );
}

/// A file that is unmounted, whatever happens.
struct Bound(PathBuf);

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}
