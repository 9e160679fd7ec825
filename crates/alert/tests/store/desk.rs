//! A state database in a folder of its own, and short words for what is done
//! with it.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::route::{GroupBy, Plan, Route, Routing};
use lfs_wrapper_alert::store::{self, Batch, Change, Labels};
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Filter};
use lfs_wrapper_state::{Database, StateDir};
use tempfile::TempDir;

pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    pub(crate) routing: Routing,
}

pub(crate) fn open(folder: &TempDir) -> Database {
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    Database::open(&dir).unwrap()
}

/// Each alert a message of its own, and no waiting.
pub(crate) fn plain(channels: &[&str]) -> Routing {
    let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
    let route = Route {
        channels: channels.clone(),
        group_by: GroupBy::Alert,
        interval_msec: 0,
        ..Route::default()
    };
    Routing {
        routes: vec![route],
        ..Routing::new(channels)
    }
}

pub(crate) fn write(
    database: &Database,
    routing: &Routing,
    (rule, kind, severity): (&str, Kind, Severity),
    time_msec: i64,
) -> Plan {
    let labels: Labels = [("mountpoint".to_owned(), "/".to_owned())].into();
    let message = format!("{rule} is at 86 %");
    let change = Change {
        rule,
        labels: &labels,
        kind,
        severity,
        value: Some(86.0),
        threshold: Some(85.0),
        message: &message,
        runbook: "Make room.",
        annotations: &[("team".to_owned(), "a".to_owned())].into(),
        time_msec,
    };
    let transaction = database.begin().unwrap();
    store::write_change(&transaction, &change).unwrap();
    let plan = store::tell(&transaction, routing, time_msec, &TimeZone::UTC).unwrap();
    transaction.commit().unwrap();
    plan
}

impl Desk {
    pub(crate) fn new(routing: Routing) -> Self {
        let folder = TempDir::new().unwrap();
        let database = open(&folder);
        Self {
            folder,
            database,
            routing,
        }
    }

    /// A warning of the rule; and it is told.
    pub(crate) fn write(&self, rule: &str, kind: Kind, time_msec: i64) -> Plan {
        let what = (rule, kind, Severity::Warning);
        write(&self.database, &self.routing, what, time_msec)
    }

    /// As after a restart.
    pub(crate) fn reopen(&mut self) {
        self.database = open(&self.folder);
    }

    pub(crate) fn next(&self, now_msec: i64) -> Vec<Batch> {
        store::next_batches(&self.database, now_msec, |_| true).unwrap()
    }

    /// What is next for each channel, in words.
    pub(crate) fn due(&self, now_msec: i64) -> Vec<String> {
        self.next(now_msec).iter().map(render).collect()
    }

    pub(crate) fn send(&self, now_msec: i64) {
        for batch in self.next(now_msec) {
            store::set_sent(&self.database, &batch, now_msec).unwrap();
        }
    }

    /// Texts in the audit log that have `part` in them.
    pub(crate) fn audited(&self, part: &str) -> Vec<String> {
        let records = audit::list(self.database.connection(), &Filter::default()).unwrap();
        let texts = records.into_iter().map(|record| record.what);
        texts.filter(|text| text.contains(part)).collect()
    }
}

/// `CHANNEL: RULE KIND, RULE KIND`.
pub(crate) fn render(batch: &Batch) -> String {
    let one = |one: &store::Notification| format!("{} {}", one.rule, one.kind.as_str());
    let all: Vec<String> = batch.notifications.iter().map(one).collect();
    format!("{}: {}", batch.channel, all.join(", "))
}
