//! What a file holds, and as text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use lfs_wrapper_history::exchange::{OtherNames, export};
use lfs_wrapper_history::{BlockReader, Matcher, Reader};
use rusqlite::{Connection, OpenFlags};

use crate::arguments::Arguments;
use crate::usage::mib;
use crate::{Failure, say};

/// One tier: blocks, their bytes, and the values of their rows' first column.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    blocks: u64,
    bytes: u64,
    values: u64,
}

/// The key of a block: tier, cluster, window, part.
const TIER_SHIFT: u32 = 12 + 26 + 20;

fn read_tiers(connection: &Connection) -> Result<BTreeMap<i64, Held>, Failure> {
    let mut tiers: BTreeMap<i64, Held> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT id, data FROM block ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let data: Vec<u8> = row.get(1)?;
        let held = tiers.entry(key >> TIER_SHIFT).or_default();
        held.blocks += 1;
        held.bytes += data.len() as u64;
        let mut reader = BlockReader::open(&data)?;
        let keys: Vec<u32> = reader.keys().collect();
        for key in keys {
            let Some(row) = reader.row(key)? else {
                continue;
            };
            let runs = row.runs()?;
            held.values += runs.iter().map(|run| u64::from(run.len)).sum::<u64>();
        }
    }
    Ok(tiers)
}

pub(crate) fn report(arguments: &Arguments) -> Result<bool, Failure> {
    let path = &arguments.file;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let number = |sql: &str| -> rusqlite::Result<u64> {
        let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    };
    let tiers = read_tiers(&connection)?;
    let series: u64 = arguments.number("series", 2000)?;
    let step_msec: u64 = arguments.number("step-msec", 1000)?;
    let file = file_bytes(path);
    say(&format!(
        "{}: {:.2} MiB on disk, of it samples not in blocks yet {:.2} MiB, names of {} series {:.2} MiB",
        path.display(),
        mib(file),
        mib(number("SELECT coalesce(sum(length(data)), 0) FROM hot")?),
        number("SELECT count(*) FROM series")?,
        mib(number(
            "SELECT coalesce(sum(length(labels)), 0) FROM series"
        )?),
    ))?;
    let steps = [step_msec, 10_000, 60_000, 3_600_000];
    let mut year = 0.0;
    for (tier, held) in &tiers {
        let step = usize::try_from(*tier).ok().and_then(|tier| steps.get(tier));
        let Some(step) = step else { continue };
        let each = held.bytes as f64 / held.values.max(1) as f64;
        let day = each * series as f64 * 86_400_000.0 / *step as f64;
        // Samples, 10 s, 60 s, 1 h, as long as they are kept within a year.
        let days = [14.0, 14.0, 120.0, 365.0];
        let kept = usize::try_from(*tier).map_or(0.0, |tier| days[tier]);
        if *tier > 0 {
            year += day * kept;
        }
        say(&format!(
            "  tier {tier}: {} blocks, {} values, {} bytes: {each:.4} B a value; {series} series give {:.2} MB a day, {:.0} MB in the {kept} days that a year keeps",
            held.blocks,
            held.values,
            held.bytes,
            day / 1e6,
            day * kept / 1e6
        ))?;
    }
    let samples = tiers.get(&0).map_or(0, |held| held.values);
    let raw = tiers.get(&0).map_or(0, |held| held.bytes);
    say(&format!(
        "W5 {} samples: {:.4} B a sample in blocks, {:.4} B of the whole file with its roll-ups; {series} series: {:.1} MB a day (goal < 50), roll-ups of a year {:.0} MB (goal < 1000)",
        samples,
        raw as f64 / samples.max(1) as f64,
        file as f64 / samples.max(1) as f64,
        raw as f64 / samples.max(1) as f64 * series as f64 * 86_400_000.0 / step_msec as f64 / 1e6,
        year / 1e6,
    ))?;
    Ok(true)
}

/// The database and what belongs to it.
pub(crate) fn file_bytes(path: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |found| found.len())
    };
    size("") + size("-wal")
}

pub(crate) fn export_text(arguments: &Arguments) -> Result<bool, Failure> {
    let to = arguments.text("to").ok_or("--to FILE is missing")?;
    let reader = Reader::open(&arguments.file)?;
    let names: Vec<Option<&str>> = match arguments.text("name") {
        None => vec![None],
        Some(name) => vec![Some(name)],
    };
    let mut text = BufWriter::new(File::create(to)?);
    let matchers: Vec<Matcher> = names
        .into_iter()
        .flatten()
        .map(|name| Matcher::equal(lfs_wrapper_history::METRIC_NAME, name))
        .collect();
    let always = (0, i64::MAX / 4);
    let counts = export(&reader, &matchers, always, OtherNames::LeaveOut, &mut text)?;
    say(&format!(
        "exported {} series, {} samples, {} markers left out",
        counts.series, counts.samples, counts.markers_left_out
    ))?;
    Ok(true)
}
