//! Records that are made, not read: sealed, written and read again.

use snapshot_format::{
    Addr, Coordinate, DIMENSIONS, LamportTime, Name, Record, Sealer, Text, Trust, UnixMillis,
};

use crate::read::blocks;
use crate::stretch;

/// The input, its runs written out, is a list of records: a letter for the kind, then its fields.
/// A text goes on to the next newline, a number takes eight bytes, the lowest first, a coordinate eleven of them.
/// A letter that stands for no kind ends a batch.
///
/// Whatever the values, a reader of the sealed bytes sees the same records in the same batches, and believes all.
///
/// # Panics
/// Where one does not.
pub fn roundtrip(data: &[u8]) {
    let data = stretch(data);
    let mut fields = Fields(&data);
    let mut batches = vec![Vec::new()];
    while let Some(kind) = fields.byte() {
        match fields.record(kind) {
            Some(record) => batches.last_mut().into_iter().for_each(|batch| batch.push(record)),
            // A long run of such letters is one end.
            None if batches.last().is_some_and(Vec::is_empty) => {}
            None => batches.push(Vec::new()),
        }
    }
    let (file, expected) = write(batches);
    let mut expected = expected.iter();
    let decoder = blocks(&file, |block| {
        let (records, at) = expected.next().expect("no more batches than were written");
        let Trust::Sealed(seal) = block.trust else { panic!("{:?}", block.trust) };
        assert_eq!(seal.at, *at);
        let read: Vec<_> = block.lines.map(|line| line.record().expect("it was written")).collect();
        let (last, read) = read.split_last().expect("a seal");
        assert_eq!(*last, Record::Seal(seal));
        assert_eq!(read, records);
    });
    assert!(expected.next().is_none() && decoder.torn().is_none());
}

type Batch<'a> = (Vec<Record<'a>>, UnixMillis);

/// The bytes of the batches, and what is in them: one that does not fit is split, a line that fits nowhere left out.
fn write(batches: Vec<Vec<Record<'_>>>) -> (Vec<u8>, Vec<Batch<'_>>) {
    let mut file = Vec::new();
    let mut written = Vec::new();
    let mut sealer = Sealer::new();
    let mut line = Vec::new();
    for batch in batches {
        let mut records = Vec::new();
        for record in batch {
            line.clear();
            record.encode(&mut line);
            if !sealer.fits(line.len()) {
                written.push(seal(&mut sealer, &mut file, std::mem::take(&mut records)));
            }
            if sealer.fits(line.len()) {
                sealer.update(&line);
                file.extend_from_slice(&line);
                records.push(record);
            }
        }
        written.push(seal(&mut sealer, &mut file, records));
    }
    (file, written)
}

fn seal<'a>(sealer: &mut Sealer, file: &mut Vec<u8>, records: Vec<Record<'a>>) -> Batch<'a> {
    // A time that differs from batch to batch, in its number of digits too.
    let at = UnixMillis((file.len() as u64).saturating_pow(3));
    Record::Seal(sealer.seal(at)).encode(file);
    (records, at)
}

/// What is left of an input.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn record(&mut self, kind: u8) -> Option<Record<'a>> {
        Some(match kind {
            b'a' => Record::Alive { name: self.name(), addr: self.addr() },
            b'n' => Record::NotAlive { name: self.name() },
            b'c' => Record::Clock(LamportTime(self.number())),
            b'e' => Record::EventClock(LamportTime(self.number())),
            b'q' => Record::QueryClock(LamportTime(self.number())),
            b'o' => Record::Coordinate(self.coordinate()?),
            b'l' => Record::Leave,
            b'v' => Record::Format(self.number()),
            b'C' => Record::Cluster(Text::new(self.text()).ok()?),
            b'N' => Record::Node(self.name()),
            b'F' => Record::Failed {
                name: self.name(),
                addr: self.addr(),
                at: UnixMillis(self.number()),
            },
            // Only the parser makes comments and extensions.
            b'x' => Record::parse(self.text()).ok().filter(is_verbatim)?,
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Missing bytes are zeros.
    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte().unwrap_or(0));
        u64::from_le_bytes(bytes)
    }

    fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == b'\n').unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    fn name(&mut self) -> Name<'a> {
        Name::new(self.text()).expect("a text ends before a newline")
    }

    /// Ends at its first space, if it has one.
    fn addr(&mut self) -> Addr<'a> {
        let text = self.text();
        let end = Addr::new(text).map_or_else(|error| error.at, |_| text.len());
        Addr::new(&text[..end]).expect("it ends before the first space")
    }

    fn coordinate(&mut self) -> Option<Coordinate> {
        let mut vec = [0.0; DIMENSIONS];
        vec.fill_with(|| f64::from_bits(self.number()));
        let [error, adjustment, height] = [(); 3].map(|()| f64::from_bits(self.number()));
        Coordinate::new(vec, error, adjustment, height).ok()
    }
}

const fn is_verbatim(record: &Record<'_>) -> bool {
    matches!(record, Record::Comment(_) | Record::Extension(_))
}
