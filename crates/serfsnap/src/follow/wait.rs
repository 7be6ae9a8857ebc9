//! Waiting for the next look.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::Failure;
use crate::follow::source::Source;

/// Waits for time to pass, for a pipe, for a signal, and for whoever reads the output to go away.
pub(crate) struct Wait {
    signals: UnixStream,
    interval: Duration,
}

/// Why the waiting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Look,
    Stop,
}

const READY: PollFlags =
    PollFlags::IN.union(PollFlags::HUP).union(PollFlags::ERR).union(PollFlags::NVAL);

impl Wait {
    pub(crate) const fn new(signals: UnixStream, interval: Duration) -> Self {
        Self { signals, interval }
    }

    /// Waits until there may be something to see; in a pipe where whole lines are held for one interval at most.
    pub(crate) fn next(&self, source: &Source, holds_lines: bool) -> Result<Next, Failure> {
        let pipe = source.pipe();
        let forever = pipe.is_some() && !holds_lines;
        let timeout = Timespec::try_from(self.interval).ok().filter(|_| !forever);
        self.poll(pipe.as_ref(), timeout.as_ref())
    }

    /// Whether a signal has come, or nobody reads on.
    pub(crate) fn is_over(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(self.poll(None, Some(&at_once)), Ok(Next::Stop))
    }

    fn poll(
        &self,
        pipe: Option<&std::os::fd::BorrowedFd<'_>>,
        timeout: Option<&Timespec>,
    ) -> Result<Next, Failure> {
        let stdout = io::stdout();
        // Nothing is asked of standard output; that its reader has gone away is told all the same.
        let mut waited = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&stdout, PollFlags::empty()),
        ];
        waited.extend(pipe.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut waited, timeout) {
            Err(rustix::io::Errno::INTR) => return Ok(Next::Look),
            ready => {
                ready.map_err(|error| Failure::told(format!("cannot wait for input: {error}")))?
            }
        };
        let over = waited[..2].iter().any(|fd| fd.revents().intersects(READY));
        Ok(if over { Next::Stop } else { Next::Look })
    }
}
