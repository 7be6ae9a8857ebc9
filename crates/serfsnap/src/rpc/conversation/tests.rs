use std::fmt::Write as _;

use super::*;
use crate::member::tests::Notes;
use crate::rpc::follower::Follower;

const CAPTURED: &[u8] = include_bytes!("../../../../../corpus/rpc/stream-ipv6.bin");

/// What the capture says, as it is to be recorded.
const EXPECT: &[&str] = &[
    "join w1 [::1]:18946",
    "join w2 sp\\xe9 [::1]:18947",
    "join w3 [::1]:18948",
    "clock 2",
    "user 0",
    "query 0",
    "join w2 sp\\xe9 [::1]:18947",
    "join w3 [::1]:18948",
    "user 1",
    "query 1",
    "update w3 [::1]:18948",
    "failed w2 sp\\xe9 [::1]:18947",
    "update w3 [::1]:18948",
    "leave w3 0.0.0.0:1",
];

/// A talk that is fed, and what was recorded of it.
struct Talk {
    conversation: Conversation,
    follower: Follower,
    notes: Notes,
}

impl Talk {
    fn new(key: Option<&str>) -> Self {
        Self {
            conversation: Conversation::new(key.map(str::to_owned)),
            follower: Follower::default(),
            notes: Notes::default(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for piece in bytes.chunks(1000) {
            self.conversation.space()[..piece.len()].copy_from_slice(piece);
            self.conversation.filled(piece.len());
            loop {
                let awaits = self.conversation.awaits_members();
                let Some(heard) = self.conversation.poll()? else { break };
                self.follower.take(heard, awaits, &mut self.notes).unwrap();
            }
        }
        Ok(())
    }
}

/// An answer, or an event, with a body where it has one.
fn answer(seq: u64, error: &str, body: Option<serde_json::Value>) -> Vec<u8> {
    let mut bytes = rmp_serde::to_vec(&serde_json::json!({ "Error": error, "Seq": seq })).unwrap();
    bytes.extend(body.map(|body| rmp_serde::to_vec(&body).unwrap()).unwrap_or_default());
    bytes
}

fn stats(member: &str) -> serde_json::Value {
    let serf = serde_json::json!({ "member_time": member, "event_time": "5", "query_time": "1" });
    serde_json::json!({ "agent": { "name": "own" }, "serf": serf })
}

fn member(name: &str, status: &str) -> serde_json::Value {
    serde_json::json!({ "Name": name, "Addr": null, "Port": 1, "Status": status })
}

/// The requests, one a line.
fn shown(mut output: &[u8]) -> String {
    let mut shown = String::new();
    while !output.is_empty() {
        let value: serde_json::Value = rmp_serde::from_read(&mut output).unwrap();
        writeln!(shown, "{value}").unwrap();
    }
    shown
}

#[test]
fn what_was_captured_cut_at_every_place() {
    for cut in 0..=CAPTURED.len() {
        let mut talk = Talk::new(None);
        let (one, other) = CAPTURED.split_at(cut);
        talk.hear(one).unwrap();
        assert!(EXPECT.starts_with(&talk.notes.events.iter().map(|e| &**e).collect::<Vec<_>>()));
        talk.hear(other).unwrap();
        assert_eq!(talk.notes.events, EXPECT, "cut at {cut}");
    }
    let mut talk = Talk::new(None);
    for byte in CAPTURED {
        talk.hear(&[*byte]).unwrap();
    }
    assert_eq!(talk.notes.events, EXPECT, "byte by byte");
}

#[test]
fn a_flipped_bit_is_no_panic() {
    for place in 0..CAPTURED.len() {
        for flip in [1 << (place % 8), 0xff] {
            let mut bytes = CAPTURED.to_vec();
            bytes[place] ^= flip;
            let mut talk = Talk::new(None);
            talk.conversation.space()[..bytes.len()].copy_from_slice(&bytes);
            talk.conversation.filled(bytes.len());
            while let Ok(Some(_)) = talk.conversation.poll() {}
        }
    }
}

#[test]
fn requests_are_maps_with_the_names_of_go() {
    let mut talk = Talk::new(Some("secret"));
    let handshake = "{\"Command\":\"handshake\",\"Seq\":0}\n{\"Version\":1}\n";
    assert_eq!(shown(&talk.conversation.take_output()), handshake);
    talk.hear(&answer(0, "", None)).unwrap();
    let auth = "{\"Command\":\"auth\",\"Seq\":1}\n{\"AuthKey\":\"secret\"}\n";
    assert_eq!(shown(&talk.conversation.take_output()), auth);
    assert!(!talk.conversation.is_subscribed());
    talk.hear(&answer(1, "", None)).unwrap();
    let rest = "{\"Command\":\"stream\",\"Seq\":2}\n{\"Type\":\"*\"}\n\
        {\"Command\":\"members\",\"Seq\":3}\n{\"Command\":\"stats\",\"Seq\":4}\n";
    assert_eq!(shown(&talk.conversation.take_output()), rest);
    talk.hear(&answer(2, "", None)).unwrap();
    assert!(talk.conversation.is_subscribed());
    assert!(talk.conversation.awaits_members() && talk.conversation.awaits_stats());
    let list = serde_json::json!({ "Members": [member("a", "left")] });
    talk.hear(&answer(3, "", Some(list))).unwrap();
    assert!(!talk.conversation.awaits_members() && talk.conversation.awaits_stats());
    talk.hear(&answer(4, "", Some(stats("7")))).unwrap();
    assert!(!talk.conversation.awaits_anything());
    assert_eq!(talk.notes.events, ["leave a 0.0.0.0:1", "clock 7", "user 4", "query 0"]);
}

#[test]
fn refusals() {
    let refused = |command, error: &str| Err(Fault::Refused { command, error: error.to_owned() });
    let mut talk = Talk::new(None);
    let version = "Unsupported version";
    assert_eq!(talk.hear(&answer(0, version, None)), refused("handshake", version));
    let mut talk = Talk::new(Some("wrong"));
    talk.hear(&answer(0, "", None)).unwrap();
    let token = "Invalid authentication token";
    assert_eq!(talk.hear(&answer(1, token, None)), refused("auth", token));
    let mut talk = Talk::new(None);
    talk.hear(&answer(0, "", None)).unwrap();
    let lacking = "Authentication required";
    assert_eq!(talk.hear(&answer(1, lacking, None)), refused("stream", lacking));
}

#[test]
fn what_no_agent_says() {
    let garbled = |bytes: &[u8], expect: &str| {
        let fault = Talk::new(None).hear(bytes).unwrap_err();
        let Fault::Garbled(what) = &fault else { panic!("{fault:?}") };
        assert!(what.starts_with(expect), "{what}");
    };
    garbled(b"HTTP/1.1 400 Bad Request\r\n", "no header: ");
    garbled(b"\xc1", "a byte that begins nothing");
    garbled(&answer(7, "", None), "an answer to nothing that was asked");
    garbled(&[&[0x91; 10_000], &b"\xc0"[..]].concat(), "no header: ");
    let ready = [0, 1].map(|seq| answer(seq, "", None)).concat();
    let list = answer(2, "", Some(serde_json::json!({ "Members": [1] })));
    garbled(&[&ready[..], &list].concat(), "no list of members: ");
    let list = answer(2, "", Some(serde_json::json!({ "Members": [member("a", "left")] })));
    let odd = answer(3, "", Some(stats("many")));
    garbled(&[&ready[..], &list, &odd].concat(), "its member_time is no number");
    garbled(&[&ready[..], &list, &answer(3, "busy", None)].concat(), "no answer to stats: busy");
    let early = answer(1, "", Some(serde_json::json!({ "Event": "user" })));
    garbled(&early, "an answer to nothing that was asked");
}

#[test]
fn events_before_a_list_that_is_older_than_they_are() {
    let mut talk = Talk::new(None);
    talk.notes.known.push(b"b".to_vec());
    talk.hear(&[0, 1].map(|seq| answer(seq, "", None)).concat()).unwrap();
    let event = serde_json::json!({ "Event": "member-leave", "Members": [member("b", "left")] });
    talk.hear(&answer(1, "", Some(event.clone()))).unwrap();
    let list = serde_json::json!({ "Members": [member("b", "failed"), member("c", "left")] });
    talk.hear(&answer(2, "", Some(list.clone()))).unwrap();
    assert_eq!(talk.notes.events, ["leave b 0.0.0.0:1", "leave c 0.0.0.0:1"], "b is newer");
    // The next list was asked for after that.
    talk.conversation.ask_members();
    talk.hear(&answer(3, "", Some(stats("1")))).unwrap();
    talk.notes.events.clear();
    talk.hear(&answer(4, "", Some(list))).unwrap();
    assert_eq!(talk.notes.events, ["failed b 0.0.0.0:1", "leave c 0.0.0.0:1"]);
}

#[test]
fn the_agents_own_leave_is_a_leave() {
    let mut talk = Talk::new(None);
    talk.hear(&[0, 1].map(|seq| answer(seq, "", None)).concat()).unwrap();
    let list =
        |status| serde_json::json!({ "Members": [member("own", status), member("x", "left")] });
    talk.hear(&answer(2, "", Some(list("left")))).unwrap();
    talk.hear(&answer(3, "", Some(stats("7")))).unwrap();
    talk.notes.events.clear();
    let leaves = [member("x", "left"), member("own", "left")];
    let event = serde_json::json!({ "Event": "member-leave", "Members": leaves });
    talk.hear(&answer(1, "", Some(event))).unwrap();
    assert_eq!(talk.notes.events, ["leave x 0.0.0.0:1", "leave"]);
    let mut is_back = |status| {
        talk.conversation.ask_members();
        let seq = talk.conversation.next_seq - 1;
        let bytes = answer(seq, "", Some(list(status)));
        talk.conversation.space()[..bytes.len()].copy_from_slice(&bytes);
        talk.conversation.filled(bytes.len());
        let heard = talk.conversation.poll().unwrap().unwrap();
        talk.follower.is_back(&heard)
    };
    assert!(!is_back("left"));
    assert!(is_back("alive"));
}

#[test]
fn an_agent_that_is_about_to_leave_leaves() {
    let mut talk = Talk::new(None);
    talk.hear(&[0, 1].map(|seq| answer(seq, "", None)).concat()).unwrap();
    let list = serde_json::json!({ "Members": [member("x", "left")] });
    talk.hear(&answer(2, "", Some(list))).unwrap();
    assert_eq!(talk.follower.own(), None, "nobody has told its name");
    talk.hear(&answer(3, "", Some(stats("7")))).unwrap();
    assert_eq!(talk.follower.own(), Some("own"));
    talk.notes.events.clear();
    talk.conversation.take_output();
    for (seq, status) in [(4, "alive"), (6, "leaving"), (8, "left")] {
        talk.conversation.ask_stats(Some("own.(x)"));
        let own = serde_json::json!({ "Members": [member("own", status), member("x", status)] });
        talk.hear(&answer(seq, "", Some(own))).unwrap();
        talk.hear(&answer(seq + 1, "", Some(stats("7")))).unwrap();
    }
    let asked =
        "{\"Command\":\"members-filtered\",\"Seq\":4}\n{\"Name\":\"own\\\\.\\\\(x\\\\)\"}\n";
    assert!(shown(&talk.conversation.take_output()).starts_with(asked));
    let clocks = ["clock 7", "user 4", "query 0"];
    let expect = [&clocks[..], &["leave"], &clocks, &clocks].concat();
    assert_eq!(talk.notes.events, expect, "it leaves once, and is asked no more");
    assert_eq!(talk.follower.own(), None);
}

#[test]
fn addresses_of_both_lengths() {
    let shown = |addr: &'static [u8]| {
        let mut bytes = b"\x83\xa4Name\xa1a\xa4Port\x01\xa4Addr\xc4".to_vec();
        bytes.push(u8::try_from(addr.len()).unwrap());
        bytes.extend(addr);
        let member: Member<'_> = message::decode(&bytes, "member").unwrap();
        member.host_port().map(|addr| String::from_utf8(addr).unwrap())
    };
    assert_eq!(shown(&[10, 0, 0, 1]).as_deref(), Some("10.0.0.1:1"));
    let mapped = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01";
    assert_eq!(shown(mapped).as_deref(), Some("10.0.0.1:1"));
    assert_eq!(shown(&[0xfd; 16]).as_deref().map(|addr| &addr[..6]), Some("[fdfd:"));
    assert_eq!(shown(b""), None);
    assert_eq!(shown(b"12345"), None);
}
