//! Universal time, for people and for names of files.

use snapshot_engine::UnixMillis;

/// `2025-11-23T03:03:20Z`.
pub(crate) fn utc(at: UnixMillis) -> String {
    let ([year, month, day], [hour, minute, second]) = civil(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `20251123T030320Z`, for the name of a file.
pub(crate) fn compact(at: UnixMillis) -> String {
    utc(at).replace(['-', ':'], "")
}

/// Year, month, day; hour, minute, second: the proleptic Gregorian calendar.
fn civil(at: UnixMillis) -> ([u64; 3], [u64; 3]) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let seconds = at.0 / 1000;
    let mut days = seconds / 86_400;
    let mut year = 1970 + days / DAYS_OF_400_YEARS * 400;
    days %= DAYS_OF_400_YEARS;
    // At most 400 years are left.
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    ([year, month, days + 1], [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60])
}

fn days_of_year(year: u64) -> u64 {
    (1..=12).map(|month| days_of_month(year, month)).sum()
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let check = |ms, shown| assert_eq!(utc(UnixMillis(ms)), shown);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399_999, "2000-02-28T23:59:59Z");
        check(951_782_400_000, "2000-02-29T00:00:00Z");
        check(1_763_867_000_000, "2025-11-23T03:03:20Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00Z");
        check(32_503_680_000_000, "3000-01-01T00:00:00Z");
        assert!(utc(UnixMillis(u64::MAX)).ends_with('Z'));
    }
}
