//! What can be read of a damaged file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::block::checksum;
use super::tier::{NUMBERED, parse_key};
use super::{reader, schema, seal};
use crate::codec::BlockReader;

/// How much was taken over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    rows: u64,
    /// Rows whose checksum is wrong.
    damaged: u64,
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

/// Copies into the empty history `to` what can be read of the file `from`.
pub(crate) fn copy(from: &Path, to: &Connection) -> Saved {
    let mut saved = Saved::default();
    let Ok(old) = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return saved;
    };
    for table in schema::TABLES {
        if copy_table(&old, to, table, &mut saved).is_err() {
            saved.broken.push(table);
        }
    }
    let _ = settle(to);
    // What was sealed without a mark that is left.
    let _ = seal::mark_all(to);
    saved
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

/// From the front as far as it goes, then from the back.
fn copy_table(
    old: &Connection,
    to: &Connection,
    table: &'static str,
    saved: &mut Saved,
) -> rusqlite::Result<()> {
    let transaction = to.unchecked_transaction()?;
    let front = copy_rows(old, &transaction, table, "ASC", saved);
    let back = match front {
        Ok(()) => Ok(()),
        Err(_) => copy_rows(old, &transaction, table, "DESC", saved),
    };
    transaction.commit()?;
    front.and(back)
}

fn copy_rows(
    old: &Connection,
    to: &Connection,
    table: &str,
    order: &str,
    saved: &mut Saved,
) -> rusqlite::Result<()> {
    let number = schema::row_number(table);
    let mut statement = old.prepare(&format!(
        "SELECT {number}, * FROM {table} ORDER BY {number} {order}"
    ))?;
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
    let names = if has_name {
        columns.join(", ")
    } else {
        format!("rowid, {}", columns.join(", "))
    };
    let marks = vec!["?"; columns.len() + 1 - skipped].join(", ");
    let sql = format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})");
    let mut insert = to.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<Value>> = (skipped..=columns.len())
            .map(|index| row.get(index))
            .collect();
        let values = values?;
        if table == "block" && !is_whole(&values) {
            saved.damaged += 1;
            continue;
        }
        match insert.execute(params_from_iter(values)) {
            Ok(count) => saved.rows += count as u64,
            Err(_) => saved.damaged += 1,
        }
    }
    Ok(())
}

fn is_whole(values: &[Value]) -> bool {
    match values {
        [Value::Integer(key), Value::Integer(crc), Value::Blob(data)] => {
            i64::from(checksum(*key, data)) == *crc
        }
        _ => false,
    }
}
