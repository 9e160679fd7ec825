//! What is a leak and what is not, as days of values every five seconds.

use super::{LEAK_WARM_UP_USEC, Leak, LeakWatch};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const DAY_MINUTES: u64 = 24 * 60;
const MB: f64 = 1e6;

/// Random numbers that are the same in every run.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[expect(clippy::cast_sign_loss, reason = "memory below 0 is 0 here")]
fn bytes(megabytes: f64) -> u64 {
    (megabytes * MB) as u64
}

/// Runs a shape of megabytes over minutes; the minute in which a leak was first
/// seen.
fn run(minutes: u64, mut megabytes: impl FnMut(f64) -> Option<f64>) -> Option<(f64, Leak)> {
    let mut watch = LeakWatch::new();
    for tick in 0..minutes * 12 {
        let minute = tick as f64 / 12.0;
        if let Some(megabytes) = megabytes(minute) {
            watch.push(77 * SECOND + tick * 5 * SECOND, bytes(megabytes));
        }
        if let Some(leak) = watch.verdict().filter(Leak::is_leak) {
            return Some((minute, leak));
        }
    }
    None
}

fn sawtooth(minute: f64, period_minutes: f64) -> f64 {
    minute % period_minutes / period_minutes
}

#[test]
fn a_leak_of_a_megabyte_a_minute_is_found_within_half_an_hour() {
    let warm_up_minutes = (LEAK_WARM_UP_USEC / MINUTE) as f64;
    // base, teeth in MB, their period in minutes, noise in MB, begin of the leak
    for (base, teeth, period, noise, begin) in [
        (100.0, 0.0, 1.0, 0.0, 0.0),
        (100.0, 0.0, 1.0, 2.0, 0.0),
        (500.0, 0.0, 1.0, 3.0, 0.0),
        (20.0, 20.0, 0.5, 1.0, 0.0),
        (100.0, 20.0, 2.0, 1.0, 0.0),
        (100.0, 20.0, 3.0, 1.0, 0.0),
        (100.0, 20.0, 4.0, 1.0, 0.0),
        (100.0, 20.0, 5.0, 1.0, 0.0),
        (100.0, 0.0, 1.0, 2.0, 600.0),
        (100.0, 20.0, 3.0, 1.0, 600.0),
    ] {
        for seed in 0..12 {
            let mut random = Noise::new(seed);
            let phase = period * seed as f64 / 12.0;
            let found = run(1200, |minute| {
                let leaked = (minute - begin).max(0.0);
                let tooth = teeth * sawtooth(minute + phase, period);
                Some(base + leaked + tooth + noise * random.next())
            });
            let name = format!("{base} {teeth} {period} {noise} {begin} seed {seed}");
            let (minute, leak) = found.expect(&name);
            let due = f64::max(begin, warm_up_minutes) + 30.0;
            assert!(minute >= begin && minute <= due, "{name}: {minute}");
            let rate = leak.rate_bytes_per_second * 60.0 / MB;
            assert!((0.6..1.4).contains(&rate), "{name}: {rate}");
            let grown = leak.rate_bytes_per_second * leak.window_seconds;
            assert!((leak.growth_bytes as f64 - grown).abs() <= 1.0);
        }
    }
}

#[test]
fn a_leak_under_slow_or_uneven_teeth_is_found_later() {
    // teeth in MB, period in minutes, how uneven, found within hours
    for (teeth, period, uneven, hours) in [
        (20.0, 7.0, 0.0, 1.5),
        (20.0, 11.0, 0.0, 2.0),
        (20.0, 5.0, 0.3, 4.5),
        (20.0, 25.0, 0.0, 4.5),
    ] {
        for seed in 0..5 {
            let mut random = Noise::new(seed);
            let mut tooth = 0.0;
            let found = run(600, |minute| {
                let speed = 1.0 + uneven * random.next() * 12.0;
                tooth = (tooth + speed.max(0.0) / (period * 12.0)) % 1.0;
                Some(100.0 + minute + teeth * tooth + random.next())
            });
            let (minute, _) = found.unwrap_or((f64::INFINITY, found_nothing()));
            assert!(
                minute <= hours * 60.0,
                "{teeth} {period} {uneven} seed {seed}: {minute}"
            );
        }
    }
}

fn found_nothing() -> Leak {
    Leak {
        rate_bytes_per_second: 0.0,
        growth_bytes: 0,
        confidence_ratio: 0.0,
        window_seconds: 0.0,
        level_bytes: 0,
    }
}

type Shape = fn(f64) -> f64;

#[test]
fn what_stays_or_comes_back_is_no_leak() {
    let shapes: [(&str, Shape); 22] = [
        ("flat", |_| 100.0),
        ("plateau after growth", |x| {
            100.0 + x.clamp(5.0, 15.0) * 10.0
        }),
        ("plateau after later growth", |x| {
            100.0 + x.clamp(300.0, 310.0) * 10.0
        }),
        ("plateau after 20 minutes of growth", |x| {
            100.0 + x.clamp(300.0, 320.0) * 3.0
        }),
        ("teeth of 3", |x| 100.0 + 20.0 * sawtooth(x, 3.0)),
        ("teeth of 7", |x| 100.0 + 20.0 * sawtooth(x, 7.0)),
        ("teeth of 11", |x| 100.0 + 20.0 * sawtooth(x, 11.0)),
        ("teeth of 25", |x| 100.0 + 20.0 * sawtooth(x, 25.0)),
        ("high teeth of 3", |x| 10.0 + 900.0 * sawtooth(x, 3.3)),
        ("high teeth of 7", |x| 10.0 + 900.0 * sawtooth(x, 7.7)),
        ("high teeth of 11", |x| 10.0 + 900.0 * sawtooth(x, 11.0)),
        ("high teeth of 25", |x| 10.0 + 900.0 * sawtooth(x, 25.0)),
        ("slow wave", |x| 300.0 + 50.0 * (x / 8.0).sin()),
        ("warm-up, quick", |x| {
            100.0 + 300.0 * (1.0 - (-x / 10.0).exp())
        }),
        ("warm-up, slow", |x| {
            100.0 + 300.0 * (1.0 - (-x / 30.0).exp())
        }),
        ("warm-up, logarithm", |x| 100.0 + 40.0 * (1.0 + x).ln()),
        ("warm-up, large logarithm", |x| {
            100.0 + 400.0 * (1.0 + x).ln()
        }),
        ("warm-up, large", |x| {
            100.0 + 2000.0 * (1.0 - (-x / 20.0).exp())
        }),
        ("one step", |x| if x < 200.0 { 100.0 } else { 900.0 }),
        ("steps each two hours", |x| {
            100.0 + (x / 120.0).floor() * 30.0
        }),
        ("compiler", |x| {
            50.0 + 1450.0 * (x % 4.0 / 3.0).min(4.0 - x % 4.0)
        }),
        ("falling", |x| 2000.0 - x),
    ];
    for (name, shape) in shapes {
        for seed in 0..3 {
            let mut random = Noise::new(seed);
            let noise = seed as f64 * 1.5;
            let found = run(DAY_MINUTES, |minute| {
                Some(shape(minute) + noise * (1.0 + random.next()))
            });
            assert_eq!(found, None, "{name}, seed {seed}");
        }
    }
}

#[test]
fn gaps_make_no_leak() {
    let is_gap = |minute: f64| minute % 40.0 > 30.0;
    let found = run(DAY_MINUTES, |x| {
        (!is_gap(x)).then_some(100.0 + 20.0 * sawtooth(x, 7.0))
    });
    assert_eq!(found, None);
    let found = run(DAY_MINUTES, |x| {
        (!is_gap(x)).then_some(100.0 + 50.0 * sawtooth(x, 25.0))
    });
    assert_eq!(found, None);
}

#[test]
fn a_clock_that_stands_or_goes_back_makes_no_leak() {
    let mut watch = LeakWatch::new();
    for tick in 0..100_000 {
        watch.push(9 * MINUTE, tick * 1000);
    }
    assert_eq!(watch.verdict(), None);
    for tick in 0..100_000 {
        watch.push((tick % 50) * MINUTE, 1 << 20);
        watch.push(0, u64::MAX);
    }
    assert!(!watch.verdict().is_some_and(|leak| leak.is_leak()));
}

/// On how many days of walks without drift a leak was seen.
fn count_alarms(days: u64, step: f64) -> usize {
    let walks = (0..days).filter(|seed| {
        let mut random = Noise::new(seed + 1);
        let mut level: f64 = 5000.0;
        run(DAY_MINUTES, |_| {
            level = (level + step * random.next()).abs();
            Some(level)
        })
        .is_some()
    });
    walks.count()
}

#[test]
fn a_walk_without_drift_is_no_leak() {
    for step in [0.1, 1.0, 20.0] {
        assert_eq!(count_alarms(5, step), 0, "{step}");
    }
}

#[test]
#[ignore = "takes half a minute; tells how often chance looks like a leak"]
fn walks_seldom_alarm() {
    assert!(count_alarms(50, 20.0) < 3);
}

#[test]
fn numbers_come_after_ten_minutes() {
    let mut watch = LeakWatch::default();
    for minute in 0..16 {
        watch.push(minute * MINUTE, 1000 * minute);
        assert_eq!(watch.verdict().is_some(), minute >= 15, "{minute}");
    }
}
