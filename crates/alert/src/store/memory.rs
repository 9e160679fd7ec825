//! What the engine remembers over a restart, and its clock.

use lfs_wrapper_model::Severity;
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::{from_json, to_json};
use crate::engine::Memory;
use crate::rule::Labels;

/// Remembers for the engine, or forgets what is blank.
pub fn write_memory(
    connection: &Connection,
    rule: &str,
    labels: &Labels,
    memory: &Memory,
) -> Result<()> {
    let labels = to_json(labels)?;
    if memory.is_blank() {
        connection.execute(
            "DELETE FROM alert_memory WHERE rule = ?1 AND labels = ?2",
            [rule, &labels],
        )?;
    } else {
        connection.execute(
            "INSERT OR REPLACE INTO alert_memory VALUES (?1, ?2, ?3)",
            [rule, &labels, &to_json(memory)?],
        )?;
    }
    Ok(())
}

/// What the engine remembered when it last ran. What another version wrote and
/// this one cannot read is deleted and noted in the audit log: such an alert
/// is looked at as if for the first time.
pub fn read_memories(database: &Database) -> Result<Vec<(String, Labels, Memory)>> {
    let mut memories = Vec::new();
    let mut bad: Vec<(String, String)> = Vec::new();
    let mut statement = database
        .connection()
        .prepare("SELECT rule, labels, memory FROM alert_memory")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let rule: String = row.get(0)?;
        match (from_json(row, 1), from_json(row, 2)) {
            (Ok(labels), Ok(memory)) => memories.push((rule, labels, memory)),
            _ => bad.push((rule, row.get(1)?)),
        }
    }
    if !bad.is_empty() {
        drop_memories(database, &bad)?;
    }
    Ok(memories)
}

fn drop_memories(database: &Database, bad: &[(String, String)]) -> Result<()> {
    let transaction = database.begin()?;
    for (rule, labels) in bad {
        transaction.execute(
            "DELETE FROM alert_memory WHERE rule = ?1 AND labels = ?2",
            [rule, labels],
        )?;
    }
    let what = format!(
        "{} things that the alert engine remembered dropped, the first of rule '{}': this version \
         cannot read them",
        bad.len(),
        bad[0].0
    );
    let entry = Entry {
        unit: "alert",
        level: Severity::Warning,
        what: &what,
        outcome: "done",
    };
    audit::append(&transaction, &entry)?;
    transaction.commit()
}

/// Writes down what the engine's clock shows, in milliseconds.
pub fn write_clock(connection: &Connection, clock_msec: i64) -> Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO alert_clock (id, msec) VALUES (1, ?1)")?
        .execute([clock_msec])?;
    Ok(())
}

/// What the engine's clock showed when it was last written down.
pub fn read_clock(connection: &Connection) -> Result<Option<i64>> {
    connection
        .query_row("SELECT msec FROM alert_clock", [], |row| row.get(0))
        .optional()
}
