//! Lines of a file that grows, with their trust, as soon as that is known.

use snapshot_engine::State;
use snapshot_format::{Decoder, Line, Lines, Trust, UnixMillis};

use crate::args::Rules;
use crate::failure::Failure;
use crate::follow::Written;
use crate::follow::source::Source;
use crate::follow::wait::Wait;
use crate::tracker::{Step, Tracker};

/// What the file has said so far, and the bytes of which that is not clear yet.
pub(crate) struct Tail {
    tracker: Tracker,
    decoder: Decoder,
    /// Lines and bytes before the decoder's first.
    lines: u64,
    bytes: u64,
    /// A seal has been seen: whole lines wait for theirs.
    sealed: bool,
    /// Nothing has come since the last read.
    quiet: bool,
}

impl Tail {
    pub(crate) fn new(rules: Rules) -> Self {
        let (tracker, decoder) = (Tracker::new(rules), Decoder::new());
        Self { tracker, decoder, lines: 0, bytes: 0, sealed: false, quiet: false }
    }

    pub(crate) const fn state(&self) -> &State {
        self.tracker.state()
    }

    /// Whether whole lines wait for a seal.
    pub(crate) fn holds_lines(&self) -> bool {
        held(&self.decoder).is_some()
    }

    /// Reads to the present end, or to a signal; whether a pipe has ended.
    ///
    /// Whole lines without a seal are told at once in a file that has none. In one that has, their seal is likely on
    /// its way: they are told when a whole look has brought nothing.
    pub(crate) fn read(
        &mut self,
        source: &mut Source,
        wait: &Wait,
        mut each: impl FnMut(&Step<'_>, Option<UnixMillis>) -> Written,
    ) -> Result<bool, Failure> {
        let mut some = false;
        loop {
            let read = source.read(self.decoder.space())?;
            if read == 0 {
                break;
            }
            some = true;
            self.decoder.filled(read);
            while let Some(block) = self.decoder.next_block() {
                let trust = block.trust;
                self.sealed |= matches!(trust, Trust::Sealed(_));
                let (lines, bytes, tracker) = (self.lines, self.bytes, &mut self.tracker);
                for line in block.lines {
                    tell(tracker, &moved(&line, lines, bytes), trust, &mut each)?;
                }
            }
            // What else is in a pipe is not known without waiting for it.
            if !source.is_file() || wait.is_over() {
                break;
            }
        }
        let ended = !some && !source.is_file();
        self.quiet = !some;
        if self.quiet || !self.sealed {
            self.take_held(each)?;
        }
        Ok(ended)
    }

    /// Whole lines that wait for a seal wait no longer.
    pub(crate) fn take_held(
        &mut self,
        mut each: impl FnMut(&Step<'_>, Option<UnixMillis>) -> Written,
    ) -> Written {
        let Some((held, whole)) = held(&self.decoder) else { return Ok(()) };
        let (number, offset) = (held.number + self.lines - 1, held.offset + self.bytes);
        let (whole, mut rest) = held.bytes.split_at(whole);
        let mut count = 0;
        for line in Lines::new(whole) {
            count += 1;
            tell(&mut self.tracker, &moved(&line, number, offset), Trust::Unsealed, &mut each)?;
        }
        let mut decoder = Decoder::new();
        while !rest.is_empty() {
            let space = decoder.space();
            let len = space.len().min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            decoder.filled(len);
            // It is the beginning of one line, so that no block can be in it.
            while decoder.next_block().is_some() {}
            rest = &rest[len..];
        }
        self.lines = number + count;
        self.bytes = offset + whole.len() as u64;
        self.decoder = decoder;
        Ok(())
    }
}

/// The bytes that the decoder holds, and how many of them are whole lines, where there are any.
fn held(decoder: &Decoder) -> Option<(Line<'_>, usize)> {
    // Of a line that is too long only the first bytes are there, none of which ends it.
    let held = decoder.torn()?;
    let whole = held.bytes.iter().rposition(|&byte| byte == b'\n')?;
    Some((held, whole + 1))
}

/// A line in the place it has in the whole file.
fn moved<'a>(line: &Line<'a>, lines: u64, bytes: u64) -> Line<'a> {
    Line { number: line.number + lines, offset: line.offset + bytes, ..*line }
}

fn tell(
    tracker: &mut Tracker,
    line: &Line<'_>,
    trust: Trust,
    each: &mut impl FnMut(&Step<'_>, Option<UnixMillis>) -> Written,
) -> Written {
    let at = match trust {
        Trust::Sealed(seal) => Some(seal.at),
        Trust::Unsealed | Trust::Damaged(_) => None,
    };
    each(&tracker.line(line, trust), at)
}
