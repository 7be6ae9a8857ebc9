//! The notation of inputs: a few bytes for a large file, one line for a seal that holds.

use snapshot_format::{MAX_BATCH, MAX_LINE, MAX_NAME, Record, Sealer, UnixMillis};

/// Begins a run: this byte, the byte to repeat, and the index of a length in [`RUN_LENGTHS`].
pub const RUN: u8 = 0x1a;

/// The lengths of runs, each a little below a limit of the format, so that a mutation or two reaches and passes it:
/// zeros of a lost block, an excerpt, a host name, the kept part of a long line, a coordinate, a name, a piece, a
/// batch, the decoder's buffer, a line.
pub const RUN_LENGTHS: [usize; 10] = [
    7,
    100,
    250,
    240,
    4_000,
    MAX_NAME - 4,
    64 * 1024 - 60,
    MAX_BATCH - 60,
    MAX_BATCH + 64 * 1024 - 60,
    MAX_LINE - 20,
];

/// No input stands for more bytes than this: two lines that are too long, and something around them.
pub const MAX_STRETCHED: usize = 2 * MAX_LINE + MAX_BATCH;

/// A line that [`expand`] replaces with a seal that holds.
///
/// Without it a fuzzer would have to guess checksums.
pub const SEAL_MARK: &[u8] = b"#@seal";

/// The time of every seal that is made here.
pub(crate) const SEALED_AT: UnixMillis = UnixMillis(1_763_867_000_000);

/// Writes out the runs of an input.
///
/// What only looks like a run, or would make the result longer than [`MAX_STRETCHED`], stays as it is.
#[must_use]
pub fn stretch(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((&first, behind)) = rest.split_first() {
        let length = |index: &u8| RUN_LENGTHS.get(usize::from(*index));
        if first == RUN
            && let [byte, index, behind @ ..] = behind
            && let Some(&length) = length(index)
            && out.len() + length + behind.len() <= MAX_STRETCHED
        {
            out.resize(out.len() + length, *byte);
            rest = behind;
        } else {
            out.push(first);
            rest = behind;
        }
    }
    out
}

/// Writes out the runs of an input, and puts a seal in place of every [`SEAL_MARK`].
#[must_use]
pub fn expand(input: &[u8]) -> Vec<u8> {
    let stretched = stretch(input);
    let mut file = Vec::with_capacity(stretched.len());
    let mut run_start = 0;
    for line in stretched.split_inclusive(|&byte| byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else {
            file.extend_from_slice(line);
            break;
        };
        if text == SEAL_MARK {
            let seal = seal_of(&file[run_start..]);
            seal.encode(&mut file);
            run_start = file.len();
        } else {
            file.extend_from_slice(line);
            let seals =
                text.len() <= MAX_LINE && matches!(Record::parse(text), Ok(Record::Seal(_)));
            run_start = if seals { file.len() } else { run_start };
        }
    }
    file
}

fn seal_of(batch: &[u8]) -> Record<'static> {
    let mut sealer = Sealer::new();
    sealer.update(batch);
    Record::Seal(sealer.seal(SEALED_AT))
}

/// A wholly sealed file in the making.
#[derive(Default)]
pub(crate) struct Batches {
    file: Vec<u8>,
    sealer: Sealer,
    line: Vec<u8>,
    /// Whether something waits for a seal.
    open: bool,
}

impl Batches {
    /// Adds a record, behind a seal where the batch is full; one that fits no batch is left out.
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.line.clear();
        record.encode(&mut self.line);
        if !self.sealer.fits(self.line.len()) {
            self.seal();
        }
        if self.sealer.fits(self.line.len()) {
            self.sealer.update(&self.line);
            self.file.extend_from_slice(&self.line);
            self.open = true;
        }
    }

    /// Ends a batch; nobody writes one that is empty.
    pub(crate) fn seal(&mut self) {
        if std::mem::take(&mut self.open) {
            Record::Seal(self.sealer.seal(SEALED_AT)).encode(&mut self.file);
        }
    }

    pub(crate) fn into_file(mut self) -> Vec<u8> {
        self.seal();
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_written_out() {
        assert_eq!(stretch(b"a\x1ax\x00b"), b"axxxxxxxb");
        assert_eq!(stretch(b"a\x1ax\xffb\x1a"), b"a\x1ax\xffb\x1a");
        let most = stretch(&[RUN, b'x', 9].repeat(3));
        assert_eq!(most.len(), 2 * (MAX_LINE - 20) + 3);
    }

    #[test]
    fn marks_become_seals_that_hold() {
        let file = expand(b"clock: 1\n#@seal\n#@seal: 1 1 00000000\nclock: 2\n#@seal\nx");
        let text = String::from_utf8(file).unwrap();
        let lens: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#@seal: ")).collect();
        assert_eq!(lens.len(), 3);
        assert!(lens[0].starts_with("9 ") && lens[2].starts_with("9 "), "{text}");
        assert!(text.ends_with("\nx"));
    }
}
