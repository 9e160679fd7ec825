//! What can be read of a damaged file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::sqlite;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, params_from_iter};

use super::block::checksum;
use super::limits::Limits;
use super::tier::{NUMBERED, parse_key};
use super::{reader, retain, schema, seal};
use crate::codec::BlockReader;

/// Bytes of rows that are written at a time. The log grows to about twice that.
pub(crate) const BATCH_BYTES: u64 = 2 << 20;

/// How much was taken over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    rows: u64,
    /// Rows that are not as they were written.
    damaged: u64,
    /// Rows that the file's cap has no room for.
    crowded: u64,
    /// Tables of which a part cannot be read.
    broken: Vec<&'static str>,
}

impl fmt::Display for Saved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows == 0 && self.damaged == 0 {
            return formatter.write_str("an empty one begun: nothing of it can be read");
        }
        write!(formatter, "{} of its rows were taken over", self.rows)?;
        if self.damaged > 0 {
            write!(formatter, "; {} are damaged", self.damaged)?;
        }
        if self.crowded > 0 {
            write!(
                formatter,
                "; {} are larger than what max_bytes leaves",
                self.crowded
            )?;
        }
        if !self.broken.is_empty() {
            write!(
                formatter,
                "; a part cannot be read of: {}",
                self.broken.join(", ")
            )?;
        }
        Ok(())
    }
}

/// Copies into the empty history `to`, which is the file `path`, what can be read
/// of the file `from`. An error is one of `to`: then the copy is not whole.
pub(crate) fn copy(
    from: &Path,
    to: &Connection,
    path: &Path,
    limits: &Limits,
) -> rusqlite::Result<Saved> {
    let mut saved = Saved::default();
    let Ok(old) = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Ok(saved);
    };
    let mut target = Target {
        to,
        path,
        limits,
        pending_bytes: 0,
    };
    for table in schema::TABLES {
        if !copy_table(&old, &mut target, table, &mut saved)? {
            saved.broken.push(table);
        }
    }
    settle(to)?;
    // What was sealed without a mark that is left.
    let is_block_lost = saved.damaged > 0 || saved.broken.contains(&"block");
    seal::mark_all(to, is_block_lost)?;
    sqlite::checkpoint(to)?;
    Ok(saved)
}

/// Sees to it that no new series is given the number of one whose name was lost
/// while blocks hold its samples, and forgets blocks that no name leads to.
fn settle(to: &Connection) -> rusqlite::Result<()> {
    let known: BTreeSet<u32> = reader::clusters(to)?.into_iter().collect();
    let mut newest = 0;
    let mut nameless = Vec::new();
    let mut take = |data: &[u8]| {
        let keys = BlockReader::open(data).map(|block| block.keys().max());
        newest = newest.max(keys.ok().flatten().unwrap_or(0));
    };
    let mut statement = to.prepare("SELECT id, data FROM block")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        match parse_key(key) {
            Some((_, cluster, _)) if known.contains(&cluster) => {
                take(row.get_ref(1)?.as_blob()?);
            }
            _ => nameless.push(key),
        }
    }
    let mut statement = to.prepare("SELECT data FROM hot")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row.get_ref(0)?.as_blob()?);
    }
    for key in nameless {
        to.prepare_cached("DELETE FROM block WHERE id = ?1")?
            .execute([key])?;
    }
    seal::set_until(to, NUMBERED, newest.into())
}

/// Where the rows go.
struct Target<'a> {
    to: &'a Connection,
    path: &'a Path,
    limits: &'a Limits,
    /// What was written since the last commit.
    pending_bytes: u64,
}

impl Target<'_> {
    /// Writes a row. What is wrong with the row is counted, what is wrong with the
    /// file is an error.
    fn insert(
        &mut self,
        insert: &mut Statement<'_>,
        values: &[Value],
        saved: &mut Saved,
    ) -> rusqlite::Result<()> {
        let bytes = values.iter().map(length).sum();
        if self.pending_bytes + bytes > BATCH_BYTES {
            self.commit()?;
        }
        if self.to.is_autocommit() {
            if !self.make_room(BATCH_BYTES.max(bytes))? {
                saved.crowded += 1;
                return Ok(());
            }
            self.to.execute_batch("BEGIN")?;
        }
        self.pending_bytes += bytes;
        match insert.execute(params_from_iter(values)) {
            Ok(count) => saved.rows += count as u64,
            Err(error) if is_of_row(&error) => saved.damaged += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        self.pending_bytes = 0;
        if !self.to.is_autocommit() {
            self.to.execute_batch("COMMIT")?;
        }
        sqlite::checkpoint(self.to)?;
        if retain::is_disk_low(self.path, self.limits) {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            let why = "less is free on the disk than must stay free; make room";
            return Err(rusqlite::Error::SqliteFailure(full, Some(why.to_owned())));
        }
        Ok(())
    }

    /// Deletes what is oldest where so many bytes do not fit below the cap;
    /// `false`: they do not fit.
    fn make_room(&self, bytes: u64) -> rusqlite::Result<bool> {
        let goal = (retain::room(self.limits) / 100 * 95).saturating_sub(2 * bytes);
        while retain::used_bytes(self.to)? > goal {
            if !retain::evict(self.to, self.limits, now_msec())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn length(value: &Value) -> u64 {
    match value {
        Value::Text(text) => text.len() as u64,
        Value::Blob(blob) => blob.len() as u64,
        _ => 8,
    }
}

/// Whether the row is at fault and not the file it is written to.
fn is_of_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

/// From the front as far as it goes, then from the back; whether that was all.
fn copy_table(
    old: &Connection,
    target: &mut Target<'_>,
    table: &'static str,
    saved: &mut Saved,
) -> rusqlite::Result<bool> {
    let mut is_all = copy_rows(old, target, table, "ASC", saved)?;
    if !is_all {
        copy_rows(old, target, table, "DESC", saved)?;
        is_all = false;
    }
    target.commit()?;
    Ok(is_all)
}

/// `false`: the table cannot be read to its end.
fn copy_rows(
    old: &Connection,
    target: &mut Target<'_>,
    table: &str,
    order: &str,
    saved: &mut Saved,
) -> rusqlite::Result<bool> {
    let number = schema::row_number(table);
    let sql = format!("SELECT {number}, * FROM {table} ORDER BY {number} {order}");
    let Ok(mut statement) = old.prepare(&sql) else {
        return Ok(false);
    };
    let columns: Vec<String> = statement
        .column_names()
        .skip(1)
        .map(str::to_owned)
        .collect();
    // Where the number of a row has a name, it is the first of its columns.
    let has_name = columns
        .first()
        .is_some_and(|first| first == "id" || first == number);
    let skipped = usize::from(has_name);
    let Ok(mut insert) = target.to.prepare(&render_insert(table, &columns, has_name)) else {
        // The damaged file names columns that there are not.
        return Ok(false);
    };
    let Ok(mut rows) = statement.query([]) else {
        return Ok(false);
    };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        };
        let values = (skipped..=columns.len()).map(|index| row.get(index));
        let Ok(values) = values.collect::<rusqlite::Result<Vec<Value>>>() else {
            return Ok(false);
        };
        if table == "block" && !is_whole(&values) {
            saved.damaged += 1;
            continue;
        }
        target.insert(&mut insert, &values, saved)?;
    }
}

fn render_insert(table: &str, columns: &[String], has_name: bool) -> String {
    let names = match has_name {
        true => columns.join(", "),
        false => format!("rowid, {}", columns.join(", ")),
    };
    let marks = vec!["?"; columns.len() + usize::from(!has_name)].join(", ");
    format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})")
}

fn is_whole(values: &[Value]) -> bool {
    match values {
        [Value::Integer(key), Value::Integer(crc), Value::Blob(data)] => {
            i64::from(checksum(*key, data)) == *crc
        }
        _ => false,
    }
}
