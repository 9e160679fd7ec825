use std::sync::Mutex;
use std::sync::mpsc;

use jiff::tz::TimeZone;
use lfs_wrapper_alert::channel::{AlertSink, Kind as ChannelKind};
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::notification::Message;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Filter};
use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> (StateDir, Database) {
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    let database = Database::open(&dir).unwrap();
    (dir, database)
}

fn live() -> Arc<Live> {
    let host = lfs_wrapper_api::Host {
        hostname: "host".to_owned(),
        kernel: String::new(),
        cores: 1,
    };
    Arc::new(Live::new(host, POLL))
}

fn write(database: &Database, kind: Kind, channels: &[&str]) {
    let now = now_msec();
    let change = store::Change {
        rule: "disk",
        labels: &[].into(),
        kind,
        severity: Severity::Warning,
        value: None,
        threshold: None,
        message: "disk",
        runbook: "",
        annotations: &[].into(),
        time_msec: now,
    };
    let mut routing = Routing::new(channels.iter().map(ToString::to_string).collect());
    routing.routes = vec![lfs_wrapper_alert::route::Route {
        channels: routing.channels.clone(),
        interval_msec: 0,
        ..lfs_wrapper_alert::route::Route::default()
    }];
    let transaction = database.begin().unwrap();
    store::write_change(&transaction, &change).unwrap();
    store::tell(&transaction, &routing, now, &TimeZone::UTC).unwrap();
    transaction.commit().unwrap();
}

/// Says no so many times, and then takes everything.
#[derive(Debug)]
struct Stubborn {
    refusals: Mutex<u32>,
    taken: Mutex<Vec<&'static str>>,
}

impl Stubborn {
    fn new(refusals: u32) -> Arc<Self> {
        Arc::new(Self {
            refusals: Mutex::new(refusals),
            taken: Mutex::default(),
        })
    }

    fn taken(&self) -> Vec<&'static str> {
        self.taken.lock().unwrap().clone()
    }
}

impl AlertSink for Stubborn {
    fn take(&self, message: &Message<'_>) -> Result<(), String> {
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err("not now".to_owned());
        }
        let kinds = message.notifications.iter().map(|one| one.kind.as_str());
        self.taken.lock().unwrap().extend(kinds);
        Ok(())
    }
}

fn channel(name: &str, sink: &Arc<Stubborn>) -> Channel {
    let sink: Arc<dyn AlertSink> = Arc::<Stubborn>::clone(sink);
    Channel::new(name, ChannelKind::Sink(sink)).unwrap()
}

/// Delivers until the condition holds.
fn deliver_until(folder: &TempDir, channels: Vec<Channel>, is_done: impl Fn() -> bool) {
    let (dir, database) = open(folder);
    let (shared, live) = (SharedChannels::new(channels), live());
    let (wake, woken) = mpsc::sync_channel(1);
    let deliverer = thread::spawn(move || deliver(&dir, &database, &shared, &live, &woken));
    while !is_done() {
        thread::sleep(Duration::from_millis(10));
    }
    drop(wake);
    deliverer.join().unwrap();
}

#[test]
fn a_channel_that_failed_hears_everything_in_order_and_ends_on_what_is_true() {
    let folder = TempDir::new().unwrap();
    let (_, database) = open(&folder);
    let sink = Stubborn::new(1);
    write(&database, Kind::Raised, &["one"]);
    write(&database, Kind::Resolved, &["one"]);
    deliver_until(&folder, vec![channel("one", &sink)], || {
        sink.taken().len() == 2
    });
    assert_eq!(sink.taken(), ["raised", "resolved"]);
    assert_eq!(store::count_waiting(&database).unwrap(), 0);
}

#[test]
fn a_channel_that_hangs_keeps_no_other_waiting() {
    #[derive(Debug)]
    struct Hanging(Mutex<Receiver<()>>);
    impl AlertSink for Hanging {
        fn take(&self, _: &Message<'_>) -> Result<(), String> {
            let _ = self.0.lock().unwrap().recv();
            Ok(())
        }
    }
    let folder = TempDir::new().unwrap();
    let (dir, database) = open(&folder);
    write(&database, Kind::Raised, &["hanging", "well"]);
    let (release, hold) = mpsc::channel();
    let hanging: Arc<dyn AlertSink> = Arc::new(Hanging(Mutex::new(hold)));
    let well = Stubborn::new(0);
    let channels = vec![
        Channel::new("hanging", ChannelKind::Sink(hanging)).unwrap(),
        channel("well", &well),
    ];
    let (shared, live) = (SharedChannels::new(channels), live());
    let (wake, woken) = mpsc::sync_channel(1);
    let own = Database::open_again(&dir).unwrap();
    let deliverer = thread::spawn(move || deliver(&dir, &own, &shared, &live, &woken));
    while well.taken().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    drop((release, wake));
    deliverer.join().unwrap();
    assert_eq!(store::count_waiting(&database).unwrap(), 0);
}

#[test]
fn what_was_taken_is_not_sent_again_while_nobody_can_write_that_down() {
    let folder = TempDir::new().unwrap();
    let (dir, database) = open(&folder);
    let sink = Stubborn::new(0);
    let channels = [channel("one", &sink)];
    write(&database, Kind::Raised, &["one"]);
    let own = Database::open_again(&dir).unwrap();
    own.connection()
        .pragma_update(None, "query_only", true)
        .unwrap();
    let mut delivery = Delivery::new(&own, &channels[0], "host");
    for _ in 0..5 {
        delivery.deliver_due().unwrap_err();
    }
    assert_eq!(sink.taken(), ["raised"]);
    own.connection()
        .pragma_update(None, "query_only", false)
        .unwrap();
    assert!(delivery.deliver_due().unwrap());
    assert_eq!(sink.taken(), ["raised"]);
    assert_eq!(store::count_waiting(&database).unwrap(), 0);
}

#[test]
fn what_waits_for_a_channel_that_is_gone_is_dropped_once_and_that_is_on_record() {
    let folder = TempDir::new().unwrap();
    let (_, database) = open(&folder);
    write(&database, Kind::Raised, &["gone", "one"]);
    write(&database, Kind::Resolved, &["gone", "one"]);
    for _ in 0..2 {
        let sink = Stubborn::new(0);
        deliver_until(&folder, vec![channel("one", &sink)], || {
            store::count_waiting(&database).unwrap() == 0
        });
    }
    assert_eq!(store::count_dropped(&database).unwrap(), 2);
    let records = audit::list(database.connection(), &Filter::default()).unwrap();
    let dropped: Vec<_> = records
        .iter()
        .filter(|record| record.what.contains("dropped"))
        .map(|record| (record.unit.as_str(), record.level.as_str()))
        .collect();
    assert_eq!(dropped, [("alert", "warning")]);
}
