//! The audit log: who changed what, when, with which outcome. Each record's
//! hash covers the record and the hash of the one before, so that a record
//! that was changed, removed from the middle or put in between is found.
//! Records cut off the end are not: nothing outside the chain remembers its
//! length.

use lfs_wrapper_model::{Severity, TimeMsec, now_msec};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// One thing that was done.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The part of the program: `monitor`, `build`, `alert`, `config`, ….
    pub unit: &'a str,
    /// How much it matters.
    pub level: Severity,
    /// What was done, to what.
    pub what: &'a str,
    /// `done`, or what went wrong.
    pub outcome: &'a str,
}

/// An entry as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1 without gaps.
    pub seq: i64,
    /// When it was written.
    pub time_msec: TimeMsec,
    /// The user and the process: `uid=0 pid=4711`.
    pub who: String,
    /// The part of the program.
    pub unit: String,
    /// How much it matters.
    pub level: String,
    /// What was done, to what.
    pub what: String,
    /// `done`, or what went wrong.
    pub outcome: String,
    hash: Vec<u8>,
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only records from this time on.
    pub since_msec: Option<TimeMsec>,
    /// Only records at this level or above.
    pub level: Option<Severity>,
    /// Only records of this part of the program.
    pub unit: Option<String>,
}

/// What a look at the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record's hash holds.
    Intact {
        /// How many records there are.
        records: i64,
    },
    /// The chain breaks.
    Broken {
        /// At this record.
        seq: i64,
        /// In this way.
        why: &'static str,
    },
}

/// Appends one record, within the caller's transaction if there is one. A
/// caller without a transaction must not run beside another writer.
pub fn append(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let last = connection
        .query_row(
            "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )
        .optional()?;
    let (last_seq, last_hash) = last.unwrap_or_default();
    let mut record = Record {
        seq: last_seq + 1,
        time_msec: now_msec(),
        who: format!(
            "uid={} pid={}",
            rustix::process::getuid().as_raw(),
            std::process::id()
        ),
        unit: entry.unit.to_owned(),
        level: entry.level.to_string(),
        what: entry.what.to_owned(),
        outcome: entry.outcome.to_owned(),
        hash: Vec::new(),
    };
    record.hash = record.chain(&last_hash);
    connection.execute(
        "INSERT INTO audit (seq, time_msec, who, unit, level, what, outcome, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            record.seq,
            record.time_msec,
            record.who,
            record.unit,
            record.level,
            record.what,
            record.outcome,
            record.hash
        ],
    )?;
    Ok(())
}

/// The records that pass `filter`, oldest first.
pub fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Record>> {
    let level = filter.level.unwrap_or(Severity::Info);
    connection
        .prepare(
            "SELECT seq, time_msec, who, unit, level, what, outcome, hash FROM audit \
             WHERE time_msec >= ?1 AND (?2 IS NULL OR unit = ?2) ORDER BY seq",
        )?
        .query_map(
            params![filter.since_msec.unwrap_or(i64::MIN), filter.unit],
            Record::from_row,
        )?
        .filter(|record| match record {
            Ok(record) => record
                .level
                .parse()
                .map_or(true, |found: Severity| found >= level),
            Err(_) => true,
        })
        .collect()
}

/// Computes every hash again, from the first record to the last.
pub fn verify(connection: &Connection) -> rusqlite::Result<Verdict> {
    let mut statement = connection.prepare(
        "SELECT seq, time_msec, who, unit, level, what, outcome, hash FROM audit ORDER BY seq",
    )?;
    let mut before = Vec::new();
    let mut records = 0;
    for record in statement.query_map([], Record::from_row)? {
        let record = record?;
        let why = if record.seq != records + 1 {
            "the records before it are missing"
        } else if record.hash != record.chain(&before) {
            "its hash does not match: it, or the one before, was changed"
        } else {
            records += 1;
            before = record.hash;
            continue;
        };
        return Ok(Verdict::Broken {
            seq: record.seq,
            why,
        });
    }
    Ok(Verdict::Intact { records })
}

impl Record {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            time_msec: row.get(1)?,
            who: row.get(2)?,
            unit: row.get(3)?,
            level: row.get(4)?,
            what: row.get(5)?,
            outcome: row.get(6)?,
            hash: row.get(7)?,
        })
    }

    /// BLAKE3 over a name for the format, the hash before, and every field
    /// with its length: docs/formats/audit.md.
    fn chain(&self, hash_before: &[u8]) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        let seq = self.seq.to_le_bytes();
        let time = self.time_msec.to_le_bytes();
        let fields: [&[u8]; 9] = [
            b"lfs-wrapper audit 1",
            hash_before,
            &seq,
            &time,
            self.who.as_bytes(),
            self.unit.as_bytes(),
            self.level.as_bytes(),
            self.what.as_bytes(),
            self.outcome.as_bytes(),
        ];
        for field in fields {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        hasher.finalize().as_bytes().to_vec()
    }
}
