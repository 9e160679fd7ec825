//! Files of the forms 1 and 2: a row for each moment, with all values.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lfs_wrapper_model::metric::parse_exposition;
use rusqlite::{Connection, OpenFlags};

use super::dictionary::Dictionary;
use super::frame::{Entry, Group, Part};
use super::limits::{Counts, Limits};
use super::open::with_suffix;
use super::window::{WINDOW_MSEC, Window, window_start};
use super::{retain, schema, seal};
use crate::labels::{Labels, METRIC_NAME};

/// Brings the file `path` to this form; says what was done. A crash leaves
/// either form.
pub(crate) fn upgrade(path: &Path, limits: &Limits) -> rusqlite::Result<String> {
    let new_path = with_suffix(path, ".new");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(with_suffix(&new_path, suffix));
    }
    let new = Connection::open(&new_path)?;
    new.pragma_update(None, "auto_vacuum", "incremental")?;
    schema::create(&new)?;
    let old = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let moments = copy(&old, &new, limits)?;
    old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop((old, new));
    let rename = || -> std::io::Result<()> {
        fs::File::open(&new_path)?.sync_all()?;
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(with_suffix(path, suffix));
        }
        fs::rename(&new_path, path)
    };
    rename().map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(format!(
        "the history {} was brought to a newer form: {moments} moments",
        path.display()
    ))
}

fn copy(old: &Connection, new: &Connection, limits: &Limits) -> rusqlite::Result<u64> {
    let version: i32 = old.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let has_text = version < 2;
    let sql = match has_text {
        true => "SELECT time_msec, layout, samples, NULL, NULL FROM frame ORDER BY time_msec",
        false => {
            "SELECT time_msec, layout, samples, process_layout, process_samples FROM frame ORDER BY time_msec"
        }
    };
    let mut statement = old.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut layouts: HashMap<i64, Arc<[Entry]>> = HashMap::new();
    let mut layout = |id: i64| -> rusqlite::Result<Arc<[Entry]>> {
        if let Some(entries) = layouts.get(&id) {
            return Ok(Arc::clone(entries));
        }
        let entries: Arc<[Entry]> = read_layout(old, id, has_text)?
            .iter()
            .map(|text| parse_series(text))
            .collect();
        layouts.insert(id, Arc::clone(&entries));
        Ok(entries)
    };
    let counts = Counts::default();
    let transaction = new.unchecked_transaction()?;
    let mut dictionary = Dictionary::load(&transaction)?;
    let mut open: Option<Window> = None;
    let mut moments = 0;
    let mut finish = |window: &Window| {
        seal::write(
            &transaction,
            &mut dictionary,
            window,
            retain::day(window.start_msec + 1),
            false,
        )
        .map(|_| ())
    };
    while let Some(row) = rows.next()? {
        let time: i64 = row.get(0)?;
        let start = window_start(time, WINDOW_MSEC);
        let mut window = match open.take() {
            Some(window) if window.takes(time) => window,
            Some(window) => {
                finish(&window)?;
                window.go_on(start)
            }
            None => Window::new(start, 0),
        };
        for (group, id, samples) in [(Group::Machine, 1, 2), (Group::Processes, 3, 4)] {
            if let Some(id) = row.get(id)? {
                let values = parse_samples(row.get_ref(samples)?.as_blob()?);
                let part = Part {
                    group,
                    entries: layout(id)?,
                    values,
                };
                window.push(time, &part, limits, &counts);
            }
        }
        moments += 1;
        open = Some(window);
    }
    if let Some(window) = open {
        finish(&window)?;
    }
    transaction.commit()?;
    Ok(moments)
}

fn read_layout(connection: &Connection, id: i64, has_text: bool) -> rusqlite::Result<Vec<String>> {
    if has_text {
        let text: String =
            connection.query_row("SELECT series FROM layout WHERE id = ?1", [id], |row| {
                row.get(0)
            })?;
        return Ok(text.split('\n').map(str::to_owned).collect());
    }
    let ids: Vec<u8> =
        connection.query_row("SELECT series FROM layout WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
    let (ids, _) = ids.as_chunks::<4>();
    let mut statement = connection.prepare_cached("SELECT text FROM series WHERE id = ?1")?;
    let texts = ids
        .iter()
        .map(|id| statement.query_row([u32::from_le_bytes(*id)], |row| row.get(0)));
    texts.collect()
}

/// The series that is written so. These forms did not say what kind of value
/// it has.
fn parse_series(text: &str) -> Entry {
    let line = format!("{text} 0\n");
    let points = parse_exposition(line.as_bytes(), 1).unwrap_or_default();
    match points.into_iter().next() {
        Some(point) => {
            let labels = point
                .labels
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value));
            let name = (METRIC_NAME.to_owned(), point.metric.name().to_owned());
            Entry {
                labels: labels.chain([name]).collect(),
                metric: point.metric,
            }
        }
        None => {
            let found = lfs_wrapper_model::metric::FoundMetric {
                name: text.to_owned(),
                kind: lfs_wrapper_model::metric::MetricKind::Untyped,
                help: String::new(),
            };
            Entry {
                labels: Labels::new([(METRIC_NAME.to_owned(), text.to_owned())]),
                metric: found.into(),
            }
        }
    }
}

fn parse_samples(bytes: &[u8]) -> Vec<f64> {
    let (samples, _) = bytes.as_chunks::<8>();
    samples
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect()
}
