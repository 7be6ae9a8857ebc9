//! Durations and sizes as people write them.

use std::time::Duration;

/// `500ms`, `5s`, `2m`, `1h`: a whole number and its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let ms = number_with_unit(text, &UNITS)
        .ok_or("a whole number with its unit, such as 500ms, 5s, 2m or 1h")?;
    Ok(Duration::from_millis(ms))
}

/// `4096`, `128KiB`, `8MiB`, `1GiB`: bytes, or a whole number and its unit.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let size = number_with_unit(text, &UNITS);
    size.ok_or_else(|| "bytes, or a whole number with its unit, such as 128KiB or 8MiB".to_owned())
}

/// The size of a buffer in memory.
pub(crate) fn memory(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| "more than this machine can hold".to_owned())
}

fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [("500ms", 500), ("5s", 5000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "18446744073709551615h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("128KiB", 131_072), ("8MiB", 8_388_608), ("1MB", 1_000_000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1kib", "+1", "1 KiB", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
