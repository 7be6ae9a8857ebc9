//! What disks, crashes, editors and other programs do to a file.

use snapshot_format::Lines;

use crate::generate::any_line;
use crate::lines::Chance;

/// Damages a file in one to four ways.
pub(crate) fn damage(chance: &mut Chance, mut file: Vec<u8>) -> Vec<u8> {
    for _ in 0..=chance.below(4) {
        damage_once(chance, &mut file);
    }
    file
}

fn damage_once(chance: &mut Chance, file: &mut Vec<u8>) {
    if file.is_empty() {
        any_line(chance, file);
        return;
    }
    let at = chance.below(file.len());
    match chance.below(14) {
        0..3 => file[at] ^= 1 << chance.below(8),
        // A write that was cut short, and what was appended to it.
        3 => file.truncate(at),
        4 => {
            file.truncate(at);
            any_line(chance, file);
            file.push(b'\n');
        }
        // Two lines become one.
        5 => {
            let ends = line_feeds(file);
            if !ends.is_empty() {
                file.remove(ends[chance.below(ends.len())]);
            }
        }
        // A lost block reads as zeros.
        6 => {
            let end = (at + 1 + chance.below(40)).min(file.len());
            file[at..end].fill(0);
        }
        7 => file.splice(at..at, vec![0; 1 + chance.below(20)]).for_each(drop),
        8 => {
            let end = (at + 1 + chance.below(30)).min(file.len());
            file.drain(at..end);
        }
        9 => {
            let end = (at + 1 + chance.below(60)).min(file.len());
            let piece = file[at..end].to_vec();
            let to = chance.below(file.len());
            file.splice(to..to, piece);
        }
        10 => file[at] = chance.byte(),
        11 => carriage_returns(chance, file),
        12 => file.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        _ => {
            let mut piece = Vec::new();
            any_line(chance, &mut piece);
            if chance.one_in(2) {
                piece.push(b'\n');
            }
            // Where a line begins, as an editor would, or in the middle of one.
            let starts: Vec<usize> =
                Lines::new(file).map(|line| usize::try_from(line.offset).unwrap_or(0)).collect();
            let start = starts.get(chance.below(starts.len().max(1))).copied().unwrap_or(at);
            let to = if chance.one_in(3) { at } else { start };
            file.splice(to..to, piece);
        }
    }
}

/// An editor of another system: at the end of every line, or of some.
fn carriage_returns(chance: &mut Chance, file: &mut Vec<u8>) {
    let all = chance.one_in(2);
    let old = std::mem::take(file);
    for byte in old {
        if byte == b'\n' && (all || chance.one_in(3)) {
            file.push(b'\r');
        }
        file.push(byte);
    }
}

/// The places of the line feeds.
fn line_feeds(file: &[u8]) -> Vec<usize> {
    file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect()
}
