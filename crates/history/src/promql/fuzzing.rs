//! What a fuzzer calls: a text parsed and evaluated over a small source.

use std::time::Duration;

use super::limits::Limits;
use super::query::Query;
use crate::memory::{MemorySource, parse_series};
use crate::source::STALE;

/// Parses a text and, where it is a query, evaluates it, both ways, within
/// tight limits.
pub fn promql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let limits = Limits {
        samples_max: 20_000,
        series_max: 100,
        points_max: 50,
        text_max: 2000,
        depth_max: 30,
        timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let Ok(query) = Query::parse_within(text, &limits) else {
        return;
    };
    let source = sample_source();
    let _ = query.instant(&source, 600_000, &limits);
    let _ = query.range(&source, 0, 900_000, 60_000, &limits);
}

/// A few series with resets, gaps, endings and strange values.
fn sample_source() -> MemorySource {
    let mut source = MemorySource::default();
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        1e300,
        STALE,
        2.5,
    ];
    for minute in 0..15_i64 {
        let time_msec = minute * 60_000 + 137;
        let count = f64::from(u32::try_from(minute % 6).unwrap_or(0));
        add(&mut source, r#"a_total{x="1"}"#, time_msec, count);
        add(
            &mut source,
            r#"a_total{x="2",y="b"}"#,
            time_msec,
            count * 2.0,
        );
        add(
            &mut source,
            r#"b{x="1"}"#,
            time_msec,
            odd[usize::try_from(minute).unwrap_or(0) % 7],
        );
        for (limit, share) in [("0.1", 1.0), ("1", 2.0), ("+Inf", 3.0)] {
            let series = format!("h_bucket{{x=\"1\",le=\"{limit}\"}}");
            add(&mut source, &series, time_msec, count * share);
        }
    }
    source
}

fn add(source: &mut MemorySource, text: &str, time_msec: i64, value: f64) {
    if let Some((labels, _)) = parse_series(text) {
        source.push(labels, time_msec, value);
    }
}

#[cfg(test)]
mod tests {
    use super::promql;

    #[test]
    fn every_seed_goes_through_without_a_panic() {
        for seed in [
            "sum(a_total) + b",
            "rate(a_total[5m]",
            "\"",
            "\u{0}",
            "a[1s:1ms]",
        ] {
            promql(seed.as_bytes());
        }
        promql(&[0xff]);
    }
}
