//! Times and lengths of time as people write them.

use jiff::civil::{DateTime, Time};
use jiff::tz::{self, TimeZone};
use jiff::{Span, SpanRelativeTo, Timestamp, ToSpan as _, Unit};
use lfs_wrapper_model::{TimeMsec, render_local};

use crate::failure::{Failure, Kind};

/// For `value_name` and help texts of options.
pub(crate) const FORMS: &str = "now, an age like -2h or 3d, 03:15, 2026-01-31, \
     \"2026-01-31 03:15\", RFC 3339, or seconds since 1970";

/// Times before 1970 or beyond the year 9999 are mistakes.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// A moment, which may depend on the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// This one.
    At(TimeMsec),
    /// So long ago.
    Before(i64),
    /// A date and a time by the clock on the wall.
    Local(DateTime),
    /// The last time the clock showed this.
    Clock(Time),
}

impl When {
    /// Reads a time in any of [`FORMS`].
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "now" {
            return Ok(Self::Before(0));
        }
        if let Ok(seconds) = text.parse::<f64>() {
            return of_seconds(seconds, 0.0)
                .map(Self::At)
                .ok_or_else(|| "not seconds since 1970; an age needs a unit: -90s".to_owned());
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time.as_millisecond()));
        }
        if let Ok(time) = text.parse::<DateTime>() {
            return match is_time_everywhere(time) {
                true => Ok(Self::Local(time)),
                false => {
                    Err("no such time can be kept; give one before the end of 9999".to_owned())
                }
            };
        }
        if text.contains(':')
            && let Ok(time) = text.parse::<Time>()
        {
            return Ok(Self::Clock(time));
        }
        let age = parse_span(text.strip_prefix('-').unwrap_or(text));
        age.map(Self::Before)
            .ok_or_else(|| format!("not a time; give {FORMS}"))
    }

    /// The moment, as seen from `now_msec` in this time zone.
    pub(crate) fn resolve(self, now_msec: TimeMsec, zone: &TimeZone) -> TimeMsec {
        let now = Timestamp::from_millisecond(now_msec).unwrap_or_default();
        // `parse` has seen to it that there is such a moment.
        let of_local = |time: DateTime| {
            let found = time.to_zoned(zone.clone());
            found.map_or(now_msec, |time| time.timestamp().as_millisecond())
        };
        match self {
            Self::At(time_msec) => time_msec,
            Self::Before(age_msec) => now_msec - age_msec,
            Self::Local(time) => of_local(time),
            Self::Clock(time) => {
                let today = now.to_zoned(zone.clone()).date();
                match of_local(today.to_datetime(time)) {
                    later if later > now_msec => {
                        let yesterday = today.saturating_sub(1.day());
                        of_local(yesterday.to_datetime(time))
                    }
                    earlier => earlier,
                }
            }
        }
    }
}

/// The times that are asked for, in order; `what` was being done.
pub(crate) fn check_order(
    what: &str,
    (start_msec, end_msec): (TimeMsec, TimeMsec),
    (start, end): (&str, &str),
) -> Result<(), Failure> {
    if end_msec >= start_msec {
        return Ok(());
    }
    let message = format!(
        "{what}: it ends at {} and begins later, at {}; exchange {start} and {end}",
        render_local(end_msec),
        render_local(start_msec)
    );
    Err(Failure::new(Kind::Usage, message))
}

/// Whether a clock that shows this shows a moment in each time zone.
fn is_time_everywhere(time: DateTime) -> bool {
    let hours = [-25, 25];
    let mut zones = hours
        .map(|hours| TimeZone::fixed(tz::offset(hours)))
        .into_iter();
    zones.all(|zone| time.to_zoned(zone).is_ok())
}

/// Reads a length of time above 0: `5m`, `1h30m`, or seconds.
pub(crate) fn parse_length_msec(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let length_msec = match text.parse::<f64>() {
        Ok(seconds) => of_seconds(seconds, 0.001),
        Err(_) => parse_span(text),
    };
    length_msec
        .filter(|length| *length > 0)
        .ok_or_else(|| "not a length of time; give one like 30s, 5m, 1h30m, or seconds".to_owned())
}

fn of_seconds(seconds: f64, least: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is a number of that size"
    )]
    (least..=SECONDS_MAX)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as i64)
}

fn parse_span(text: &str) -> Option<i64> {
    let is_plain = text.starts_with(|first: char| first.is_ascii_digit());
    let span: Span = text.parse().ok().filter(|_| is_plain)?;
    let relative = SpanRelativeTo::days_are_24_hours();
    let span_msec = span.total((Unit::Millisecond, relative)).ok()?;
    of_seconds(span_msec / 1000.0, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T11:20:00Z
    const NOW: TimeMsec = 1_795_260_000_000;
    const HOUR: i64 = 3_600_000;

    fn resolve(text: &str) -> TimeMsec {
        let zone = TimeZone::fixed(tz::offset(1));
        When::parse(text).unwrap().resolve(NOW, &zone)
    }

    #[test]
    fn times_are_taken_in_the_forms_that_people_write() {
        let midnight = resolve("2026-11-21");
        assert_eq!(midnight, resolve("2026-11-20T23:00:00Z"));
        let table = [
            ("now", NOW),
            ("-2h", NOW - 2 * HOUR),
            ("1h30m", NOW - HOUR * 3 / 2),
            ("3d", NOW - 72 * HOUR),
            ("1795260000", NOW),
            ("1795260000.5", NOW + 500),
            ("2026-11-21T11:20:00Z", NOW),
            ("2026-11-21T12:20:00+01:00", NOW),
            ("2026-11-21 03:15", midnight + HOUR * 13 / 4),
            ("03:15", midnight + HOUR * 13 / 4),
            // It is 12:20 by this clock: 12:30 was yesterday.
            ("12:30", midnight + HOUR * 25 / 2 - 24 * HOUR),
        ];
        for (text, expected) in table {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "-5",
            "25:00",
            "2026-13-01",
            "9999-12-31",
            "--2h",
            "1e300",
            "-P1D",
        ] {
            assert!(When::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_are_above_zero() {
        let good = ["5m", "1h30m", "90", "0.5", "500ms", "1w"].map(parse_length_msec);
        let expected = [300_000, 5_400_000, 90_000, 500, 500, 604_800_000];
        assert_eq!(good, expected.map(Ok));
        for text in ["0", "-5m", "5 parsecs", "", "1e300", "0s"] {
            assert!(parse_length_msec(text).is_err(), "{text}");
        }
    }
}
