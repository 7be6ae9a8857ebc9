//! What the images of a power cut hold.

use super::*;

/// A synced file with these bytes and one unsynced write behind them.
fn with_unsynced(synced: &str, unsynced: impl AsRef<[u8]>) -> SimStorage {
    let storage = SimStorage::new();
    storage.plant(LOG, synced);
    write(&mut *append(&storage, LOG), unsynced);
    storage
}

fn with_fill(storage: &SimStorage, fill: Fill) -> BTreeSet<Vec<u8>> {
    let images = storage.crash_images(1, 1000).filter(|image| image.fill == fill);
    images.map(|image| image.storage.contents(LOG).unwrap()).collect()
}

#[test]
fn the_last_write_is_cut_at_every_byte() {
    let storage = with_unsynced("12", "abc");
    let texts = |texts: [&str; 4]| texts.map(|text| text.as_bytes().to_vec());
    assert_eq!(
        with_fill(&storage, Fill::Missing),
        BTreeSet::from(texts(["12", "12a", "12ab", "12abc"]))
    );
    assert_eq!(
        with_fill(&storage, Fill::Zeros),
        BTreeSet::from(texts(["12\0\0\0", "12a\0\0", "12ab\0", "12ab\0"]))
    );
    assert_eq!(
        with_fill(&storage, Fill::Old),
        BTreeSet::from(texts(["12121", "12a21", "12ab1", "12ab1"])),
        "the own bytes, as none were freed"
    );
    let garbage = with_fill(&storage, Fill::Garbage);
    assert_eq!(garbage.len(), 3);
    assert!(garbage.iter().all(|bytes| bytes.len() == 5 && bytes.starts_with(b"12")));
    assert_eq!(storage.crash_images(1, 0).count(), 4 + 3 + 3 + 3, "each one once");
}

#[test]
fn a_write_may_be_lost_before_one_that_is_not() {
    let storage = with_unsynced("12", "ab");
    write(&mut *append(&storage, LOG), "cd");
    let zeros = with_fill(&storage, Fill::Zeros);
    for expected in ["12\0\0cd", "12\0\0c", "12\0\0c\0", "12ab\0\0", "12\0\0\0\0"] {
        assert!(zeros.contains(expected.as_bytes()), "{expected:?}");
    }
    let cut_in_both = b"12a\0cd".as_slice();
    assert!(!zeros.contains(cut_in_both), "only the last write is cut");
    assert!(with_fill(&storage, Fill::Old).contains(b"1212cd".as_slice()));
}

#[test]
fn old_bytes_are_those_of_the_file_freed_last() {
    let storage = SimStorage::new();
    for (path, bytes) in [("/first", "xxxxxxxx"), ("/second", "01234567")] {
        storage.plant(path, bytes);
        storage.unplant(path);
    }
    storage.plant(LOG, "ab");
    write(&mut *append(&storage, LOG), "cdefghij");
    assert!(with_fill(&storage, Fill::Old).contains(b"ab23456701".as_slice()));
    assert!(with_fill(&storage, Fill::Old).contains(b"abcd456701".as_slice()));
}

#[test]
fn a_file_with_a_name_anywhere_is_not_freed() {
    let storage = SimStorage::new();
    storage.plant("/old", "01234567");
    storage.plant(LOG, "ab");
    storage.remove(Path::new("/old")).unwrap();
    write(&mut *append(&storage, LOG), "cd");
    assert!(!with_fill(&storage, Fill::Old).contains(b"ab23".as_slice()));
    sync_root(&storage);
    assert!(with_fill(&storage, Fill::Old).contains(b"ab23".as_slice()));
}

#[test]
fn every_block_of_a_write_has_its_own_fate() {
    let storage = with_unsynced("12", vec![b'x'; 3 * BLOCK]);
    assert_eq!(storage.unsynced(), 4, "it begins and ends within a block");
    let image = storage.crash_images(0, 0).find(|image| {
        let bytes = image.storage.contents(LOG).unwrap();
        let zeros: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == 0).collect();
        bytes.len() == 3 * BLOCK + 2 && zeros == (BLOCK..2 * BLOCK).collect::<Vec<_>>()
    });
    let listing = image.expect("the second block alone is lost").to_string();
    assert!(listing.contains("lost 2: bytes 4096 to 8192 of file 1"), "{listing}");
}

#[test]
fn a_cut_may_be_in_any_block_of_the_last_write() {
    let storage = with_unsynced(&"-".repeat(BLOCK - 3), "abcdef");
    assert_eq!(storage.unsynced(), 2);
    let lengths: BTreeSet<_> = with_fill(&storage, Fill::Missing).iter().map(Vec::len).collect();
    assert_eq!(lengths, (BLOCK - 3..=BLOCK + 3).collect());
}

#[test]
fn synced_bytes_stay_in_every_image() {
    let storage = with_unsynced("", "");
    let mut file = append(&storage, LOG);
    for (count, text) in ["one ", "two ", "three "].into_iter().enumerate() {
        write(&mut *file, text);
        file.sync().unwrap();
        let synced = storage.contents(LOG).unwrap();
        write(&mut *file, "later");
        write(&mut *file, "!");
        for image in storage.crash_images(3, 0) {
            assert!(image.storage.contents(LOG).unwrap().starts_with(&synced), "{count} {image}");
        }
    }
}

#[test]
fn many_operations_are_sampled() {
    let storage = with_unsynced("", "");
    let mut file = append(&storage, LOG);
    for number in 0..=EXHAUSTIVE {
        write(&mut *file, format!("write {number}\n"));
    }
    let draw = |seed| -> Vec<_> {
        let images = storage.crash_images(seed, 300);
        images.map(|image| (image.fill, image.storage.contents(LOG).unwrap())).collect()
    };
    let images = draw(5);
    assert_eq!(images[0].1, storage.contents(LOG).unwrap(), "all kept");
    assert_eq!(images[1].1, b"", "all lost");
    assert!(images.len() > 150 && images.len() <= 300, "{}", images.len());
    assert_eq!(images, draw(5));
    assert_ne!(images, draw(6));
    let distinct: BTreeSet<_> = images.iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(distinct.len(), images.len());
    for fill in [Fill::Missing, Fill::Zeros, Fill::Old, Fill::Garbage] {
        assert!(images.iter().any(|image| image.0 == fill), "{fill:?}");
    }
    let whole = storage.contents(LOG).unwrap();
    assert!(images.iter().all(|(fill, bytes)| *fill != Fill::Missing || whole.starts_with(bytes)));
    let middle = whole.len() / 4..whole.len() * 3 / 4;
    let clean = images.iter().filter(|(fill, _)| *fill == Fill::Missing);
    let clean = clean.filter(|(_, bytes)| middle.contains(&bytes.len())).count();
    assert!(clean >= 3, "what came before some moment: {clean}");
    let gaps = |bytes: &[u8]| bytes.windows(2).filter(|pair| *pair == b"\0w").count();
    let gaps = images.iter().filter(|(_, bytes)| gaps(bytes) > 1).count();
    assert!(gaps >= 5, "each operation by chance: {gaps}");
    let grown = |(fill, bytes): &&(Fill, Vec<u8>)| {
        *fill == Fill::Zeros && bytes.ends_with(b"\0") && bytes.len() < whole.len()
    };
    assert!(images.iter().any(|image| grown(&image)), "a length between two writes");
}

#[test]
fn a_draw_depends_on_its_seed_alone() {
    let storage = with_unsynced("12", "abcdefgh");
    let draw = |seed| storage.crash_image(seed).storage.contents(LOG).unwrap();
    assert!((0..50).all(|seed| draw(seed) == draw(seed)));
    let drawn: BTreeSet<_> = (0..50).map(draw).collect();
    assert!(drawn.len() > 10);
    assert!(drawn.iter().all(|bytes| bytes.starts_with(b"12") && bytes.len() <= 10));
    let garbage = |seed| -> BTreeSet<_> {
        let images = storage.crash_images(seed, 0).filter(|image| image.fill == Fill::Garbage);
        images.map(|image| image.storage.contents(LOG).unwrap()).collect()
    };
    assert_eq!(garbage(1), garbage(1));
    assert_ne!(garbage(1), garbage(2));
}

#[test]
fn a_drawn_cut_loses_the_rest_of_its_write() {
    let storage = with_unsynced("", vec![b'x'; 2 * BLOCK]);
    let draws = (0..300).map(|seed| storage.crash_image(seed).storage.contents(LOG).unwrap());
    for bytes in draws.filter(|bytes| bytes.len() == 2 * BLOCK && bytes.ends_with(b"x")) {
        let cut = bytes.iter().position(|byte| *byte != b'x');
        assert!(cut.is_none_or(|cut| cut < 16), "{cut:?}: all of a block or nothing");
    }
}

#[test]
fn an_image_is_a_world_of_its_own() {
    let storage = with_unsynced("12", "ab");
    let lock = storage.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap();
    storage.fail(At::Nth(Call::Open, 1), Fault::error(libc::EIO).lasting());
    assert!(lock.is_some());
    for image in storage.crash_images(0, 0) {
        let crashed = image.storage;
        assert_eq!((crashed.open_files(), crashed.calls(), crashed.unsynced()), (0, 0, 0));
        assert!(crashed.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap().is_some());
        write(&mut *append(&crashed, LOG), "new");
        assert_eq!(crashed.journal().entries().len(), 3);
    }
    assert_eq!(storage.contents(LOG).unwrap(), b"12ab");
}

#[test]
fn an_image_lists_what_was_kept() {
    let storage = SimStorage::new();
    let mut file = create(&storage, LOG);
    write(&mut *file, "abc");
    let listings: BTreeSet<_> = storage.crash_images(0, 0).map(|image| image.to_string()).collect();
    assert!(listings.contains(
        "power cut, lost bytes are zeros\n  \
           kept 1: name /log to file 1\n  \
           kept 2: bytes 0 to 3 of file 1, only the first 2\n"
    ));
    storage.link(Path::new(LOG), Path::new("/second")).unwrap();
    write(&mut *file, "d");
    let listing = storage.crash_images(0, 0).next().unwrap().to_string();
    assert_eq!(
        listing,
        "power cut, lost bytes are missing\n  \
           lost 1: name /log to file 1\n  \
           lost 2: bytes 0 to 3 of file 1\n  \
           lost 3: name /second to file 1\n  \
           lost 4: bytes 3 to 4 of file 1\n"
    );
}

#[test]
fn garbage_may_be_lines_that_nobody_wrote() {
    let storage = with_unsynced("12", vec![b'x'; 200]);
    let lines = |seed| {
        let images = storage.crash_images(seed, 0);
        let garbage = images.filter(|image| image.fill == Fill::Garbage);
        garbage.map(|image| image.storage.contents(LOG).unwrap()).any(|bytes| {
            bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"alive: forged "))
        })
    };
    let with_lines = (0..40).filter(|seed| lines(*seed)).count();
    assert!((5..35).contains(&with_lines), "random bytes as well: {with_lines}");
}

#[test]
fn fewer_than_all_are_drawn() {
    let storage = with_unsynced("12", vec![b'x'; 200]);
    let all = storage.crash_images(1, 0);
    assert!(all.is_exhaustive());
    assert!(storage.crash_images(1, 0).at_most(10_000).is_exhaustive());
    let few = storage.crash_images(1, 0).at_most(20);
    assert!(!few.is_exhaustive());
    let few: Vec<_> = few.map(|image| image.storage.contents(LOG).unwrap()).collect();
    assert!((3..=20).contains(&few.len()), "{}", few.len());
    assert_eq!((few[0].len(), few[1].len()), (202, 2), "all kept and all lost are among them");
    assert!(all.count() > 600);
}

#[test]
fn a_long_last_write_is_cut_at_every_byte_with_all_that_came_before_some_moment() {
    let storage = with_unsynced("", "");
    let mut file = append(&storage, LOG);
    (0..6).for_each(|_| write(&mut *file, "0123456789"));
    write(&mut *file, vec![b'x'; 500]);
    let images = storage.crash_images(1, 0);
    assert!(images.is_exhaustive());
    let found: BTreeSet<_> = images
        .filter(|image| image.fill == Fill::Zeros)
        .map(|image| image.storage.contents(LOG).unwrap())
        .collect();
    let whole = storage.contents(LOG).unwrap();
    for moment in 0..=6 {
        for cut in 1..500 {
            let mut expected = vec![0; whole.len()];
            expected[..10 * moment].copy_from_slice(&whole[..10 * moment]);
            expected[60..60 + cut].fill(b'x');
            assert!(found.contains(&expected), "{moment} before a cut at {cut}");
        }
    }
    let gap = [&[0; 10][..], &whole[10..]].concat();
    assert!(found.contains(&gap), "every subset, where nothing is cut");
}
