//! Lines of JSON that become events.

use serde::Deserialize;
use snapshot_engine::{Coordinate, Event, LamportTime};

use crate::member::{Change, Recorder, Refused, host_port, quote, why};

/// Hands the events of a line to the recorder; an error is what was wrong with it, in a sentence.
///
/// Of several members the good ones are recorded.
pub(crate) fn record_line(line: &[u8], recorder: &mut impl Recorder) -> Result<(), String> {
    // Serde would take an array too.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("not a JSON object".to_owned());
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| why(&error))?;
    let number = |value: Option<u64>, key| value.map(LamportTime).ok_or_else(|| needs(&line, key));
    let event = match &*line.event {
        "user" => Event::User(number(line.ltime, "ltime")?),
        "query" => Event::Query(number(line.ltime, "ltime")?),
        "clock" => Event::Clock(number(line.time, "time")?),
        "leave" => Event::Leave,
        "coordinate" => {
            let json = line.coordinate.as_ref().ok_or_else(|| needs(&line, "coordinate"))?;
            let coordinate = Coordinate::from_json(json.to_string().as_bytes());
            Event::Coordinate(coordinate.map_err(|error| format!("the coordinate: {error}"))?)
        }
        event => match Change::parse(event.as_bytes()) {
            Some(change) => return members(change, &line, recorder),
            None => return Err(format!("no such event: {}", quote(event))),
        },
    };
    recorder.record(event).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Line {
    event: String,
    members: Option<Vec<MemberLine>>,
    ltime: Option<u64>,
    time: Option<u64>,
    coordinate: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct MemberLine {
    name: Option<String>,
    name_hex: Option<String>,
    addr: Option<String>,
    port: Option<u16>,
}

fn members(change: Change, line: &Line, recorder: &mut impl Recorder) -> Result<(), String> {
    let members = line.members.as_ref().ok_or_else(|| needs(line, "members"))?;
    let mut refused = Refused::default();
    for (index, member) in members.iter().enumerate() {
        let name = member.name.as_deref().or(member.name_hex.as_deref()).unwrap_or_default();
        refused.note(index, name, record_member(change, member, recorder));
    }
    refused.outcome()
}

fn record_member(
    change: Change,
    member: &MemberLine,
    recorder: &mut impl Recorder,
) -> Result<(), String> {
    let decoded = match (&member.name_hex, &member.name) {
        (Some(hex), _) => unhex(hex).ok_or("its name_hex is not hexadecimal")?,
        (None, Some(name)) => name.as_bytes().to_vec(),
        (None, None) => return Err("it has neither name nor name_hex".to_owned()),
    };
    let addr = member.addr.as_ref().zip(member.port);
    let addr = addr.map(|(addr, port)| host_port(addr, port.into()));
    change.record(&decoded, addr.as_deref(), recorder)
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let pair = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

fn needs(line: &Line, key: &str) -> String {
    format!("a {} event needs `{key}`", quote(&line.event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::check_line;

    fn check(line: &str, recorded: &[&str], complaint: &str) {
        check_line(record_line, line, recorded, complaint);
    }

    #[test]
    fn events_of_the_contract() {
        let join = r#"{"event":"member-join","members":[{"name":"a","addr":"10.0.0.1","port":7946},{"name":"b","addr":"fe80::1%eth0","port":1}]}"#;
        check(join, &["join a 10.0.0.1:7946", "join b [fe80::1%eth0]:1"], "");
        let bracketed = r#"{"event":"member-update","members":[{"name":"b","addr":"[::1]","port":7946,"tags":{}}]}"#;
        check(bracketed, &["update b [::1]:7946"], "");
        let hex = r#"{"event":"member-leave","members":[{"name":"lossy","name_hex":"61fF"}]}"#;
        check(hex, &["leave a\\xff 0.0.0.0:1"], "");
        check(
            r#"{"event":"member-reap","members":[{"name":"a","addr":"?"}]}"#,
            &["reap a 0.0.0.0:1"],
            "",
        );
        check(r#"{"event":"user","ltime":42,"name":"deploy"}"#, &["user 42"], "");
        check(r#"{"event":"query","ltime":50,"name":"uptime"}"#, &["query 50"], "");
        check(r#"{"event":"clock","time":101}"#, &["clock 101"], "");
        let coordinate = r#"{"event":"coordinate","coordinate":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}}"#;
        check(coordinate, &["coordinate 0.00001"], "");
        check(r#"{"event":"leave"}"#, &["leave"], "");
    }

    #[test]
    fn a_failed_member_needs_no_address_where_the_file_has_it() {
        check(
            r#"{"event":"member-failed","members":[{"name":"known"}]}"#,
            &["failed known 0.0.0.0:1"],
            "",
        );
        check(r#"{"event":"member-failed","members":[{"name":"stranger"}]}"#, &[], "");
        let told = r#"{"event":"member-failed","members":[{"name":"stranger","addr":"10.0.0.1","port":1}]}"#;
        check(told, &["failed stranger 10.0.0.1:1"], "");
    }

    #[test]
    fn bad_lines_are_told() {
        check("{", &[], "byte 1: EOF while parsing an object");
        check("[]", &[], "not a JSON object");
        check(r#"{"event":"reboot"}"#, &[], "no such event: reboot");
        check(r#"{"event":"user"}"#, &[], "a user event needs `ltime`");
        check(
            r#"{"event":"user","ltime":-1}"#,
            &[],
            "byte 26: invalid value: integer `-1`, expected u64",
        );
        check(r#"{"event":"member-join"}"#, &[], "a member-join event needs `members`");
        let high = "Lamport time 18446744073709551615 is beyond the highest that is believed";
        check(r#"{"event":"clock","time":18446744073709551615}"#, &[], high);
        check(
            r#"{"event":"coordinate","coordinate":{"Vec":[1]}}"#,
            &[],
            "the coordinate: 1 dimensions where Serf has 8",
        );
    }

    #[test]
    fn good_members_of_a_bad_line_are_recorded() {
        let line = r#"{"event":"member-join","members":[{"name":"x"},{"name":"a","addr":"10.0.0.1","port":1},{"name":"b\nalive: c","addr":"10.0.0.2","port":1},{"name":"d","addr":"nowhere at all","port":1},{"name":"e","addr":"10.0.0.3","port":0},{"name":""},{}]}"#;
        let complaint = "member 1 (x): it needs addr and port; \
            member 3 (b\nalive: c): the member's name: byte 1 is a newline, which cannot stand there (at 10.0.0.2:1); \
            member 4 (d): the member's address is not host:port (at nowhere at all:1); \
            member 5 (e): the member's address is not host:port (at 10.0.0.3:0); \
            member 6 (): it needs addr and port; \
            member 7 (): it has neither name nor name_hex";
        check(line, &["join a 10.0.0.1:1"], complaint);
    }
}
