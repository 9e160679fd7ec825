//! All that is known of one moment.

use lfs_wrapper_model::TimeMsec;
use rusqlite::Connection;

use crate::moments::damaged::Damaged;
use crate::moments::events::{EventFilter, MomentEvent, events};
use crate::moments::exit::ExitRecord;
use crate::moments::exits::{ExitFilter, exits};
use crate::moments::frame::{ProcessFrame, Rates, derive_rates};
use crate::moments::processes::processes_at;

/// What ended so long before the moment is near it.
const EXITS_MSEC: i64 = 5_000;

/// No more of them are given; how many there were is said.
const EXITS_MAX: usize = 1_000;

/// What happened so long before or after the moment is near it.
const EVENTS_MSEC: i64 = 60_000;

/// What ran and what happened at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// The process table, at or before the moment.
    pub processes: Option<ProcessFrame>,
    /// What each of its processes did since the frame before; as many as rows,
    /// or none where there is no frame before.
    pub rates: Vec<Rates>,
    /// Processes that ended in the five seconds before.
    pub exits: Vec<ExitRecord>,
    /// How many they were.
    pub exits_count: u64,
    /// What happened in the minute before and the minute after.
    pub events: Vec<MomentEvent>,
    /// What could not be read.
    pub damaged: Vec<Damaged>,
}

/// What ran and what happened at `time_msec`.
pub fn at(connection: &Connection, time_msec: TimeMsec) -> rusqlite::Result<Moment> {
    let found = processes_at(connection, time_msec)?;
    let mut damaged = found.damaged;
    let mut rates = Vec::new();
    if let Some(frame) = &found.value {
        let before = processes_at(connection, frame.time_msec.saturating_sub(1))?;
        if let Some(before) = before.value {
            rates = derive_rates(&before, frame);
        }
        for one in before.damaged {
            if !damaged.contains(&one) {
                damaged.push(one);
            }
        }
    }
    let filter = ExitFilter::between(time_msec.saturating_sub(EXITS_MSEC), time_msec);
    let mut ended = exits(connection, filter);
    let (mut near, mut exits_count) = (Vec::new(), 0);
    for record in ended.by_ref() {
        exits_count += 1;
        let record = record?;
        if near.len() < EXITS_MAX {
            near.push(record);
        }
    }
    damaged.extend_from_slice(ended.damaged());
    let filter = EventFilter::between(
        time_msec.saturating_sub(EVENTS_MSEC),
        time_msec.saturating_add(EVENTS_MSEC),
    );
    Ok(Moment {
        processes: found.value,
        rates,
        exits: near,
        exits_count,
        events: events(connection, &filter)?,
        damaged,
    })
}
