//! What remote write reads, and how far it has got.

use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use rusqlite::{OptionalExtension as _, params};

use super::history::History;
use super::reader::Reader;
use super::tier::{DELETED, TIERS, parse_key};
use super::window::{WINDOW_MSEC, Window, window_start};
use crate::labels::Labels;
use crate::remote::{Feed, Position, Positions, Raw, cut};
use crate::source::{Metadata, ReadError, Source, Stretch};

/// Windows that are read for one batch where no series is wanted.
const WINDOWS_MAX: usize = 16;

impl Feed for Reader {
    fn durable_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        self.durable_msec()
    }

    fn deleted_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        self.with(|connection| super::reader::read_until(connection, DELETED))
    }

    fn raw(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        samples_max: usize,
        keep: &dyn Fn(&Labels) -> bool,
    ) -> Result<Raw, ReadError> {
        let nothing = |until_msec| Raw {
            until_msec,
            series: Vec::new(),
        };
        // After an outage there may be days: one window at a time, and of those
        // without samples none. Whoever asks looks after some whether to go on.
        let mut after = after_msec;
        for _ in 0..WINDOWS_MAX {
            let Some(next) = self.next_window(after)?.filter(|next| *next < until_msec) else {
                return Ok(nothing(until_msec));
            };
            let start = after.max(next);
            let mut end = (next + WINDOW_MSEC).min(until_msec);
            let series = loop {
                match self.read_raw(start, end, keep) {
                    // Memory has room for less of so many series.
                    Err(ReadError::TooMuch { .. }) if end - start > 1 => {
                        end = start + (end - start) / 2;
                    }
                    read => break read?,
                }
            };
            if end == until_msec || !series.is_empty() {
                return Ok(cut(series, start, end, samples_max));
            }
            after = end;
        }
        Ok(nothing(after))
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Source::metadata(self)
    }
}

impl Reader {
    /// The start of the first window that may have samples after a time.
    fn next_window(&self, after_msec: TimeMsec) -> Result<Option<TimeMsec>, ReadError> {
        let first = window_start(after_msec.saturating_add(1).max(1), WINDOW_MSEC);
        // Memory first: what becomes a block meanwhile is then there twice.
        let open = self.with_windows(|windows, _| {
            let later = |window: &&&Window| window.newest_msec() > Some(after_msec);
            let starts = windows.iter().filter(later).map(|window| window.start_msec);
            starts.min().map(|start_msec| start_msec.max(first))
        })?;
        let sealed = self.with(|connection| {
            let mut sealed: Option<TimeMsec> = None;
            for cluster in super::reader::clusters(connection)? {
                let id: Option<i64> = connection
                    .prepare_cached("SELECT min(id) FROM block WHERE id BETWEEN ?1 AND ?2")?
                    .query_row(TIERS[0].keys(cluster, first, TimeMsec::MAX), |row| {
                        row.get(0)
                    })?;
                let start = id.and_then(parse_key).map(|key| key.2);
                sealed = [sealed, start].into_iter().flatten().min();
            }
            Ok(sealed)
        })?;
        Ok([sealed, open].into_iter().flatten().min())
    }

    fn read_raw(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        keep: &dyn Fn(&Labels) -> bool,
    ) -> Result<Vec<(Labels, Stretch)>, ReadError> {
        let mut series = Vec::new();
        for mut selected in self.select_samples(after_msec, until_msec)? {
            if !keep(&selected.labels) {
                continue;
            }
            let (mut whole, mut piece) = (Stretch::default(), Stretch::default());
            while selected.samples.next(&mut piece)? {
                whole.times.append(&mut piece.times);
                whole.values.append(&mut piece.values);
            }
            if !whole.times.is_empty() {
                series.push((selected.labels, whole));
            }
        }
        Ok(series)
    }
}

impl Positions for History {
    fn load(&self, endpoint: &str) -> Result<Option<Position>, ReadError> {
        self.with_connection(|connection| {
            connection
                .prepare_cached("SELECT sent_msec, offered_msec FROM remote WHERE endpoint = ?1")?
                .query_row([endpoint], |row| {
                    Ok(Position {
                        sent_until_msec: row.get(0)?,
                        offered_until_msec: row.get(1)?,
                    })
                })
                .optional()
        })
    }

    fn save(&self, endpoint: &str, position: Position) -> Result<(), ReadError> {
        self.with_connection(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO remote VALUES (?1, ?2, ?3)")?
                .execute(params![
                    endpoint,
                    position.sent_until_msec,
                    position.offered_until_msec
                ])
                .map(|_| ())
        })
    }
}

impl Positions for Arc<History> {
    fn load(&self, endpoint: &str) -> Result<Option<Position>, ReadError> {
        History::load(self, endpoint)
    }

    fn save(&self, endpoint: &str, position: Position) -> Result<(), ReadError> {
        History::save(self, endpoint, position)
    }
}
