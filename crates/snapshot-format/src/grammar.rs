//! The grammar of one line, in nom.
//!
//! Lines are split before they come here: nom over single lines is as fast as a parser by hand, nom over a whole file
//! is not.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::combinator::{all_consuming, cut, rest};
use nom::error::ErrorKind;
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser};

use crate::{
    Addr, Coordinate, LamportTime, Name, ParseError, Problem, Record, Seal, Text, UnixMillis,
    Verbatim,
};

type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// What went wrong, and the part of the line from there on.
struct Fault<'a> {
    problem: Problem,
    from: &'a [u8],
}

impl<'a> nom::error::ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(from: &'a [u8], _: ErrorKind) -> Self {
        Fault { problem: Problem::Unrecognized, from }
    }

    fn append(_: &'a [u8], _: ErrorKind, first: Self) -> Self {
        first
    }
}

/// Reads one line; the first keyword that matches decides, as in Serf.
///
/// The first letter leaves one keyword or two. The records are put together here and not in the parsers, since a
/// record is large and each combinator would move it.
pub(crate) fn line(line: &[u8]) -> Result<Record<'_>, ParseError> {
    let read = Reader { line };
    match line.first() {
        Some(b'a') => {
            let alive = preceded(keyword(b"alive: "), cut(alive));
            read.all(alive).map(|(name, addr)| Record::Alive { name, addr })
        }
        Some(b'n') => {
            let name = preceded(keyword(b"not-alive: "), rest);
            read.all(name).map(|name| Record::NotAlive { name: Name::trusted(name) })
        }
        Some(b'c') if line.starts_with(b"clock: ") => {
            read.all(preceded(keyword(b"clock: "), time)).map(Record::Clock)
        }
        Some(b'c') => read.all(preceded(keyword(b"coordinate: "), cut(coordinate))),
        Some(b'e') => {
            read.all(preceded(keyword(b"event-clock: "), cut(time))).map(Record::EventClock)
        }
        Some(b'q') => {
            read.all(preceded(keyword(b"query-clock: "), cut(time))).map(Record::QueryClock)
        }
        _ => read.all(rare),
    }
}

struct Reader<'a> {
    line: &'a [u8],
}

impl<'a> Reader<'a> {
    fn all<T>(
        &self,
        mut parser: impl Parser<&'a [u8], Output = T, Error = Fault<'a>>,
    ) -> Result<T, ParseError> {
        let line = self.line;
        match parser.parse(line) {
            Ok((_, value)) => Ok(value),
            Err(Err::Error(fault) | Err::Failure(fault)) => Err(ParseError {
                problem: fault.problem,
                span: line.len() - fault.from.len()..line.len(),
            }),
            // The parsers are all complete ones; a line has no more input to wait for.
            Err(Err::Incomplete(_)) => {
                Err(ParseError { problem: Problem::Unrecognized, span: 0..line.len() })
            }
        }
    }
}

/// What few lines are.
#[cold]
fn rare(line: &[u8]) -> Parsed<'_, Record<'_>> {
    // A keyword that has matched is never tried as another one.
    alt((
        all_consuming(tag("leave")).map(|_| Record::Leave),
        preceded(tag("#@"), extension),
        preceded(tag("#"), rest.map(|text| Record::Comment(Verbatim::trusted(text)))),
    ))
    .parse(line)
}

/// What `tag` does, in one comparison where that goes byte by byte.
fn keyword<const N: usize>(word: &'static [u8; N]) -> impl Fn(&[u8]) -> Parsed<'_, ()> {
    move |line| match line.split_first_chunk() {
        Some((first, behind)) if first == word => Ok((behind, ())),
        _ => Err(Err::Error(Fault { problem: Problem::Unrecognized, from: line })),
    }
}

/// `NAME ADDR`, split at the last space.
fn alive(body: &[u8]) -> Parsed<'_, (Name<'_>, Addr<'_>)> {
    let (name, addr) = split_last(body).ok_or_else(|| {
        Err::Error(Fault { problem: Problem::MissingAddress, from: &body[body.len()..] })
    })?;
    Ok((b"", (Name::trusted(name), Addr::trusted(addr))))
}

fn time(digits: &[u8]) -> Parsed<'_, LamportTime> {
    let (left, value) = number(digits)?;
    if left.is_empty() {
        return Ok((left, LamportTime(value)));
    }
    Err(Err::Error(Fault { problem: Problem::NotANumber, from: left }))
}

/// Decimal digits that fit 64 bits; leading zeros are fine, however many.
fn number(input: &[u8]) -> Parsed<'_, u64> {
    let no_digit =
        |_: Err<Fault<'_>>| Err::Error(Fault { problem: Problem::NotANumber, from: input });
    let (left, digits) =
        take_while1(|byte: u8| byte.is_ascii_digit()).parse(input).map_err(no_digit)?;
    digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .map(|value| (left, value))
        // A body that goes on after too many digits is wrong in both ways; the first one is told.
        .ok_or(Err::Error(Fault { problem: Problem::NumberTooLarge, from: input }))
}

#[cold]
fn coordinate(json: &[u8]) -> Parsed<'_, Record<'_>> {
    Coordinate::from_json(json)
        .map(|coordinate| (&b""[..], Record::Coordinate(coordinate)))
        .map_err(|_| Err::Error(Fault { problem: Problem::NotACoordinate, from: json }))
}

/// What follows `#@`: one of ours, or an extension that is kept as it is. Never an error.
fn extension(body: &[u8]) -> Parsed<'_, Record<'_>> {
    alt((
        preceded(tag("format: "), all_consuming(number)).map(Record::Format),
        preceded(tag("cluster: "), rest.map(|id| Record::Cluster(Text::trusted(id)))),
        preceded(tag("node: "), rest.map(|name| Record::Node(Name::trusted(name)))),
        preceded(tag("failed: "), failed),
        preceded(tag("seal: "), seal),
        rest.map(|text| Record::Extension(Verbatim::trusted(text))),
    ))
    .parse(body)
}

/// `NAME ADDR MS`, split at the last two spaces.
fn failed(body: &[u8]) -> Parsed<'_, Record<'_>> {
    let parts = split_last(body).and_then(|(front, at)| Some((split_last(front)?, at)));
    let Some(((name, addr), at)) = parts else {
        return Err(Err::Error(Fault { problem: Problem::Unrecognized, from: body }));
    };
    let (_, at) = all_consuming(number).parse(at)?;
    Ok((
        b"",
        Record::Failed { name: Name::trusted(name), addr: Addr::trusted(addr), at: UnixMillis(at) },
    ))
}

/// `LEN MS CRC`, the checksum in 8 lower-case hexadecimal digits.
fn seal(body: &[u8]) -> Parsed<'_, Record<'_>> {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let (body, len) = terminated(number, tag(" ")).parse(body)?;
    let (body, at) = terminated(number, tag(" ")).parse(body)?;
    let (left, crc) = all_consuming(take_while_m_n(8, 8, hexadecimal)).parse(body)?;
    let crc = crc.iter().fold(0, |crc, digit| {
        (crc << 4)
            | u32::from(if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 })
    });
    Ok((left, Record::Seal(Seal { len, at: UnixMillis(at), crc })))
}

fn split_last(body: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr::memrchr(b' ', body).map(|space| (&body[..space], &body[space + 1..]))
}
