//! Parameters of requests.

use std::time::Duration;

use jiff::Timestamp;
use lfs_wrapper_model::TimeMsec;

use super::super::error::QueryError;
use super::super::number::{from_msec, parse_duration_msec, to_whole};

/// The greatest time that is taken, 9999-12-31T23:59:59Z, and the least.
const TIME_MAX_MSEC: i64 = 253_402_300_799_000;

/// Decoded parameters.
pub(super) struct Parameters<'request> {
    pairs: &'request [(String, String)],
}

impl<'request> Parameters<'request> {
    pub(super) fn new(pairs: &'request [(String, String)]) -> Self {
        Self { pairs }
    }

    /// The first value of `name`; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&'request str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of `name`.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'request str> {
        let pairs = self.pairs.iter().filter(move |(known, _)| known == name);
        pairs.map(|(_, value)| value.as_str())
    }

    /// A time, in seconds since 1970 or as RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<TimeMsec>, QueryError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let time = parse_time(text).filter(|time| time.abs() <= TIME_MAX_MSEC);
        let wrong = || invalid(name, format!("cannot parse {text:?} to a valid timestamp"));
        time.map(Some).ok_or_else(wrong)
    }

    /// A time that must be there.
    pub(super) fn required_time(&self, name: &str) -> Result<TimeMsec, QueryError> {
        let missing = || invalid(name, "cannot parse \"\" to a valid timestamp");
        self.time(name)?.ok_or_else(missing)
    }

    /// A duration, in seconds or as `5m`.
    pub(super) fn duration_msec(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let seconds = text.parse::<f64>().ok();
        let msec = match seconds {
            Some(seconds) if seconds.abs() <= from_msec(TIME_MAX_MSEC) / 1000.0 => {
                Some(to_whole((seconds * 1000.0).round()))
            }
            Some(_) => None,
            None => parse_duration_msec(text),
        };
        let wrong = || invalid(name, format!("cannot parse {text:?} to a valid duration"));
        msec.map(Some).ok_or_else(wrong)
    }

    /// The parameter `timeout`, not longer than `longest`.
    pub(super) fn timeout(&self, longest: Duration) -> Result<Duration, QueryError> {
        let Some(msec) = self.duration_msec("timeout")? else {
            return Ok(longest);
        };
        let msec = u64::try_from(msec)
            .map_err(|_| invalid("timeout", "the timeout must not be negative"))?;
        Ok(Duration::from_millis(msec).min(longest))
    }

    /// How many results are wanted at most; `None` for all.
    pub(super) fn limit(&self, name: &str) -> Result<Option<usize>, QueryError> {
        match self.get(name).map(str::parse::<usize>) {
            None | Some(Ok(0)) => Ok(None),
            Some(Ok(limit)) => Ok(Some(limit)),
            Some(Err(error)) => Err(invalid(name, format!("must be a whole number: {error}"))),
        }
    }
}

/// A parameter is wrong.
pub(super) fn invalid(name: &str, message: impl Into<String>) -> QueryError {
    QueryError::Parameter {
        name: name.to_owned(),
        message: message.into(),
    }
}

/// A parameter whose text cannot be read, or not in time.
pub(super) fn wrong(name: &str, error: QueryError) -> QueryError {
    match error {
        error @ QueryError::TimedOut { .. } => error,
        error => invalid(name, error.to_string()),
    }
}

fn parse_time(text: &str) -> Option<TimeMsec> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Some(to_whole((seconds * 1000.0).round())),
        Ok(_) => None,
        Err(_) => {
            let time: Timestamp = text.parse().ok()?;
            Some(time.as_millisecond())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_numbers_or_text() {
        let pairs = [
            ("a".to_owned(), "1.5".to_owned()),
            ("b".to_owned(), "2026-01-31T13:00:00.25+01:00".to_owned()),
            ("c".to_owned(), "yesterday".to_owned()),
            ("d".to_owned(), "1h30m".to_owned()),
            ("e".to_owned(), "1e300".to_owned()),
        ];
        let parameters = Parameters::new(&pairs);
        assert_eq!(parameters.time("a"), Ok(Some(1500)));
        assert_eq!(parameters.time("b"), Ok(Some(1_769_860_800_250)));
        assert_eq!(parameters.time("z"), Ok(None));
        assert_eq!(
            parameters.time("c").map_err(|error| error.to_string()),
            Err(
                "invalid parameter \"c\": cannot parse \"yesterday\" to a valid timestamp"
                    .to_owned()
            )
        );
        assert_eq!(parameters.duration_msec("a"), Ok(Some(1500)));
        assert_eq!(parameters.duration_msec("d"), Ok(Some(5_400_000)));
        assert!(parameters.duration_msec("e").is_err() && parameters.time("e").is_err());
        assert!(parameters.limit("c").is_err());
    }
}
