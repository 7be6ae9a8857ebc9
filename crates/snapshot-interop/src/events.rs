//! What happens to an agent, told to our recorder or to Serf's.

use snapshot_engine::{Coordinate, Event, InvalidMember, LamportTime, Member};

use crate::hex;
use crate::judge::LifeEvent;
use crate::lines::{Chance, plain_name};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    what: What,
    name: Vec<u8>,
    host: &'static str,
    port: u16,
    time: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Join,
    Update,
    Failed,
    Leave,
    Reap,
    User,
    Query,
    Clock,
    Coordinate,
    Depart,
}

/// What both recorders can be told: Serf's knows IP addresses alone.
const HOSTS: [&str; 5] = ["10.0.0.1", "10.0.0.2", "127.0.0.1", "::1", "2001:db8::7"];
/// What only ours takes: other agents have names for their members' hosts.
const NAMED_HOSTS: [&str; 2] = ["db-7.example.org", "fe80::1%eth0"];
/// The highest clock that we believe.
const HIGHEST: u64 = 1 << 48;

/// Something that Serf can be told, too.
pub(crate) fn shared(chance: &mut Chance) -> Happening {
    use What::{Clock, Failed, Join, Leave, Query, User};
    let whats = [Join, Join, Join, Join, Failed, Failed, Leave, User, User, Query, Clock, Clock];
    let what = whats[chance.below(whats.len())];
    happening(chance, what, &HOSTS)
}

/// Something that our recorder can be told.
pub(crate) fn any(chance: &mut Chance) -> Happening {
    match chance.below(12) {
        0 => happening(chance, What::Update, &NAMED_HOSTS),
        1 => happening(chance, What::Reap, &HOSTS),
        2 => happening(chance, What::Coordinate, &HOSTS),
        _ => shared(chance),
    }
}

/// The owner leaves the cluster.
pub(crate) fn depart(chance: &mut Chance) -> Happening {
    happening(chance, What::Depart, &HOSTS)
}

fn happening(chance: &mut Chance, what: What, hosts: &[&'static str]) -> Happening {
    let time = match chance.below(2000) {
        0 => HIGHEST,
        time => time as u64,
    };
    let (name, host) = (plain_name(chance), hosts[chance.below(hosts.len())]);
    let port = [7946, 17946, 1, 65535][chance.below(4)];
    Happening { what, name, host, port, time }
}

impl Happening {
    /// Hands it over as an event of our recorder.
    pub(crate) fn tell<R>(&self, to: impl FnOnce(Event<'_>) -> R) -> Result<R, InvalidMember> {
        let host = self.host;
        let addr = if host.contains(':') {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        };
        let member = Member::new(&self.name, addr.as_bytes())?;
        let time = LamportTime(self.time);
        let event = match self.what {
            What::Join => Event::MemberJoin(member),
            What::Update => Event::MemberUpdate(member),
            What::Failed => Event::MemberFailed(member),
            What::Leave => Event::MemberLeave(member),
            What::Reap => Event::MemberReap(member),
            What::User => Event::User(time),
            What::Query => Event::Query(time),
            What::Clock => Event::Clock(time),
            What::Coordinate => match Coordinate::new([0.25; 8], 1.5, 0.0, 1e-5) {
                Ok(coordinate) => Event::Coordinate(coordinate),
                Err(_) => Event::Clock(time),
            },
            What::Depart => Event::Leave,
        };
        Ok(to(event))
    }

    /// As [`tell`](Self::tell), but a clock is the time that a message brought, which a Serf agent's clock is then beyond.
    pub(crate) fn tell_as_serf_hears_it<R>(
        &self,
        to: impl FnOnce(Event<'_>) -> R,
    ) -> Result<R, InvalidMember> {
        let beyond = u64::from(self.what == What::Clock);
        Self { time: self.time + beyond, ..self.clone() }.tell(to)
    }

    /// As an event in the life of a Serf agent, if there is such a one.
    pub(crate) fn of_serf(&self) -> Option<LifeEvent> {
        let kind = match self.what {
            What::Join => "join",
            What::Failed => "failed",
            What::Leave => "leave",
            What::User => "user",
            What::Query => "query",
            What::Clock => "clock",
            What::Depart => "depart",
            What::Update | What::Reap | What::Coordinate => return None,
        };
        Some(LifeEvent {
            kind,
            name: hex::encode(&self.name),
            ip: self.host.to_owned(),
            port: self.port,
            time: self.time,
        })
    }

    /// The member that it says something about.
    pub(crate) fn member(&self) -> Option<&[u8]> {
        use What::{Failed, Join, Leave, Reap, Update};
        matches!(self.what, Join | Update | Failed | Leave | Reap).then_some(&self.name)
    }
}
