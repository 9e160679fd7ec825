use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
pub type TimeMsec = i64;

/// The machine's wall clock, the one place that reads it.
pub fn now_msec() -> TimeMsec {
    Timestamp::now().as_millisecond()
}

/// `2026-01-31T12:00:00.250Z`; a time out of range shows as the epoch.
pub fn render_rfc3339(time_msec: TimeMsec) -> String {
    let time = Timestamp::from_millisecond(time_msec).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// `2026-01-31T13:00:00` in the machine's time zone, without naming the zone.
pub fn render_local(time_msec: TimeMsec) -> String {
    let time = Timestamp::from_millisecond(time_msec).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{:.0}", time.to_zoned(TimeZone::system()).datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_kept_in_utc() {
        assert_eq!(
            render_rfc3339(1_700_000_000_250),
            "2023-11-14T22:13:20.250Z"
        );
    }
}
