//! One connection to an agent: what comes is recorded, and what it is time for is asked.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::conversation::{Conversation, Heard};
use super::follower::Follower;
use super::{Agent, End, Fault, Log};
use crate::out::complain;

/// How much is still read after a signal, in bytes: what the agent had said before may be under way.
const MAX_LEFT: usize = 1024 * 1024;

/// One connection.
pub(super) struct Link<'a> {
    agent: &'a Agent,
    stream: TcpStream,
    signals: &'a UnixStream,
    follower: &'a mut Follower,
    conversation: Conversation,
    next_clocks: Instant,
    next_members: Instant,
    /// Since then no answer has come, though something was asked.
    asked: Option<Instant>,
    /// How much may still be read, once a signal has come.
    left: Option<usize>,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        agent: &'a Agent,
        stream: TcpStream,
        signals: &'a UnixStream,
        follower: &'a mut Follower,
    ) -> Self {
        let now = Instant::now();
        Self {
            agent,
            stream,
            signals,
            follower,
            conversation: Conversation::new(agent.key.clone()),
            next_clocks: now + agent.pace.clocks,
            next_members: now + agent.pace.members,
            asked: None,
            left: None,
        }
    }

    /// Records what is told until the connection or the recorder ends. `told`: whoever reads the messages believes that
    /// the agent cannot be reached.
    pub(super) fn run(&mut self, log: &mut impl Log, told: &mut bool) -> Result<(), End> {
        loop {
            self.hear(log, told)?;
            self.ask()?;
            let ready = wait_for(Some(&self.stream), self.signals, self.patience())?;
            if ready.signal && self.left.is_none() {
                self.left = Some(MAX_LEFT);
            }
            if ready.stream {
                self.receive()?;
            }
            if self.left.is_some_and(|left| left == 0 || !ready.stream) {
                return Err(End::Stopped);
            }
        }
    }

    /// Records all that has come.
    fn hear(&mut self, log: &mut impl Log, told: &mut bool) -> Result<(), End> {
        let place = format!("agent at {}", self.agent.addr);
        loop {
            // An answer that is being read is not awaited any more, but what comes before it was said before.
            let awaits_list = self.conversation.awaits_members();
            let Some(heard) = self.conversation.poll()? else { return Ok(()) };
            if heard == Heard::Subscribed && std::mem::take(told) {
                complain(&format_args!("{place}: connected"));
            }
            if self.follower.is_back(&heard) {
                log.begin_again().map_err(End::Failure)?;
                self.follower.came_back();
            }
            let repeats = matches!(heard, Heard::Members(_));
            if repeats || matches!(heard, Heard::Clocks(_)) {
                self.asked = None;
            }
            let outcome = self.follower.take(heard, awaits_list, log);
            if repeats || outcome.is_err() {
                log.note(&place, repeats, outcome);
            }
        }
    }

    /// Asks what it is time for, and sees to it that answers come.
    fn ask(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        let pace = self.agent.pace;
        if self.conversation.is_subscribed() {
            if now >= self.next_clocks && !self.conversation.awaits_stats() {
                self.conversation.ask_stats(self.follower.own());
                self.next_clocks = now + pace.clocks;
            }
            if now >= self.next_members && !self.conversation.awaits_members() {
                self.conversation.ask_members();
                self.next_members = now + pace.members;
            }
        }
        self.stream.write_all(&self.conversation.take_output())?;
        if !self.conversation.awaits_anything() {
            self.asked = None;
        } else if now.duration_since(*self.asked.get_or_insert(now)) > pace.answer {
            return Err(Fault::Silent(pace.answer));
        }
        Ok(())
    }

    /// Until something is to be done if nothing comes.
    fn patience(&self) -> Duration {
        if self.left.is_some() {
            return Duration::ZERO;
        }
        let next = self.next_clocks.min(self.next_members);
        // What is overdue waits for an answer.
        next.saturating_duration_since(Instant::now()).max(Duration::from_millis(50))
    }

    fn receive(&mut self) -> Result<(), Fault> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        match self.stream.read(self.conversation.space()) {
            Ok(0) => Err(Fault::Closed),
            Ok(read) => {
                self.conversation.filled(read);
                self.left = self.left.map(|left| left.saturating_sub(read));
                Ok(())
            }
            Err(error) if matches!(error.kind(), Interrupted | TimedOut | WouldBlock) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is there to be read.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    stream: bool,
    pub(super) signal: bool,
}

/// Waits for the first of them, but not longer than this.
pub(super) fn wait_for(
    stream: Option<&TcpStream>,
    signals: &UnixStream,
    patience: Duration,
) -> Result<Ready, Fault> {
    let mut waited = vec![PollFd::new(signals, PollFlags::IN)];
    waited.extend(stream.map(|stream| PollFd::new(stream, PollFlags::IN)));
    let patience = Timespec::try_from(patience).ok();
    match poll(&mut waited, patience.as_ref()) {
        Err(error) if error != rustix::io::Errno::INTR => return Err(io::Error::from(error).into()),
        _ => {}
    }
    let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    Ok(Ready { signal: is_ready(&waited[0]), stream: waited.get(1).is_some_and(is_ready) })
}
