//! Seals: the integrity and the time of a batch of lines.

use alloc::vec::Vec;

use crc::{CRC_32_ISCSI, Crc, Digest, Table};

use crate::UnixMillis;
use crate::record::decimal;

/// The longest batch in bytes, seal line included. A reader holds one batch and knows whether to believe it before it
/// applies its first line; a longer run of bytes counts as unsealed.
pub const MAX_BATCH: usize = 256 * 1024;

/// The longest seal line that is written, in bytes, newline included: two numbers of 20 digits and a checksum.
pub const MAX_SEAL_LINE: usize = "#@seal: ".len() + 20 + 1 + 20 + 1 + 8 + 1;

/// CRC-32C, the polynomial of iSCSI (RFC 3720), ext4 and most storage engines.
static CRC_32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The numbers of a seal line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seal {
    /// How many bytes it covers, directly before its line.
    pub len: u64,
    /// When they were written.
    pub at: UnixMillis,
    /// CRC-32C over these bytes and over the seal line up to the space before the checksum.
    pub crc: u32,
}

/// Why a seal does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
// A seal has a length and a checksum, and nothing else can be wrong with it.
#[expect(clippy::exhaustive_enums, reason = "a seal has these two numbers to be wrong")]
pub enum SealFault {
    /// It does not reach back exactly to the previous seal line or to the start of the file, or it covers more than a
    /// batch may hold.
    #[error("it does not reach back to the seal before it")]
    Length,
    /// The bytes are not those that were sealed.
    #[error("its checksum differs")]
    Checksum,
}

impl Seal {
    /// Appends the seal line, newline included.
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        self.encode_numbers(out);
        out.push(b' ');
        for shift in (0..8).rev() {
            out.push(b"0123456789abcdef"[(self.crc >> (4 * shift)) as usize & 0xf]);
        }
        out.push(b'\n');
    }

    /// The part of the line that the checksum covers.
    fn encode_numbers(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"#@seal: ");
        out.extend_from_slice(decimal(self.len, &mut [0; 20]));
        out.push(b' ');
        out.extend_from_slice(decimal(self.at.0, &mut [0; 20]));
    }

    /// Judges a run and the seal line that ends it, newline included, of which this is the meaning.
    pub(crate) fn judge(self, run_and_line: &[u8], line_len: usize) -> Result<(), SealFault> {
        /// The space, the checksum and the newline, which are not covered.
        const UNCOVERED: usize = 1 + 8 + 1;
        let run = run_and_line.len() - line_len;
        if run_and_line.len() > MAX_BATCH || self.len != run as u64 {
            return Err(SealFault::Length);
        }
        let mut sealer = Sealer::new();
        sealer.update(&run_and_line[..run_and_line.len() - UNCOVERED]);
        if sealer.digest.finalize() == self.crc { Ok(()) } else { Err(SealFault::Checksum) }
    }
}

/// Makes the seal of a batch while it is written.
#[derive(Clone)]
pub struct Sealer {
    digest: Digest<'static, u32, Table<16>>,
    len: usize,
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Default for Sealer {
    fn default() -> Self {
        Self::new()
    }
}

impl Sealer {
    /// A sealer at the start of a batch.
    #[must_use]
    pub fn new() -> Self {
        Self { digest: CRC_32C.digest(), len: 0 }
    }

    /// Takes in bytes of the batch, in order.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.len += bytes.len();
    }

    /// The seal of all bytes since the last one; the next batch begins.
    pub fn seal(&mut self, at: UnixMillis) -> Seal {
        let mut seal = Seal { len: self.len as u64, at, crc: 0 };
        let mut numbers = Vec::with_capacity(MAX_SEAL_LINE);
        seal.encode_numbers(&mut numbers);
        let mut sealer = core::mem::take(self);
        sealer.digest.update(&numbers);
        seal.crc = sealer.digest.finalize();
        seal
    }

    /// Whether `more` bytes still fit a batch, its seal included.
    #[must_use]
    pub const fn fits(&self, more: usize) -> bool {
        self.len + more + MAX_SEAL_LINE <= MAX_BATCH
    }
}
