//! What must hold of the store, whatever is put into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::common::{collect, entry, everything, frame, frame_of, select};
use lfs_wrapper_history::{
    Channel, Entry, History, HistoryError, Limits, Reader, STALE, Selection, Source, Stretch,
    is_stale,
};
use lfs_wrapper_model::metric::MetricKind;
use proptest::prelude::*;
use tempfile::TempDir;

const START: i64 = 1_700_000_000_000;
const SIX_HOURS: i64 = 6 * 3_600_000;

fn limits() -> Limits {
    Limits {
        disk_free_min: 0,
        // The tests are of 2023.
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    }
}

fn open(path: &Path) -> History {
    let (history, notes) = History::open(path, limits()).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    history
}

/// What must be there: by series and time, the value that came first.
#[derive(Clone, Debug, Default)]
struct Model {
    samples: BTreeMap<String, BTreeMap<i64, u64>>,
    present: BTreeSet<String>,
    newest: Option<i64>,
}

impl Model {
    fn append(&mut self, time: i64, values: &[(&str, f64)]) {
        if self.newest == Some(time) {
            return;
        }
        self.newest = Some(time);
        let mut put = |name: &str, value: f64| {
            let series = self.samples.entry(name.to_owned()).or_default();
            series.entry(time).or_insert(value.to_bits());
        };
        for (name, value) in values {
            put(name, *value);
        }
        let now = values.iter().filter(|(_, value)| !is_stale(*value));
        let now: BTreeSet<String> = now.map(|(name, _)| (*name).to_owned()).collect();
        for gone in self.present.difference(&now) {
            put(gone, STALE);
        }
        self.present = now;
    }

    fn check(&self, source: &dyn Source) {
        let found = everything(source).into_iter().map(|(name, stretch)| {
            let bits = stretch.values.iter().map(|value| value.to_bits());
            (name, stretch.times.iter().copied().zip(bits).collect())
        });
        let found: BTreeMap<String, BTreeMap<i64, u64>> = found.collect();
        assert_eq!(found, self.samples);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append(i64, Vec<(&'static str, f64)>),
    Flush,
    Maintain,
    Crash,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let step = prop_oneof![
        12 => Just(1000_i64),
        2 => 1..5000_i64,
        1 => Just(0),
        1 => -900_000..0_i64,
        1 => 600_000..7_200_000_i64,
    ];
    let value = prop_oneof![
        4 => Just(1.0),
        2 => (0..100_u32).prop_map(f64::from),
        1 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
        1 => Just(STALE),
    ];
    let name = prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4);
    let values = name.prop_flat_map(move |names| {
        let values = prop::collection::vec(value.clone(), names.len());
        values.prop_map(move |values| names.iter().copied().zip(values).collect())
    });
    prop_oneof![
        30 => (step, values).prop_map(|(step, values)| Act::Append(step, values)),
        4 => Just(Act::Flush),
        1 => Just(Act::Maintain),
        2 => Just(Act::Crash),
        1 => Just(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn all_that_was_taken_in_is_there_and_a_crash_costs_what_was_not_flushed(
        acts in prop::collection::vec(act(), 1..120)
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("history.db");
        let mut history = open(&path);
        let (mut model, mut durable) = (Model::default(), Model::default());
        let mut now = START;
        for act in acts {
            match &act {
                Act::Append(step, values) => {
                    now += *step;
                    if step.abs() > 5000 {
                        // Only so many windows wait in memory.
                        history.flush().unwrap();
                        durable = model.clone();
                    }
                    history.append(&frame(now, values));
                    model.append(now, values);
                }
                Act::Flush => history.flush().unwrap(),
                Act::Maintain => {
                    history.flush().unwrap();
                    history.maintain().unwrap();
                }
                Act::Crash => {
                    drop(history);
                    model = durable.clone();
                    history = open(&path);
                }
                Act::Reopen => {
                    history.flush().unwrap();
                    durable = model.clone();
                    drop(history);
                    history = open(&path);
                }
            }
            if matches!(act, Act::Flush | Act::Maintain) {
                durable = model.clone();
                durable.check(&Reader::open(&path).unwrap());
            }
            model.check(&history.reader());
        }
    }
}

/// An hour and more of a counter with resets, a gauge and one that ends.
fn fill(history: &History, seconds: i64) {
    let entries: Arc<[Entry]> = [
        entry("counter", MetricKind::Counter),
        entry("gauge", MetricKind::Gauge),
        entry("untyped", MetricKind::Untyped),
        entry("ends", MetricKind::Gauge),
    ]
    .into();
    let fewer: Arc<[Entry]> = entries[..3].into();
    let first = START - START % SIX_HOURS;
    for second in 0..seconds {
        let number = f64::from(u32::try_from(second).unwrap());
        let values = vec![
            number % 1717.0 * 3.0,
            (number * 0.01).sin(),
            number % 77.0,
            number,
        ];
        let time = first + second * 1000 + 137;
        if second % 1000 < 995 {
            history.append(&frame_of(time, &entries, values));
        } else {
            history.append(&frame_of(time, &fewer, values[..3].to_vec()));
        }
        if second % 300 == 0 {
            history.flush().unwrap();
        }
    }
    history.flush().unwrap();
}

fn windowed(stretch: &Stretch, ends: &[i64], range: i64, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let window = |end: &i64| {
        let samples = stretch.times.iter().zip(&stretch.values);
        let within = samples
            .filter(|(time, value)| **time > end - range && *time <= end && !is_stale(**value));
        within.map(|(_, value)| *value).collect::<Vec<f64>>()
    };
    ends.iter().map(|end| of(&window(end))).collect()
}

#[test]
fn a_roll_up_gives_the_answers_that_the_samples_give() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    fill(&history, 7 * 3600);
    history.maintain().unwrap();
    let raw = everything(&history.reader());
    let first = START - START % SIX_HOURS;
    let range = 600_000;
    let ends: Vec<i64> = (2..36).map(|number| first + number * range).collect();
    let increase = |values: &[f64]| {
        let pairs = values.windows(2);
        pairs
            .map(|pair| {
                if pair[1] < pair[0] {
                    pair[1]
                } else {
                    pair[1] - pair[0]
                }
            })
            .sum()
    };
    type Of<'a> = &'a dyn Fn(&[f64]) -> f64;
    let sum = |values: &[f64]| values.iter().sum();
    let checks: [(Channel, Of<'_>, Of<'_>); 5] = [
        (
            Channel::Min,
            &|values| values.iter().copied().fold(f64::INFINITY, f64::min),
            &|values| values.iter().copied().fold(f64::INFINITY, f64::min),
        ),
        (
            Channel::Max,
            &|values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            &|values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ),
        (Channel::Sum, &sum, &sum),
        #[expect(clippy::cast_precision_loss, reason = "few values")]
        (Channel::Count, &|values| values.len() as f64, &sum),
        (Channel::Counter, &increase, &increase),
    ];
    for (channel, of_raw, of_rolled) in checks {
        let selection = Selection {
            matchers: &[],
            from_msec: ends[0] - range + 1,
            to_msec: *ends.last().unwrap(),
            first_msec: ends[0],
            step_msec: range,
            range_msec: range,
            channel,
            deadline: None,
        };
        let rolled = collect(&history.reader(), &selection);
        for ((name, raw), (_, rolled)) in raw.iter().zip(&rolled) {
            // Of the others, samples are read as long as there are any.
            let is_rolled_up = !matches!(channel, Channel::Counter | Channel::Sum);
            assert!(
                !is_rolled_up || rolled.times.len() * 20 < raw.times.len(),
                "{name}: a roll-up was read"
            );
            let expected = windowed(raw, &ends, range, of_raw);
            let got = windowed(rolled, &ends, range, of_rolled);
            for (expected, got) in expected.iter().zip(&got) {
                assert!(
                    (expected - got).abs() <= 1e-9 * expected.abs(),
                    "{name} {channel:?}: {expected} {got}"
                );
            }
        }
    }
}

#[test]
fn the_last_value_at_each_step_is_the_same_from_a_roll_up_also_after_an_end() {
    let folder = TempDir::new().unwrap();
    let history = open(&folder.path().join("history.db"));
    fill(&history, 7 * 3600);
    history.maintain().unwrap();
    let raw = everything(&history.reader());
    let first = START - START % SIX_HOURS;
    let selection = Selection {
        matchers: &[],
        from_msec: first,
        to_msec: first + SIX_HOURS,
        first_msec: first + 600_000,
        step_msec: 60_000,
        range_msec: 0,
        channel: Channel::Last,
        deadline: None,
    };
    let rolled = collect(&history.reader(), &selection);
    let at = |stretch: &Stretch, time: i64| {
        let index = stretch.times.partition_point(|other| *other <= time);
        index
            .checked_sub(1)
            .map(|index| (stretch.times[index], stretch.values[index].to_bits()))
    };
    for ((name, raw), (_, rolled)) in raw.iter().zip(&rolled) {
        assert!(rolled.times.len() * 4 < raw.times.len(), "{name}");
        for step in 10..360 {
            let time = first + step * 60_000;
            assert_eq!(at(raw, time), at(rolled, time), "{name} {step}");
        }
    }
}

#[test]
fn the_file_and_its_log_stay_below_the_cap_and_the_newest_samples_stay() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let cap = 32 << 20;
    let limits = Limits {
        bytes_max: cap,
        ..limits()
    };
    let (history, _) = History::open(&path, limits).unwrap();
    let names: Vec<String> = (0..600).map(|number| format!("series_{number}")).collect();
    let entries: Arc<[Entry]> = names
        .iter()
        .map(|name| entry(name, MetricKind::Gauge))
        .collect();
    let mut random = 1_u64;
    let mut most = 0;
    for second in 0..8_000_i64 {
        let values = (0..entries.len()).map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from_bits((random >> 12) | 0x3ff0_0000_0000_0000)
        });
        history.append(&frame_of(START + second * 1000, &entries, values.collect()));
        if second % 30 == 0 {
            history.flush().unwrap();
            history.maintain().unwrap();
            let size = |suffix: &str| {
                let name = format!("{}{suffix}", path.display());
                fs::metadata(name).map_or(0, |found| found.len())
            };
            most = most.max(size("") + size("-wal"));
        }
    }
    history.flush().unwrap();
    assert!(most <= cap, "{most}");
    assert!(history.counts().evicted_windows.get() > 0);
    assert_eq!(history.counts().lost_frames.get(), 0);
    let newest = select(&history.reader(), START + 7_999_000, START + 8_000_000);
    assert_eq!(newest.len(), 600);
}

#[test]
fn there_is_one_writer_and_it_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let _first = open(&path);
    let second = History::open(&path, limits());
    assert!(
        matches!(second, Err(HistoryError::Busy { .. })),
        "{second:?}"
    );
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(other);
    let opened = History::open(&path, limits());
    assert!(
        matches!(opened, Err(HistoryError::Foreign { .. })),
        "{opened:?}"
    );
    let newer = folder.path().join("newer.db");
    drop(open(&newer));
    rusqlite::Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let opened = History::open(&newer, limits());
    assert!(
        matches!(opened, Err(HistoryError::Version { version: 99, .. })),
        "{opened:?}"
    );
}

#[test]
fn nothing_is_written_while_the_disk_is_nearly_full_and_it_goes_on_by_itself() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let never = Limits {
        disk_free_min: u64::MAX,
        ..limits()
    };
    let (history, _) = History::open(&path, never).unwrap();
    for second in 0..4000 {
        history.append(&frame(START + second * 1000, &[("a", 1.0)]));
    }
    history.flush().unwrap();
    assert_eq!(history.counts().is_stopped.get(), 1);
    assert!(history.counts().lost_frames.get() > 0);
    // What there is room for in memory can be asked for.
    let kept = everything(&history.reader());
    assert_eq!(kept[0].1.times.last(), Some(&(START + 3_999_000)));
    assert_eq!(everything(&Reader::open(&path).unwrap()), []);
    drop(history);
    let history = open(&path);
    history.append(&frame(START + 5_000_000, &[("a", 1.0)]));
    history.flush().unwrap();
    assert_eq!(history.counts().is_stopped.get(), 0);
    assert_eq!(everything(&Reader::open(&path).unwrap()).len(), 1);
}

#[test]
fn what_is_imported_stands_beside_what_is_there_and_importing_again_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let history = open(&folder.path().join("history.db"));
    history.append(&frame(START, &[("a", 1.0)]));
    history.flush().unwrap();
    let stretch = Stretch {
        times: vec![START - 86_400_000, START - 5000, START, START + 7],
        values: vec![f64::NAN, STALE, 9.0, 3.5],
    };
    let batch = [
        (entry("a", MetricKind::Gauge), stretch),
        (
            entry("b", MetricKind::Gauge),
            Stretch {
                times: vec![-5, START],
                values: vec![1.0, 2.0],
            },
        ),
    ];
    let imported = history.import(&batch).unwrap();
    assert_eq!(
        (imported.samples, imported.out_of_range, imported.dropped),
        (5, 1, 0)
    );
    let show = || format!("{:?}", everything(&history.reader()));
    let once = show();
    let again = history.import(&batch).unwrap();
    assert_eq!((again.samples, again.present), (0, 5));
    history.maintain().unwrap();
    assert_eq!(show(), once);
    let times = &everything(&history.reader())[0].1.times;
    assert_eq!(*times, [START - 86_400_000, START - 5000, START, START + 7]);
}

#[test]
fn files_of_the_older_forms_are_taken_over() {
    for form in [1, 2] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("history.db");
        let old = rusqlite::Connection::open(&path).unwrap();
        let sql = match form {
            1 => {
                "CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE) STRICT;
                 CREATE TABLE frame (time_msec INTEGER PRIMARY KEY, monotonic_usec INTEGER NOT NULL,
                     layout INTEGER NOT NULL REFERENCES layout (id), samples BLOB NOT NULL) STRICT;
                 INSERT INTO layout VALUES (7, 'a{x=\"1\"}' || char(10) || 'b');
                 INSERT INTO frame VALUES (1000, 1000000, 7, zeroblob(16));
                 INSERT INTO frame VALUES (2000, 2000000, 7, zeroblob(16));"
            }
            _ => {
                "CREATE TABLE series (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
                 CREATE TABLE layout (id INTEGER PRIMARY KEY, series BLOB NOT NULL UNIQUE) STRICT;
                 CREATE TABLE frame (time_msec INTEGER PRIMARY KEY, monotonic_usec INTEGER NOT NULL,
                     layout INTEGER NOT NULL, samples BLOB NOT NULL, process_layout INTEGER,
                     process_samples BLOB) STRICT;
                 INSERT INTO series VALUES (1, 'a{x=\"1\"}'), (2, 'b');
                 INSERT INTO layout VALUES (7, x'0100000002000000');
                 INSERT INTO frame VALUES (1000, 1000000, 7, zeroblob(16), NULL, NULL);
                 INSERT INTO frame VALUES (2000, 2000000, 7, zeroblob(16), NULL, NULL);
                 PRAGMA user_version = 2;"
            }
        };
        old.execute_batch(&format!("PRAGMA application_id = 1279677256; {sql}"))
            .unwrap();
        if form == 1 {
            old.pragma_update(None, "user_version", 1).unwrap();
        }
        drop(old);
        let (history, notes) = History::open(&path, limits()).unwrap();
        assert!(notes[0].contains("2 moments"), "{notes:?}");
        history.append(&frame(3000, &[("b", 1.0)]));
        history.flush().unwrap();
        let names: Vec<String> = everything(&history.reader())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["a{x=\"1\"}", "b"]);
        assert_eq!(everything(&history.reader())[1].1.times, [1000, 2000, 3000]);
    }
}

fn each_second(history: &History, from: i64, to: i64) {
    for second in from..to {
        let number = f64::from(u32::try_from(second.rem_euclid(100_000)).unwrap());
        let values = [("a", number), ("b", -number)];
        history.append(&frame(second * 1000 + 137, &values));
    }
}

#[test]
fn what_is_in_memory_and_rolled_up_counts_once() {
    let folder = TempDir::new().unwrap();
    let history = open(&folder.path().join("history.db"));
    let hour = START - START % SIX_HOURS;
    for part in 0..7 {
        each_second(
            &history,
            hour / 1000 + part * 600,
            hour / 1000 + (part + 1) * 600,
        );
        history.flush().unwrap();
        history.maintain().unwrap();
    }
    // The last window of the first hour is rolled up, and in memory still.
    let count = Selection {
        matchers: &[],
        from_msec: hour + 1_800_001,
        to_msec: hour + 3_600_000,
        first_msec: hour + 3_600_000,
        step_msec: 0,
        range_msec: 1_800_000,
        channel: Channel::Count,
        deadline: None,
    };
    for (name, stretch) in collect(&history.reader(), &count) {
        let within = stretch.times.iter().zip(&stretch.values);
        let within =
            within.filter(|(time, _)| **time > hour + 1_800_000 && **time <= hour + 3_600_000);
        let sum: f64 = within.map(|(_, value)| value).sum();
        assert!((sum - 1800.0).abs() < 0.5, "{name}: {sum}");
    }
}

#[test]
fn what_was_written_before_the_clock_was_set_back_is_found() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let begin = START / 600_000 * 600;
    // Twice within one window, each time over what is there.
    for (from, to) in [(0, 500), (100, 400), (50, 90), (600, 1300)] {
        each_second(&history, begin + from, begin + to);
        history.flush().unwrap();
    }
    let count = |from: i64| {
        let found = select(
            &history.reader(),
            (begin + from) * 1000,
            (begin + 600) * 1000,
        );
        found[0].1.times.len()
    };
    assert_eq!((count(0), count(60)), (500, 440));
}

#[test]
fn what_is_on_disk_is_said_to_be_no_later_than_it_is_also_after_an_import() {
    use lfs_wrapper_history::remote::Feed;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let begin = START / 600_000 * 600;
    {
        let history = open(&path);
        each_second(&history, begin, begin + 300);
        history.flush().unwrap();
        // An earlier window makes blocks of the one before.
        each_second(&history, begin - 700, begin - 600);
        history.flush().unwrap();
        let later = Stretch {
            times: vec![(begin + 100_000_000) * 1000],
            values: vec![1.0],
        };
        history
            .import(&[(entry("c", MetricKind::Gauge), later)])
            .unwrap();
    }
    let history = open(&path);
    let durable = history.reader().durable_until().unwrap();
    assert_eq!(durable, Some((begin + 299) * 1000 + 137));
}

#[test]
fn room_is_made_for_an_import_and_the_file_is_not_taken_for_damaged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let limits = Limits {
        bytes_max: 32 << 20,
        ..limits()
    };
    let (history, _) = History::open(&path, limits).unwrap();
    let mut random = 1_u64;
    for batch in 0..12_i64 {
        let stretch = |_: u32| {
            let times: Vec<i64> = (0..6000)
                .map(|number| START + (batch * 6000 + number) * 1000)
                .collect();
            let values = times.iter().map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                f64::from_bits((random >> 12) | 0x3ff0_0000_0000_0000)
            });
            Stretch {
                values: values.collect(),
                times,
            }
        };
        let names = (0..60).map(|number| format!("imported_{number}_{batch}"));
        let entries = names.map(|name| entry(&name, MetricKind::Gauge));
        let stretches = (0..60).map(stretch);
        let series: Vec<(Entry, Stretch)> = entries.zip(stretches).collect();
        history.import(&series).unwrap();
        history.maintain().unwrap();
    }
    assert!(history.counts().evicted_windows.get() > 0);
    let kept = fs::read_dir(folder.path()).unwrap().flatten();
    let mut names = kept.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert!(!names.any(|name| name.contains("damaged")));
}
