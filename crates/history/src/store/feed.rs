//! What remote write reads, and how far it has got.

use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use rusqlite::{OptionalExtension as _, params};

use super::history::History;
use super::reader::Reader;
use super::tier::DELETED;
use super::window::WINDOW_MSEC;
use crate::labels::Labels;
use crate::remote::{Feed, Position, Positions, Raw, cut};
use crate::source::{Metadata, ReadError, Source, Stretch};

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
        let nothing = || Raw {
            until_msec,
            series: Vec::new(),
        };
        let Some(oldest) = self.oldest_msec()? else {
            return Ok(nothing());
        };
        // After an outage there may be days: one window at a time.
        let mut after = after_msec.max(oldest - 1);
        let mut length_msec = WINDOW_MSEC;
        while after < until_msec {
            let end = (after + length_msec).min(until_msec);
            let series = match self.read_raw(after, end, keep) {
                // Memory has room for less of so many series.
                Err(ReadError::TooMuch { .. }) if end - after > 1 => {
                    length_msec = (end - after) / 2;
                    continue;
                }
                read => read?,
            };
            let is_all = end == until_msec;
            if is_all || !series.is_empty() {
                let raw = cut(series, after, end, samples_max);
                return Ok(raw);
            }
            after = end;
        }
        Ok(nothing())
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Source::metadata(self)
    }
}

impl Reader {
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
