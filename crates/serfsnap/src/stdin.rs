//! Standard input, line by line, until it ends or a signal comes.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

/// The longest line of events that is taken, in bytes: some ten thousand members.
pub(crate) const MAX_LINE: usize = 4 * 1024 * 1024;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// How much is still read after a signal: what a full pipe holds. Whoever wrote it before the signal may count on it.
const MAX_LEFT: usize = 1024 * 1024;

/// Lines of standard input.
pub(crate) struct Stdin<I> {
    input: I,
    signals: UnixStream,
    /// The longest line that is taken, in bytes.
    max_line: usize,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were read and not handed out.
    start: usize,
    end: usize,
    /// From `start` on, this many bytes hold no newline.
    searched: usize,
    /// Inside a line that is too long.
    long: bool,
    at_end: bool,
    /// How much may still be read, once a signal has come.
    left: Option<usize>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A line, without its newline.
    Line(&'a [u8]),
    /// A line that was too long to be held.
    TooLong,
}

/// What was told of a line's place; the bytes follow once nothing else is borrowed.
enum Found {
    Line(usize, usize),
    TooLong,
    Nothing,
}

/// Takes SIGINT and SIGTERM from now on: each becomes a byte to read. SIGXFSZ becomes a failed write.
pub(crate) fn signals() -> io::Result<UnixStream> {
    let (signals, sender) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    // Its handler does nothing that matters, but unlike the default it does not kill.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(signals)
}

impl<I: AsFd> Stdin<I> {
    /// Reads `input` until it ends or there is something to read from `signals`.
    pub(crate) fn new(input: I, signals: UnixStream, max_line: usize) -> Self {
        Self {
            input,
            signals,
            max_line,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            searched: 0,
            long: false,
            at_end: false,
            left: None,
        }
    }

    /// The next line; `None` at the end of the input, or when all that came before a signal was handed out.
    pub(crate) fn next(&mut self) -> io::Result<Option<Next<'_>>> {
        loop {
            match self.find() {
                Found::Line(start, end) => return Ok(Some(Next::Line(&self.buffer[start..end]))),
                Found::TooLong => return Ok(Some(Next::TooLong)),
                Found::Nothing => {}
            }
            if self.at_end || !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn find(&mut self) -> Found {
        let data = &self.buffer[self.start..self.end];
        let newline = data[self.searched..].iter().position(|&byte| byte == b'\n');
        let Some(len) = newline.map(|at| self.searched + at) else {
            self.searched = data.len();
            if self.searched > self.max_line {
                self.long = true;
            }
            if self.long {
                self.start = self.end;
                self.searched = 0;
            }
            // The last line may lack its newline, but not where a signal cut it off.
            let last = self.at_end && (self.long || self.start < self.end);
            return if last { self.take(self.end - self.start, 0) } else { Found::Nothing };
        };
        self.take(len, 1)
    }

    fn take(&mut self, len: usize, newline: usize) -> Found {
        let start = self.start;
        self.start += len + newline;
        self.searched = 0;
        if std::mem::take(&mut self.long) || len > self.max_line {
            return Found::TooLong;
        }
        Found::Line(start, start + len)
    }

    /// Waits for more and reads it; whether there may be more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.resize(self.end + CHUNK, 0);
        }
        if !self.wait()? {
            return Ok(false);
        }
        // Past the buffer of `std`, which poll(2) knows nothing of.
        let read = match rustix::io::read(self.input.as_fd(), &mut self.buffer[self.end..]) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(true),
            read => read?,
        };
        self.end += read;
        self.at_end = read == 0;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(read);
        }
        Ok(true)
    }

    /// Waits until there is something to read; no, where a signal has come and nothing is left.
    fn wait(&mut self) -> io::Result<bool> {
        const READY: PollFlags =
            PollFlags::IN.union(PollFlags::HUP).union(PollFlags::ERR).union(PollFlags::NVAL);
        loop {
            let mut waited = [
                PollFd::new(&self.input, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            match poll(&mut waited, self.left.is_some().then_some(&at_once)) {
                Err(rustix::io::Errno::INTR) => continue,
                ready => ready?,
            };
            let [input, signal] = waited.map(|fd| fd.revents().intersects(READY));
            if signal && self.left.is_none() {
                // Its bytes are taken, so that a second signal does not fill the pipe.
                let _ = self.signals.read(&mut [0; 16])?;
                self.left = Some(MAX_LEFT);
            }
            match self.left {
                Some(0) => return Ok(false),
                _ if input => return Ok(true),
                Some(_) => return Ok(false),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, PipeWriter, Write, pipe};
    use std::thread;

    fn stdin() -> (Stdin<PipeReader>, PipeWriter, UnixStream) {
        let (reader, writer) = pipe().unwrap();
        let (signals, signal) = UnixStream::pair().unwrap();
        (Stdin::new(reader, signals, MAX_LINE), writer, signal)
    }

    fn check(stdin: &mut Stdin<PipeReader>, expect: &[Next<'_>]) {
        for next in expect {
            assert_eq!(stdin.next().unwrap().as_ref(), Some(next));
        }
        assert_eq!(stdin.next().unwrap(), None);
    }

    #[test]
    fn lines_up_to_the_end() {
        let (mut stdin, mut writer, _signal) = stdin();
        writer.write_all(b"one\n\ntwo\nlast").unwrap();
        drop(writer);
        let lines = [&b"one"[..], b"", b"two", b"last"].map(Next::Line);
        check(&mut stdin, &lines);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_held() {
        let (mut stdin, mut writer, _signal) = stdin();
        let input = thread::spawn(move || {
            let mib = vec![b'x'; 1024 * 1024];
            for _ in 0..20 {
                writer.write_all(&mib).unwrap();
            }
            writer.write_all(b"\nshort\n").unwrap();
            for _ in 0..4 {
                writer.write_all(&mib).unwrap();
            }
            writer.write_all(b"\n").unwrap();
            for _ in 0..5 {
                writer.write_all(&mib).unwrap();
            }
        });
        assert_eq!(stdin.next().unwrap(), Some(Next::TooLong));
        assert_eq!(stdin.next().unwrap(), Some(Next::Line(b"short")));
        let longest = vec![b'x'; MAX_LINE];
        assert_eq!(stdin.next().unwrap(), Some(Next::Line(&longest)), "this one just fits");
        check(&mut stdin, &[Next::TooLong]);
        input.join().unwrap();
        assert!(stdin.buffer.len() <= MAX_LINE + 2 * CHUNK);
    }

    #[test]
    fn what_was_written_before_a_signal_is_read() {
        let (mut stdin, mut writer, mut signal) = stdin();
        writer.write_all(b"one\ntwo\nunfinis").unwrap();
        signal.write_all(b"x").unwrap();
        check(&mut stdin, &[Next::Line(b"one"), Next::Line(b"two")]);
        writer.write_all(b"hed\n").unwrap();
    }

    #[test]
    fn a_signal_ends_waiting() {
        let (mut stdin, writer, mut signal) = stdin();
        let waiting = thread::spawn(move || stdin.next().unwrap().is_none());
        signal.write_all(b"x").unwrap();
        assert!(waiting.join().unwrap());
        drop(writer);
    }

    #[test]
    fn a_writer_that_never_stops_does_not_keep_a_signal_waiting() {
        let (mut stdin, mut writer, mut signal) = stdin();
        let endless = thread::spawn(move || while writer.write_all(&[b'\n'; 4096]).is_ok() {});
        signal.write_all(b"x").unwrap();
        while stdin.next().unwrap().is_some() {}
        drop(stdin);
        endless.join().unwrap();
    }
}
