//! Processes that ended: kept in batches, read by time, run and step.

use std::collections::{BTreeMap, VecDeque};

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::codec::Damage;
use crate::moments::damaged::Damaged;
use crate::moments::exit::{ExitRecord, decode_exits, encode_exits};

/// Records that may wait to be written; beyond that they are dropped and
/// counted.
const WAITING_MAX: usize = 50_000;

/// Records that make a block, and the most that are in one.
const BLOCK_EXITS_MIN: usize = 8192;
const BLOCK_EXITS_MAX: usize = 2 * BLOCK_EXITS_MIN;

/// After so long, what has come becomes a block, however little it is.
const BLOCK_MSEC: i64 = 600_000;

const HOT_LEVEL: i32 = 1;
const BLOCK_LEVEL: i32 = 15;

/// Takes records in, and writes them down every few seconds.
#[derive(Debug, Default)]
pub struct ExitRecorder {
    waiting: Vec<ExitRecord>,
    counts: ExitCounts,
}

/// What was kept and what was not, since the recorder was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitCounts {
    /// Records that were taken in.
    pub exits: u64,
    /// Records that could not be written.
    pub lost: u64,
}

impl ExitRecorder {
    /// Takes a record in.
    pub fn append(&mut self, record: ExitRecord) {
        self.counts.exits += 1;
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(record);
        } else {
            self.counts.lost += 1;
        }
    }

    /// Writes down what was taken in, and makes a block of what has been
    /// written where it is enough or old enough. When the transaction is
    /// committed, [`Self::committed`] must be called; when it is not, the next
    /// call writes the same again.
    pub fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Damaged>> {
        if !self.waiting.is_empty() {
            insert(transaction, "exit_hot", &mut self.waiting, HOT_LEVEL)?;
        }
        let mut statement = transaction.prepare_cached(
            "SELECT ifnull(sum(exits), 0), min(end_msec), max(end_msec) FROM exit_hot",
        )?;
        let (exits, oldest, newest): (i64, Option<TimeMsec>, Option<TimeMsec>) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let is_enough = usize::try_from(exits).is_ok_and(|exits| exits >= BLOCK_EXITS_MIN);
        let age = newest.zip(oldest);
        let is_old =
            age.is_some_and(|(newest, oldest)| newest.saturating_sub(oldest) >= BLOCK_MSEC);
        if is_enough || is_old {
            return seal(transaction);
        }
        Ok(Vec::new())
    }

    /// What was written is on disk.
    pub fn committed(&mut self) {
        self.waiting.clear();
        // A burst leaves no room behind that nobody needs.
        self.waiting.shrink_to(1024);
    }

    /// What was kept and what was not.
    pub const fn counts(&self) -> ExitCounts {
        self.counts
    }
}

fn refusal(why: &Damage) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.0.into())
}

fn insert(
    transaction: &Transaction<'_>,
    table: &str,
    records: &mut [ExitRecord],
    level: i32,
) -> rusqlite::Result<i64> {
    let bytes = encode_exits(records, level).map_err(|why| refusal(&why))?;
    let ends = records.first().zip(records.last());
    let (first, last) = ends.map_or((0, 0), |(first, last)| (first.end_msec, last.end_msec));
    let text =
        format!("INSERT INTO {table} (start_msec, end_msec, exits, bytes) VALUES (?1, ?2, ?3, ?4)");
    let exits = i64::try_from(records.len()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(&text)?
        .execute(params![first, last, exits, bytes])?;
    Ok(transaction.last_insert_rowid())
}

/// Turns all batches into blocks.
fn seal(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Damaged>> {
    let mut damaged = Vec::new();
    let mut records = Vec::new();
    {
        let mut statement =
            transaction.prepare_cached("SELECT id, end_msec, bytes FROM exit_hot")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            match decode_exits(row.get_ref(2)?.as_blob()?) {
                Ok(more) => records.extend(more),
                Err(why) => {
                    let when_msec: TimeMsec = row.get(1)?;
                    damaged.push(Damaged::new("exit_hot", row.get(0)?, when_msec, &why));
                }
            }
        }
    }
    records.sort_by_key(|record| record.end_msec);
    for piece in records.chunks_mut(BLOCK_EXITS_MAX) {
        let block = insert(transaction, "exit_block", piece, BLOCK_LEVEL)?;
        let mut steps: BTreeMap<_, i64> = BTreeMap::new();
        for step in piece.iter().filter_map(|record| record.step.as_ref()) {
            *steps.entry(step).or_default() += 1;
        }
        for (step, exits) in steps {
            transaction
                .prepare_cached("INSERT INTO exit_step VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![step.run, step.id, block, exits])?;
        }
    }
    transaction.execute("DELETE FROM exit_hot", [])?;
    Ok(damaged)
}

/// Which processes that ended are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitFilter {
    /// Those that ended from here on, inclusive.
    pub from_msec: TimeMsec,
    /// Those that ended up to here, inclusive.
    pub to_msec: TimeMsec,
    /// Only those of this run.
    pub run: Option<i64>,
    /// Only those of this step.
    pub step: Option<String>,
}

impl ExitFilter {
    /// All that ended between two moments.
    pub const fn between(from_msec: TimeMsec, to_msec: TimeMsec) -> Self {
        Self {
            from_msec,
            to_msec,
            run: None,
            step: None,
        }
    }

    fn takes(&self, record: &ExitRecord) -> bool {
        let step = record.step.as_deref();
        (self.from_msec..=self.to_msec).contains(&record.end_msec)
            && self
                .run
                .is_none_or(|run| step.is_some_and(|step| step.run == run))
            && self
                .step
                .as_ref()
                .is_none_or(|id| step.is_some_and(|step| step.id == *id))
    }
}

/// The processes that ended, block by block; those of one block by their ends.
pub const fn exits(connection: &Connection, filter: ExitFilter) -> Exits<'_> {
    Exits {
        connection,
        filter,
        place: (i64::MIN, i64::MIN),
        hot_id: i64::MIN,
        is_hot: false,
        records: VecDeque::new(),
        damaged: Vec::new(),
    }
}

/// Processes that ended, read one block at a time.
#[derive(Debug)]
pub struct Exits<'a> {
    connection: &'a Connection,
    filter: ExitFilter,
    /// The end and id of the block that was read last.
    place: (TimeMsec, i64),
    hot_id: i64,
    is_hot: bool,
    records: VecDeque<ExitRecord>,
    damaged: Vec<Damaged>,
}

impl Exits<'_> {
    /// What could not be read so far.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    fn read_next(&mut self) -> rusqlite::Result<Option<ExitRecord>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            let is_read = if self.is_hot {
                self.read_hot()?
            } else {
                self.read_block()?
            };
            match (is_read, self.is_hot) {
                (true, _) => {}
                (false, false) => self.is_hot = true,
                (false, true) => return Ok(None),
            }
        }
    }

    fn read_block(&mut self) -> rusqlite::Result<bool> {
        const ALL: &str = "SELECT end_msec, id, bytes FROM exit_block \
            WHERE (end_msec, id) > (?1, ?2) AND end_msec >= ?3 AND start_msec <= ?4 \
            AND ((?5 IS NULL AND ?6 IS NULL) OR EXISTS (SELECT 1 FROM exit_step \
            WHERE block = id AND (?5 IS NULL OR run = ?5) AND (?6 IS NULL OR step = ?6))) \
            ORDER BY end_msec, id LIMIT 1";
        let ExitFilter {
            from_msec,
            to_msec,
            run,
            step,
        } = &self.filter;
        let (end_msec, id) = self.place;
        let mut statement = self.connection.prepare_cached(ALL)?;
        let key = params![end_msec, id, from_msec, to_msec, run, step];
        let row = statement.query_row(key, |row| {
            let records = decode_exits(row.get_ref(2)?.as_blob()?);
            Ok(((row.get(0)?, row.get(1)?), records))
        });
        let Some((place, records)) = row.optional()? else {
            return Ok(false);
        };
        self.place = place;
        self.take("exit_block", place.1, place.0, records);
        Ok(true)
    }

    fn read_hot(&mut self) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare_cached(
            "SELECT end_msec, id, bytes FROM exit_hot \
             WHERE id > ?1 AND end_msec >= ?2 AND start_msec <= ?3 ORDER BY id LIMIT 1",
        )?;
        let key = (self.hot_id, self.filter.from_msec, self.filter.to_msec);
        let row = statement.query_row(key, |row| {
            let records = decode_exits(row.get_ref(2)?.as_blob()?);
            Ok((row.get(0)?, row.get(1)?, records))
        });
        let Some((end_msec, id, records)): Option<(TimeMsec, i64, _)> = row.optional()? else {
            return Ok(false);
        };
        self.hot_id = id;
        self.take("exit_hot", id, end_msec, records);
        Ok(true)
    }

    fn take(
        &mut self,
        table: &str,
        id: i64,
        end_msec: TimeMsec,
        records: Result<Vec<ExitRecord>, Damage>,
    ) {
        match records {
            Ok(records) => {
                let filter = &self.filter;
                let wanted = records.into_iter().filter(|record| filter.takes(record));
                self.records.extend(wanted);
            }
            Err(why) => self.damaged.push(Damaged::new(table, id, end_msec, &why)),
        }
    }
}

impl Iterator for Exits<'_> {
    type Item = rusqlite::Result<ExitRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().transpose()
    }
}
