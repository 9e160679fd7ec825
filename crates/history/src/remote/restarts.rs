//! A sender and a receiver, both of which fail and are started again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::MetricKind;

use super::feed::{Feed, Position, Positions, Raw, cut};
use super::receiver::{Fault, Faults, Kept, Memory, Receiver};
use super::sender::{Sender, Stop};
use super::settings::{Credentials, RemoteWrite, Start};
use super::statistics::StatisticsNow;
use crate::labels::Labels;
use crate::source::{Matcher, Metadata, ReadError, STALE, Stretch};

/// Series that have a sample each second, most of them, and none are late.
struct Memories {
    series: usize,
    durable_msec: AtomicI64,
    deleted_msec: AtomicI64,
    reads: AtomicUsize,
}

impl Memories {
    fn new(series: usize, durable_msec: TimeMsec) -> Arc<Self> {
        Arc::new(Self {
            series,
            durable_msec: AtomicI64::new(durable_msec),
            deleted_msec: AtomicI64::new(0),
            reads: AtomicUsize::new(0),
        })
    }

    fn all(&self) -> Vec<(Labels, Stretch)> {
        let moments = self.durable_msec.load(Ordering::SeqCst) / 1000;
        let deleted_msec = self.deleted_msec.load(Ordering::SeqCst);
        let one = |index: usize| {
            let number = format!("{index:03}");
            let pairs = [("__name__", "value"), ("index", &number)];
            let labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut stretch = Stretch::default();
            for moment in 1..=moments {
                let hash = moment * 31 + i64::try_from(index).unwrap() * 17;
                let time_msec = moment * 1000 + hash % 3 * 100 - 300;
                if hash % 11 != 0 && time_msec > deleted_msec {
                    stretch.times.push(time_msec);
                    let value = format!("{hash}.25").parse().unwrap();
                    stretch
                        .values
                        .push(if hash % 13 == 0 { STALE } else { value });
                }
            }
            (Labels::new(labels), stretch)
        };
        (0..self.series).map(one).collect()
    }

    fn expected(&self) -> Kept {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let one = |(labels, stretch): (Labels, Stretch)| {
            let samples = stretch.times.into_iter().zip(stretch.values);
            let bits = samples.map(|(time_msec, value)| (time_msec, value.to_bits()));
            (labels.iter().map(own).collect(), bits.collect())
        };
        self.all().into_iter().map(one).collect()
    }
}

impl Feed for Memories {
    fn durable_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        Ok(Some(self.durable_msec.load(Ordering::SeqCst)))
    }

    fn deleted_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        let deleted_msec = self.deleted_msec.load(Ordering::SeqCst);
        Ok(Some(deleted_msec).filter(|deleted_msec| *deleted_msec > 0))
    }

    fn raw(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        samples_max: usize,
        keep: &dyn Fn(&Labels) -> bool,
    ) -> Result<Raw, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut all = self.all();
        all.retain(|one| keep(&one.0));
        Ok(cut(all, after_msec, until_msec, samples_max))
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Ok(vec![Metadata {
            name: "value".to_owned(),
            kind: MetricKind::Gauge,
            help: String::new(),
        }])
    }
}

/// Positions that a killed sender can no longer change.
#[derive(Clone, Default)]
struct Places {
    positions: Arc<Mutex<BTreeMap<String, Position>>>,
    is_dead: Arc<AtomicBool>,
}

impl Positions for Places {
    fn load(&self, endpoint: &str) -> Result<Option<Position>, ReadError> {
        Ok(self.positions.lock().unwrap().get(endpoint).copied())
    }

    fn save(&self, endpoint: &str, position: Position) -> Result<(), ReadError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(ReadError::Store("killed".to_owned()));
        }
        let mut positions = self.positions.lock().unwrap();
        positions.insert(endpoint.to_owned(), position);
        Ok(())
    }
}

fn settings(port: u16, samples_max: usize) -> RemoteWrite {
    RemoteWrite {
        samples_max,
        start: Start::Beginning,
        every: Duration::from_millis(2),
        timeout: Duration::from_millis(300),
        pause_min: Duration::from_millis(1),
        pause_max: Duration::from_millis(20),
        ..RemoteWrite::new("far", &format!("http://127.0.0.1:{port}/api/v1/write"))
    }
}

/// Runs a sender until `is_done`, then ends it: as a kill would, or in order.
fn run_until(
    settings: RemoteWrite,
    feed: &Arc<Memories>,
    positions: &Places,
    is_kill: bool,
    is_done: impl Fn(&StatisticsNow) -> bool,
) -> StatisticsNow {
    let positions = Places {
        positions: Arc::clone(&positions.positions),
        is_dead: Arc::default(),
    };
    let is_dead = Arc::clone(&positions.is_dead);
    let feed = Arc::clone(feed);
    let mut sender = Sender::new(settings, feed, Arc::new(positions)).unwrap();
    let statistics = sender.statistics();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| sender.run(&stop));
        for _ in 0..30_000 {
            if is_done(&statistics.now()) {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        is_dead.store(is_kill, Ordering::SeqCst);
        stop.stop();
        thread.join().unwrap();
    });
    statistics.now()
}

fn fault_free() -> Faults {
    Arc::new(|_| Fault::None)
}

#[test]
fn every_sample_arrives_once_over_ten_restarts_of_either_side() {
    const FAULTS: [Fault; 7] = [
        Fault::Status(503),
        Fault::CutAnswer,
        Fault::CutRequest,
        Fault::CutAnswer,
        Fault::Status(429),
        Fault::Hang,
        Fault::CutAnswer,
    ];
    for samples_max in [7, 100, 1000] {
        let feed = Memories::new(40, 0);
        let memory = Memory::default();
        let faults: Faults = Arc::new(|number| match number % 3 {
            0 => FAULTS[number / 3 % FAULTS.len()],
            _ => Fault::None,
        });
        let mut receiver = Receiver::start(0, memory.clone(), Arc::clone(&faults));
        let port = receiver.port;
        let positions = Places::default();
        for round in 1..=10 {
            feed.durable_msec.fetch_add(3_500, Ordering::SeqCst);
            let until_requests = 3 + round % 4;
            run_until(
                settings(port, samples_max),
                &feed,
                &positions,
                true,
                |now| {
                    let is_settled = now.lag_msec == 0 && now.sent_until_msec.is_some();
                    now.requests >= until_requests || is_settled
                },
            );
            if round % 2 == 0 {
                // The sender meets a closed port, and a killed one's connection.
                drop(receiver);
                run_until(
                    settings(port, samples_max),
                    &feed,
                    &positions,
                    true,
                    |now| now.failed_requests > 1 || now.lag_msec == 0,
                );
                receiver = Receiver::start(port, memory.clone(), Arc::clone(&faults));
            } else {
                drop(receiver);
                receiver = Receiver::start(port, memory.clone(), Arc::clone(&faults));
            }
        }
        let end_msec = feed.durable_msec.load(Ordering::SeqCst);
        let now = run_until(
            settings(port, samples_max),
            &feed,
            &positions,
            false,
            |now| now.sent_until_msec == Some(end_msec),
        );
        drop(receiver);
        assert_eq!(now.refused_samples, 0);
        let seen = memory.0.lock().unwrap();
        assert!(seen.kept == feed.expected(), "{samples_max}: {now:?}");
        let again = seen.refused + seen.repeated;
        assert!(again > 0, "{samples_max}: nothing was offered twice");
    }
}

#[test]
fn the_head_says_what_the_protocol_wants_and_metadata_come_too() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let (feed, memory) = (Memories::new(3, 5_000), Memory::default());
    let receiver = Receiver::start(0, memory.clone(), fault_free());
    let settings = RemoteWrite {
        headers: vec![("X-Scope-OrgID".to_owned(), "tenant".to_owned())],
        credentials: Credentials::BearerFile(token),
        external_labels: vec![("host".to_owned(), "here".to_owned())],
        keep: vec![
            vec![Matcher::equal("index", "000")],
            vec![
                Matcher::equal("index", "002"),
                Matcher::equal("__name__", "value"),
            ],
        ],
        ..settings(receiver.port, 100)
    };
    let now = run_until(settings, &feed, &Places::default(), false, |now| {
        now.sent_until_msec == Some(5_000)
    });
    let seen = memory.0.lock().unwrap();
    assert_eq!(seen.metadata, ["value"]);
    let kept: Vec<String> = seen
        .kept
        .keys()
        .map(|labels| format!("{labels:?}"))
        .collect();
    let expected = ["000", "002"]
        .map(|index| format!(r#"[("__name__", "value"), ("host", "here"), ("index", "{index}")]"#));
    assert_eq!(kept, expected);
    assert_eq!((now.refused_samples, now.last_error.as_str()), (0, ""));
    for line in [
        "post /api/v1/write http/1.1\r\n",
        "content-encoding: snappy\r\n",
        "content-type: application/x-protobuf\r\n",
        "x-prometheus-remote-write-version: 0.1.0\r\n",
        "user-agent: lfs-wrapper/",
        "x-scope-orgid: tenant\r\n",
        "authorization: bearer secret\r\n",
    ] {
        assert!(seen.heads[0].contains(line), "{line}: {}", seen.heads[0]);
    }
}

#[test]
fn what_is_refused_is_dropped_and_shown_and_a_wrong_address_is_not() {
    let (feed, memory) = (Memories::new(3, 3_000), Memory::default());
    let statuses = [404, 401, 302, 400];
    let faults: Faults = Arc::new(move |number| match statuses.get(number - 1) {
        Some(status) => Fault::Status(*status),
        None => Fault::None,
    });
    let receiver = Receiver::start(0, memory.clone(), faults);
    let settings = settings(receiver.port, 3);
    let now = run_until(settings, &feed, &Places::default(), false, |now| {
        now.sent_until_msec == Some(3_000)
    });
    assert_eq!(now.failed_requests, 3);
    assert!(now.refused_samples > 0);
    assert_eq!(
        (now.last_refusal.as_str(), now.last_error.as_str()),
        ("400 Bad Request: because", "")
    );
    let seen = memory.0.lock().unwrap();
    let kept: usize = seen.kept.values().map(Vec::len).sum();
    let all: usize = feed.expected().values().map(Vec::len).sum();
    let refused = usize::try_from(now.refused_samples).unwrap();
    assert_eq!(kept + refused, all);
    assert_eq!(usize::try_from(now.sent_samples).unwrap(), kept);
}

#[test]
fn errors_are_shown_as_the_endpoint_says_them() {
    let (feed, memory) = (Memories::new(1, 1_000), Memory::default());
    let table = [
        (302, "set that as the url"),
        (401, "401 Unauthorized: because"),
    ];
    for (status, expected) in table {
        let faults: Faults = Arc::new(move |_| Fault::Status(status));
        let receiver = Receiver::start(0, memory.clone(), faults);
        let settings = settings(receiver.port, 3);
        let now = run_until(settings, &feed, &Places::default(), false, |now| {
            now.failed_requests > 0
        });
        assert!(now.last_error.contains(expected), "{}", now.last_error);
    }
}

#[test]
fn secrets_that_an_endpoint_repeats_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "topsecret\n").unwrap();
    let basic = Credentials::Basic {
        user: "me".to_owned(),
        password_file: file.clone(),
    };
    for credentials in [Credentials::BearerFile(file), basic] {
        let (feed, memory) = (Memories::new(1, 1_000), Memory::default());
        let faults: Faults = Arc::new(move |_| Fault::Echo(403));
        let receiver = Receiver::start(0, memory.clone(), faults);
        let settings = RemoteWrite {
            credentials,
            headers: vec![("X-Api-Key".to_owned(), "apisecret".to_owned())],
            ..settings(receiver.port, 3)
        };
        let now = run_until(settings, &feed, &Places::default(), false, |now| {
            now.failed_requests > 0
        });
        let heads = &memory.0.lock().unwrap().heads;
        assert!(heads[0].contains("apisecret"), "it was sent: {heads:?}");
        let said = now.last_error.to_ascii_lowercase();
        assert!(said.contains("x-api-key: …"), "{said}");
        // The second is "me:topsecret" in base64, in lower case.
        for secret in ["topsecret", "bwu6dg9wc2vjcmv0", "apisecret"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_gap_is_counted_when_samples_became_too_old() {
    let (feed, memory) = (Memories::new(3, 3_000), Memory::default());
    let receiver = Receiver::start(0, memory.clone(), fault_free());
    let positions = Places::default();
    let until = |end_msec| {
        let settings = settings(receiver.port, 100);
        run_until(settings, &feed, &positions, false, |now| {
            now.sent_until_msec == Some(end_msec)
        })
    };
    until(3_000);
    feed.durable_msec.store(9_000, Ordering::SeqCst);
    feed.deleted_msec.store(6_500, Ordering::SeqCst);
    let now = until(9_000);
    assert_eq!((now.lost_gaps, now.lost_msec), (1, 3_500));
    let seen = memory.0.lock().unwrap();
    let mut times = seen.kept.values().flatten().map(|sample| sample.0);
    assert!(times.all(|time_msec| time_msec <= 3_000 || time_msec > 6_500));
}

#[test]
fn a_history_is_read_once_for_many_batches() {
    let (feed, memory) = (Memories::new(40, 60_000), Memory::default());
    let receiver = Receiver::start(0, memory.clone(), fault_free());
    let settings = settings(receiver.port, 100);
    let now = run_until(settings, &feed, &Places::default(), false, |now| {
        now.sent_until_msec == Some(60_000)
    });
    assert!(memory.0.lock().unwrap().kept == feed.expected());
    assert!(now.requests > 20, "{now:?}");
    assert_eq!(feed.reads.load(Ordering::SeqCst), 1);
}
