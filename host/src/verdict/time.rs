//! Unix time as people and log stores read it.
use std::fmt;

use serde::{Serialize, Serializer};

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Unix nanoseconds, written as RFC 3339 in UTC with all nine digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utc(pub(super) u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / NANOS, self.0 % NANOS);
        let (year, month, day) = civil(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3_600, seconds % 3_600 / 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"
        )
    }
}

/// RFC 3339 in UTC with all nine digits.
#[must_use]
pub fn utc(ns: u64) -> String {
    Utc(ns).to_string()
}

/// Unix nanoseconds as people read it: RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn timestamp(ns: u64) -> String {
    let mut text = Utc(ns).to_string();
    text.truncate(text.len() - "000000Z".len());
    text.push('Z');
    text
}

/// The time of day, `hh:mm:ss` in UTC.
#[must_use]
pub fn time_of_day(ns: u64) -> String {
    let seconds = ns / NANOS;
    format!(
        "{:02}:{:02}:{:02}",
        seconds % DAY / 3_600,
        seconds % 3_600 / 60,
        seconds % 60
    )
}

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a day since 1970: `civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>,
/// for days that are not negative. Years begin in March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @N`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_210_096, "2024-02-29T12:34:56"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
        ] {
            assert_eq!(Utc(seconds * NANOS + 7).to_string(), format!("{text}.000000007Z"));
        }
        assert_eq!(Utc(u64::MAX).to_string(), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn every_day_has_a_successor() {
        let mut before = civil(0);
        for day in 1..220_000 {
            let (year, month, date) = civil(day);
            assert!((year, month, date) > before && (1..=12).contains(&month) && (1..=31).contains(&date));
            assert!(date == 1 || date == before.2 + 1);
            before = (year, month, date);
        }
    }
}
