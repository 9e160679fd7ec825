//! What happened: alerts, builds and the monitor itself, on the clock of the
//! samples.

use std::fmt;

use lfs_wrapper_model::{Severity, TimeMsec};
use rusqlite::{Connection, Row, Transaction, params};

/// Longer texts are cut.
const TEXT_BYTES_MAX: usize = 4096;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An alert was raised, became worse or better, or ended.
    Alert,
    /// A run began.
    RunStarted,
    /// A run ended.
    RunEnded,
    /// A step began.
    StepStarted,
    /// A step ended.
    StepEnded,
    /// The monitor began.
    MonitorStarted,
    /// The monitor ended.
    MonitorStopped,
    /// The wall clock was set.
    ClockStepped,
    /// Something was not kept.
    Lost,
    /// A kind that this program does not know.
    Other,
}

impl EventKind {
    /// All that this program writes.
    pub const ALL: [Self; 9] = [
        Self::Alert,
        Self::RunStarted,
        Self::RunEnded,
        Self::StepStarted,
        Self::StepEnded,
        Self::MonitorStarted,
        Self::MonitorStopped,
        Self::ClockStepped,
        Self::Lost,
    ];

    /// As it is kept and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::RunStarted => "run-started",
            Self::RunEnded => "run-ended",
            Self::StepStarted => "step-started",
            Self::StepEnded => "step-ended",
            Self::MonitorStarted => "monitor-started",
            Self::MonitorStopped => "monitor-stopped",
            Self::ClockStepped => "clock-stepped",
            Self::Lost => "lost",
            Self::Other => "other",
        }
    }

    fn parse(text: &str) -> Self {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.unwrap_or(Self::Other)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomentEvent {
    /// When.
    pub time_msec: TimeMsec,
    /// What kind of thing.
    pub kind: EventKind,
    /// How bad it is.
    pub severity: Severity,
    /// The run it is about.
    pub run: Option<i64>,
    /// The step it is about.
    pub step: Option<String>,
    /// What it is about: a rule and its labels, a plan, a part of the program.
    pub subject: String,
    /// What happened, in a sentence.
    pub text: String,
}

/// Writes an event down, unless it is there already: what is told twice happened
/// once.
pub fn append_event(transaction: &Transaction<'_>, event: &MomentEvent) -> rusqlite::Result<()> {
    let MomentEvent {
        time_msec,
        kind,
        severity,
        run,
        step,
        subject,
        text,
    } = event;
    let (kind, severity) = (kind.as_str(), severity.as_str());
    transaction
        .prepare_cached(
            "INSERT INTO event (time_msec, kind, severity, run, step, subject, text) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM event \
             WHERE time_msec = ?1 AND kind = ?2 AND run IS ?4 AND step IS ?5 \
             AND subject = ?6 AND text = ?7)",
        )?
        .execute(params![
            time_msec,
            kind,
            severity,
            run,
            step,
            cut(subject),
            cut(text)
        ])?;
    Ok(())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Which events are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// From here on, inclusive.
    pub from_msec: TimeMsec,
    /// Up to here, inclusive.
    pub to_msec: TimeMsec,
    /// Only of these kinds; of all where it is empty.
    pub kinds: Vec<EventKind>,
    /// The newest so many of them.
    pub limit: usize,
}

impl EventFilter {
    /// All between two moments.
    pub const fn between(from_msec: TimeMsec, to_msec: TimeMsec) -> Self {
        Self {
            from_msec,
            to_msec,
            kinds: Vec::new(),
            limit: 10_000,
        }
    }
}

/// The events that are meant, oldest first.
pub fn events(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<MomentEvent>> {
    let mut statement = connection.prepare_cached(
        "SELECT time_msec, kind, severity, run, step, subject, text FROM event \
         WHERE time_msec BETWEEN ?1 AND ?2 ORDER BY time_msec DESC, id DESC",
    )?;
    let mut rows = statement.query((filter.from_msec, filter.to_msec))?;
    let mut found = Vec::new();
    while found.len() < filter.limit {
        let Some(row) = rows.next()? else {
            break;
        };
        let event = read_event(row)?;
        if filter.kinds.is_empty() || filter.kinds.contains(&event.kind) {
            found.push(event);
        }
    }
    found.reverse();
    Ok(found)
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<MomentEvent> {
    let severity = row.get_ref(2)?.as_str()?.parse();
    Ok(MomentEvent {
        time_msec: row.get(0)?,
        kind: EventKind::parse(row.get_ref(1)?.as_str()?),
        // Of a newer program: at least it is seen.
        severity: severity.unwrap_or(Severity::Warning),
        run: row.get(3)?,
        step: row.get(4)?,
        subject: row.get(5)?,
        text: row.get(6)?,
    })
}
