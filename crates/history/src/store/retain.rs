//! What is kept, for how long, and what goes when room is needed.

use std::fs;
use std::path::Path;

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, params};

use super::limits::Limits;
use super::open::with_suffix;
use super::reader::{clusters, read_oldest};
use super::seal;
use super::tier::{DELETED, NUMBERED, TIERS, Tier};
use crate::moments::MomentKind;

/// The least and the most of what the history may use that is left to the
/// write-ahead log; otherwise a quarter.
const LOG_BYTES: (u64, u64) = (8 << 20, 64 << 20);

/// What is kept beside series is kept as long as these tiers.
const MOMENTS: [(MomentKind, usize); 3] = [
    (MomentKind::Processes, 0),
    (MomentKind::Exits, 1),
    (MomentKind::Events, 2),
];

/// The least that a history needs.
pub(crate) const BYTES_MIN: u64 = 32 << 20;

const DAY_MSEC: i64 = 24 * 3600 * 1000;

/// Bytes of the pages that hold something.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| pragma(connection, name);
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Bytes of a page.
pub(crate) fn page_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(pragma(connection, "page_size")?.max(512))
}

/// Pages that hold nothing.
pub(crate) fn free_pages(connection: &Connection) -> rusqlite::Result<u64> {
    pragma(connection, "freelist_count")
}

/// Says how large the database file may become; it refuses to become larger.
pub(crate) fn set_cap(connection: &Connection, limits: &Limits) -> rusqlite::Result<()> {
    let pages = room(limits) / page_bytes(connection)?;
    connection.pragma_update(
        None,
        "max_page_count",
        i64::try_from(pages).unwrap_or(i64::MAX),
    )
}

/// The database's share of what the history may use.
pub(crate) fn room(limits: &Limits) -> u64 {
    limits.bytes_max.max(BYTES_MIN) - log_bytes_max(limits)
}

/// The write-ahead log's share. A transaction is as long as a window of all
/// series.
pub(crate) fn log_bytes_max(limits: &Limits) -> u64 {
    (limits.bytes_max / 4).clamp(LOG_BYTES.0, LOG_BYTES.1)
}

/// Whether the log is so long that nothing more may be written into it.
pub(crate) fn is_log_long(path: &Path, limits: &Limits) -> bool {
    let log = with_suffix(path, "-wal");
    fs::metadata(log).is_ok_and(|found| found.len() > log_bytes_max(limits) / 2)
}

/// What a flush may write between two looks at the disk.
const FLUSH_BYTES: u64 = 16 << 20;

/// What must stay free on the disk: what is asked for, and what a flush may need.
pub(crate) fn disk_free_min(limits: &Limits) -> u64 {
    match limits.disk_free_min {
        // Whoever asks for nothing wants to go to the end.
        0 => 0,
        bytes => bytes.max(FLUSH_BYTES),
    }
}

/// Whether there is less than must stay free.
pub(crate) fn is_disk_low(path: &Path, limits: &Limits) -> bool {
    disk_free(path).is_some_and(|free| free < disk_free_min(limits))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// Deletes what is older than it is kept.
pub(crate) fn expire(
    connection: &Connection,
    limits: &Limits,
    now_msec: TimeMsec,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    for cluster in clusters(connection)? {
        for (tier, kept) in TIERS.iter().zip(limits.kept_msec) {
            delete_before(connection, *tier, cluster, now_msec - kept)?;
        }
    }
    seal::set_until(connection, DELETED, now_msec - limits.kept_msec[0])?;
    for (kind, tier) in MOMENTS {
        kind.delete_before(&transaction, now_msec - limits.kept_msec[tier])?;
    }
    forget_series(connection)?;
    transaction.commit()
}

/// Deletes the blocks that are wholly before a time.
fn delete_before(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
    time_msec: TimeMsec,
) -> rusqlite::Result<usize> {
    let before = tier.key(cluster, (time_msec - tier.window_msec).max(0));
    connection
        .prepare_cached("DELETE FROM block WHERE id >= ?1 AND id < ?2")?
        .execute(params![tier.key(cluster, 0), before])
}

/// What can go.
#[derive(Clone, Copy)]
enum Victim {
    Window(Tier),
    Moments(MomentKind),
}

/// Deletes the window that has been kept for the greatest share of its time.
/// `false`: there is nothing left.
pub(crate) fn evict(
    connection: &Connection,
    limits: &Limits,
    now_msec: TimeMsec,
) -> rusqlite::Result<bool> {
    let Some((victim, start)) = find_victim(connection, limits, now_msec)? else {
        return Ok(false);
    };
    let transaction = connection.unchecked_transaction()?;
    let deleted = match victim {
        Victim::Window(tier) => delete_window(&transaction, tier, start)?,
        Victim::Moments(kind) => kind.delete_before(&transaction, start + TIERS[1].window_msec)?,
    };
    transaction.commit()?;
    Ok(deleted > 0)
}

fn find_victim(
    connection: &Connection,
    limits: &Limits,
    now_msec: TimeMsec,
) -> rusqlite::Result<Option<(Victim, TimeMsec)>> {
    #[expect(clippy::cast_precision_loss, reason = "a share of a time")]
    let share = |start: TimeMsec, tier: usize| {
        (now_msec - start) as f64 / limits.kept_msec[tier].max(1) as f64
    };
    let mut candidates = Vec::new();
    for cluster in clusters(connection)? {
        for tier in TIERS {
            if let Some(start) = read_oldest(connection, tier, cluster)? {
                let share = share(start, usize::from(tier.number));
                candidates.push((share, Victim::Window(tier), start));
            }
        }
    }
    for (kind, tier) in MOMENTS {
        if let Some(start) = kind.oldest_msec(connection)? {
            candidates.push((share(start, tier), Victim::Moments(kind), start));
        }
    }
    let victim = candidates
        .into_iter()
        .max_by(|one, other| one.0.total_cmp(&other.0));
    Ok(victim.map(|(_, victim, start)| (victim, start)))
}

fn delete_window(
    connection: &Connection,
    tier: Tier,
    start_msec: TimeMsec,
) -> rusqlite::Result<usize> {
    let mut deleted = 0;
    for cluster in clusters(connection)? {
        let (first, last) = tier.keys(cluster, start_msec, start_msec);
        deleted += connection
            .prepare_cached("DELETE FROM block WHERE id BETWEEN ?1 AND ?2")?
            .execute([first, last])?;
    }
    if tier.number == 0 {
        seal::set_until(connection, DELETED, start_msec + tier.window_msec)?;
    }
    Ok(deleted)
}

/// Forgets series of which nothing is left: of each cluster those that were last
/// used before its oldest block. Where it has none, the oldest samples of all count.
pub(crate) fn forget_series(connection: &Connection) -> rusqlite::Result<()> {
    let mut bare = Vec::new();
    let mut oldest_of_all: Option<TimeMsec> = None;
    for cluster in clusters(connection)? {
        let mut oldest: Option<TimeMsec> = None;
        for tier in TIERS {
            let of_tier = read_oldest(connection, tier, cluster)?;
            if tier.step_msec == 0 {
                oldest_of_all = [oldest_of_all, of_tier].into_iter().flatten().min();
            }
            oldest = [oldest, of_tier].into_iter().flatten().min();
        }
        match oldest {
            Some(oldest) => forget_before(connection, cluster, oldest)?,
            None => bare.push(cluster),
        }
    }
    if let Some(oldest) = oldest_of_all {
        for cluster in bare {
            forget_before(connection, cluster, oldest)?;
        }
    }
    forget_metrics(connection)
}

fn forget_before(
    connection: &Connection,
    cluster: u32,
    time_msec: TimeMsec,
) -> rusqlite::Result<()> {
    // A series was used on a day; two more are for what spans midnight.
    connection
        .prepare_cached("DELETE FROM series WHERE cluster = ?1 AND used_day < ?2")?
        .execute(params![cluster, day(time_msec) - 2])?;
    Ok(())
}

fn forget_metrics(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM metric WHERE id NOT IN (SELECT metric FROM series)",
        [],
    )?;
    Ok(())
}

/// Forgets the names of so many series that were not used since the day before
/// `day`, those first that were used longest ago; how many there were. What blocks
/// hold of them cannot be found any more, and goes with its time.
pub(crate) fn forget_oldest_series(
    connection: &Connection,
    count_max: usize,
    day: i64,
) -> rusqlite::Result<usize> {
    // No new series is given the number of one that blocks hold.
    let newest: Option<i64> =
        connection.query_row("SELECT max(id) FROM series", [], |row| row.get(0))?;
    seal::set_until(connection, NUMBERED, newest.unwrap_or(0))?;
    connection.execute(
        "DELETE FROM series WHERE id IN \
         (SELECT id FROM series WHERE used_day < ?1 ORDER BY used_day LIMIT ?2)",
        params![day - 1, i64::try_from(count_max).unwrap_or(i64::MAX)],
    )
}

/// The day of a time.
pub(crate) const fn day(time_msec: TimeMsec) -> i64 {
    time_msec.div_euclid(DAY_MSEC)
}

/// Bytes that are free for us on the file's disk.
pub(crate) fn disk_free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
