//! A file in pieces.

use snapshot_format::{Line, Lines, MAX_BATCH, MAX_LINE, Record, Seal, SealFault, Trust};

use crate::expand;
use crate::read::blocks_of_pieces;

/// The end of a seal line that its checksum does not cover: a space, the checksum and the newline.
const UNCOVERED: usize = 1 + 8 + 1;
/// What a decoder may have besides one batch or one line, in bytes.
const SLACK: usize = 128 * 1024;

/// The first byte of the input says how many sizes of pieces follow, at most 15, two bytes each, the lower one first;
/// the rest is a file, with runs and seal marks.
///
/// * Read in these pieces, in turn and again, or at once, the file gives the same lines with the same trust.
/// * The lines are those of `Lines` over the whole file, these are what stands between the newlines, and the trust is
///   what a plain reading of the rules gives.
/// * A buffer holds one batch, or one line, never more.
///
/// # Panics
/// Where one of these does not hold.
pub fn decoder_chunks(data: &[u8]) {
    let (pieces, input) = pieces(data);
    let file = expand(input);
    let expected = Expected::of(&file);
    expected.check(&file, &mut std::iter::empty());
    // A megabyte is not read byte by byte, whatever the input says.
    let least = file.len() / 4096;
    expected.check(&file, &mut pieces.iter().map(|&piece| piece.max(least)).cycle());
}

fn pieces(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (vec![1], data) };
    let (sizes, file) = rest.split_at(rest.len().min(2 * usize::from(count & 15)));
    let sizes =
        sizes.chunks_exact(2).map(|size| usize::from(u16::from_le_bytes([size[0], size[1]])));
    (sizes.chain([1]).collect(), file)
}

struct Expected<'a> {
    lines: Vec<(Line<'a>, Trust)>,
    torn: &'a [u8],
    max_space: usize,
}

impl<'a> Expected<'a> {
    fn of(file: &'a [u8]) -> Self {
        let mut plain = Lines::new(file);
        let mut lines = Vec::new();
        let (mut run_start, mut run_first, mut longest) = (0, 0, 0);
        while let Some(line) = plain.next() {
            lines.push((line, Trust::Unsealed));
            longest = longest.max(line.len);
            if let Ok(Record::Seal(seal)) = line.record() {
                let end = file.len() - plain.remainder().len();
                let run = &file[run_start..end];
                let first = if run.len() > MAX_BATCH { lines.len() - 1 } else { run_first };
                let trust = judge(run, &line, seal);
                lines[first..].iter_mut().for_each(|line| line.1 = trust);
                (run_start, run_first) = (end, lines.len());
            }
        }
        let torn = plain.remainder();
        check_cuts(file, lines.iter().map(|(line, _)| line), torn);
        let longest = longest.max(torn.len() as u64);
        let max_space = if longest > MAX_BATCH as u64 { MAX_LINE } else { MAX_BATCH } + SLACK;
        Self { lines, torn, max_space }
    }

    fn check(&self, file: &[u8], pieces: &mut dyn Iterator<Item = usize>) {
        let mut expected = self.lines.iter();
        let bounded = |space| assert!((1..=self.max_space).contains(&space), "{space} bytes");
        let decoder = blocks_of_pieces(file, pieces, bounded, |block| {
            for line in block.lines {
                let seen = (line, block.trust);
                assert_eq!(Some(&seen), expected.next());
            }
        });
        assert_eq!(None, expected.next());
        let torn = decoder.torn();
        assert_eq!(torn.is_some(), !self.torn.is_empty());
        if let Some(torn) = torn {
            assert_eq!(torn.number, self.lines.len() as u64 + 1);
            assert_eq!(
                (torn.offset + torn.len, torn.len),
                (file.len() as u64, self.torn.len() as u64)
            );
            assert!(self.torn.starts_with(torn.bytes));
            assert!(torn.bytes == self.torn || self.torn.len() > MAX_LINE);
        }
    }
}

fn check_cuts<'a>(file: &[u8], lines: impl Iterator<Item = &'a Line<'a>>, torn: &[u8]) {
    let mut cuts = file.split(|&byte| byte == b'\n').zip(1..);
    let mut offset = 0;
    for (line, (bytes, number)) in lines.zip(cuts.by_ref()) {
        let len = bytes.len() as u64;
        assert_eq!((line.number, line.offset, line.len), (number, offset, len));
        assert!(bytes.starts_with(line.bytes));
        assert!(line.bytes == bytes || bytes.len() > MAX_LINE);
        offset += len + 1;
    }
    assert!(cuts.map(|(bytes, _)| bytes).eq([torn]));
}

/// What a seal says of the run before it, with its own line at the end.
fn judge(run: &[u8], line: &Line<'_>, seal: Seal) -> Trust {
    let covered = &run[..run.len() - UNCOVERED];
    if run.len() > MAX_BATCH || seal.len + line.len + 1 != run.len() as u64 {
        Trust::Damaged(SealFault::Length)
    } else if snapshot_model::crc32c(covered) != seal.crc {
        Trust::Damaged(SealFault::Checksum)
    } else {
        Trust::Sealed(seal)
    }
}
