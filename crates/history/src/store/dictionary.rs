//! Which number a series has, and with which others it is kept.

use std::collections::{BTreeMap, HashMap};

use lfs_wrapper_model::metric::{FoundMetric, MetricKind, MetricRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::frame::{Entry, Group, Shape};
use super::limits::LABELS_BYTES_MAX;
use super::retain;
use super::tier::{CLUSTER_MAX, NUMBERED};
use super::window::SeriesId;
use crate::labels::{Labels, METRIC_NAME};
use crate::source::Matcher;

/// Series that are kept in one block.
pub(crate) const CLUSTER_SIZE: u32 = 256;

/// Series that a file holds; more would fill it with their names.
const SERIES_MAX: usize = 500_000;

/// Where the file is full, one of so many is forgotten.
const FORGOTTEN_SHARE: usize = 50;

/// Metrics whose number is remembered.
const METRICS_KNOWN_MAX: usize = 10_000;

/// Numbers for series.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// How many series each cluster has.
    clusters: BTreeMap<u32, (Group, u32)>,
    metrics: HashMap<String, i64>,
    series_max: usize,
    /// The day on which there was nothing to forget.
    full_day: Option<i64>,
}

fn read_clusters(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, (Group, u32)>> {
    let mut statement =
        connection.prepare("SELECT cluster, min(grp), count(*) FROM series GROUP BY cluster")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, u8>(1)?, row.get(2)?))
    })?;
    let mut clusters = BTreeMap::new();
    for row in rows {
        let (cluster, group, count) = row?;
        let group = Group::from_number(group).unwrap_or(Group::Imported);
        clusters.insert(cluster, (group, count));
    }
    Ok(clusters)
}

impl Dictionary {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            clusters: read_clusters(connection)?,
            metrics: HashMap::new(),
            series_max: SERIES_MAX,
            full_day: None,
        })
    }

    /// The clusters whose series are rolled up.
    pub(crate) fn rolled_up(&self) -> Vec<u32> {
        let clusters = self.clusters.iter();
        let rolled_up = clusters.filter(|(_, (group, _))| group.is_rolled_up());
        rolled_up.map(|(cluster, _)| *cluster).collect()
    }

    /// How many series there are.
    fn len(&self) -> usize {
        let counts = self.clusters.values().map(|(_, count)| *count as usize);
        counts.sum()
    }

    /// The number of a series; a new one is given a number, unless the file has
    /// [`SERIES_MAX`] or its labels are longer than [`LABELS_BYTES_MAX`].
    pub(crate) fn resolve(
        &mut self,
        connection: &Connection,
        group: Group,
        entry: &Entry,
        day: i64,
    ) -> rusqlite::Result<Option<SeriesId>> {
        let metric = self.resolve_metric(connection, entry)?;
        let labels = render(&entry.labels);
        let found = connection
            .prepare_cached(
                "SELECT id, cluster, used_day FROM series WHERE metric = ?1 AND labels = ?2",
            )?
            .query_row(params![metric, labels], |row| {
                let id = SeriesId {
                    id: row.get(0)?,
                    cluster: row.get(1)?,
                };
                Ok((id, row.get::<_, i64>(2)?))
            })
            .optional()?;
        if let Some((id, used_day)) = found {
            if used_day < day {
                connection
                    .prepare_cached("UPDATE series SET used_day = ?2 WHERE id = ?1")?
                    .execute(params![id.id, day])?;
            }
            return Ok(Some(id));
        }
        if labels.len() > LABELS_BYTES_MAX || !self.make_room(connection, day)? {
            return Ok(None);
        }
        let cluster = self.place(group);
        let id: u32 = connection
            .prepare_cached(
                "SELECT 1 + max(coalesce((SELECT max(id) FROM series), 0), \
                 coalesce((SELECT until_msec FROM tier WHERE tier = ?1), 0))",
            )?
            .query_row([NUMBERED], |row| row.get(0))?;
        let series = SeriesId { id, cluster };
        let crc = checksum(series, entry.labels.name(), &labels);
        connection
            .prepare_cached("INSERT INTO series VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                id,
                metric,
                group.number(),
                cluster,
                day,
                crc,
                labels
            ])?;
        Ok(Some(series))
    }

    /// Whether there is room for one more, after those that were used longest ago
    /// were forgotten if need be.
    fn make_room(&mut self, connection: &Connection, day: i64) -> rusqlite::Result<bool> {
        if self.len() < self.series_max {
            return Ok(true);
        }
        // Many at once: to look for them takes long. Nor is it done again and again.
        if self.full_day == Some(day) {
            return Ok(false);
        }
        let count = (self.series_max / FORGOTTEN_SHARE).max(1);
        if retain::forget_oldest_series(connection, count, day)? == 0 {
            self.full_day = Some(day);
            return Ok(false);
        }
        self.clusters = read_clusters(connection)?;
        Ok(true)
    }

    /// The cluster that a new series of this group goes into.
    fn place(&mut self, group: Group) -> u32 {
        let open = self.clusters.iter_mut();
        let open = open
            .rev()
            .find(|(_, (of, count))| *of == group && *count < CLUSTER_SIZE);
        if let Some((cluster, (_, count))) = open {
            *count += 1;
            return *cluster;
        }
        let newest = self.clusters.keys().next_back();
        let next = newest.map_or(1, |newest| newest + 1);
        // Beyond the last cluster, blocks grow.
        let next = next.min(CLUSTER_MAX);
        self.clusters.insert(next, (group, 1));
        next
    }

    fn resolve_metric(&mut self, connection: &Connection, entry: &Entry) -> rusqlite::Result<i64> {
        let name = entry.labels.name();
        if let Some(id) = self.metrics.get(name) {
            return Ok(*id);
        }
        let metric = &entry.metric;
        connection
            .prepare_cached(
                "INSERT INTO metric (name, kind, family, help) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, family = excluded.family, \
                 help = excluded.help WHERE excluded.kind <> 'untyped' OR kind = 'untyped'",
            )?
            .execute(params![
                name,
                metric.kind().as_str(),
                metric.family_name(),
                metric.help()
            ])?;
        let id = connection
            .prepare_cached("SELECT id FROM metric WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        if self.metrics.len() >= METRICS_KNOWN_MAX {
            self.metrics.clear();
        }
        self.metrics.insert(name.to_owned(), id);
        Ok(id)
    }
}

/// A series of the dictionary.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: SeriesId,
    pub(crate) entry: Entry,
}

const COLUMNS: &str = "SELECT series.id, cluster, crc, labels, name, kind, family, help \
    FROM series JOIN metric ON metric.id = series.metric";

/// The clusters that have series of this name, or all.
pub(crate) fn clusters_of(
    connection: &Connection,
    name: Option<&str>,
) -> rusqlite::Result<Vec<u32>> {
    let Some(name) = name else {
        return super::reader::clusters(connection);
    };
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT cluster FROM series \
         WHERE metric = (SELECT id FROM metric WHERE name = ?1) ORDER BY cluster",
    )?;
    let rows = statement.query_map([name], |row| row.get(0))?;
    rows.collect()
}

/// The series of a cluster that match, and how many rows were damaged.
pub(crate) fn find(
    connection: &Connection,
    cluster: u32,
    matchers: &[Matcher],
) -> rusqlite::Result<(Vec<Known>, u64)> {
    let name = equal_name(matchers);
    let filter = if name.is_some() {
        "name = ?2"
    } else {
        "?2 IS NULL"
    };
    // A cluster has fewer series than a metric may have.
    let sql = format!("{COLUMNS} WHERE cluster = ?1 AND {filter}");
    let sql = sql.replace("FROM series", "FROM series INDEXED BY series_cluster");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![cluster, name])?;
    let (mut found, mut damaged) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        match parse_known(row)? {
            Some(known)
                if matchers
                    .iter()
                    .all(|matcher| matcher.matches(&known.entry.labels)) =>
            {
                found.push(known);
            }
            Some(_) => {}
            None => damaged += 1,
        }
    }
    Ok((found, damaged))
}

/// The name that a series must have to match.
pub(crate) fn equal_name(matchers: &[Matcher]) -> Option<&str> {
    matchers
        .iter()
        .find_map(|matcher| match &matcher.condition {
            crate::source::Condition::Equal(name) if matcher.name == METRIC_NAME => {
                Some(name.as_str())
            }
            _ => None,
        })
}

/// The series with this number.
pub(crate) fn get(connection: &Connection, id: u32) -> rusqlite::Result<Option<Known>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE series.id = ?1"))?;
    Ok(statement.query_row([id], parse_known).optional()?.flatten())
}

/// What kind of value each series of a cluster has.
pub(crate) fn shapes(
    connection: &Connection,
    cluster: u32,
) -> rusqlite::Result<HashMap<u32, Shape>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE cluster = ?1"))?;
    let mut rows = statement.query([cluster])?;
    let mut shapes = HashMap::new();
    while let Some(row) = rows.next()? {
        if let Some(known) = parse_known(row)? {
            let entry = &known.entry;
            shapes.insert(
                known.id.id,
                Shape::of(entry.metric.kind(), entry.labels.name()),
            );
        }
    }
    Ok(shapes)
}

/// `None`: damaged.
fn parse_known(row: &Row<'_>) -> rusqlite::Result<Option<Known>> {
    let id = SeriesId {
        id: row.get(0)?,
        cluster: row.get(1)?,
    };
    let crc: u32 = row.get(2)?;
    let labels = row.get_ref(3)?.as_blob()?;
    let name: String = row.get(4)?;
    if checksum(id, &name, labels) != crc {
        return Ok(None);
    }
    let Some(labels) = parse(&name, labels) else {
        return Ok(None);
    };
    let metric = parse_metric(&name, &row.get::<_, String>(5)?, row.get(6)?, row.get(7)?);
    Ok(Some(Known {
        id,
        entry: Entry { labels, metric },
    }))
}

fn parse_metric(name: &str, kind: &str, family: String, help: String) -> MetricRef {
    let kind = parse_kind(kind);
    let family = FoundMetric {
        name: family,
        kind,
        help,
    };
    if family.name == name {
        return family.into();
    }
    MetricRef::Part(std::sync::Arc::new(lfs_wrapper_model::metric::FamilyPart {
        name: name.to_owned(),
        family: std::sync::Arc::new(family),
    }))
}

/// The kind that is written so; `Untyped` where nobody says.
pub(crate) fn parse_kind(text: &str) -> MetricKind {
    let known = MetricKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text);
    known.unwrap_or(MetricKind::Untyped)
}

fn checksum(series: SeriesId, name: &str, labels: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&series.id.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &series.cluster.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, name.as_bytes()), labels)
}

/// The labels without the name: length and text of each name and value.
pub(super) fn render(labels: &Labels) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        for text in [name, value] {
            // Nothing that long was taken in.
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn parse(name: &str, mut bytes: &[u8]) -> Option<Labels> {
    let mut text = || -> Option<Option<String>> {
        if bytes.is_empty() {
            return Some(None);
        }
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
    };
    let mut pairs = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    while let Some(name) = text()? {
        pairs.push((name, text()??));
    }
    Some(Labels::new(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    fn entry(number: i64) -> Entry {
        let name = (METRIC_NAME.to_owned(), "a".to_owned());
        Entry {
            labels: Labels::new([name, ("number".to_owned(), number.to_string())]),
            metric: FoundMetric {
                name: "a".to_owned(),
                kind: MetricKind::Gauge,
                help: String::new(),
            }
            .into(),
        }
    }

    #[test]
    fn where_the_file_is_full_what_was_used_longest_ago_makes_room() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let mut dictionary = Dictionary::load(&connection).unwrap();
        dictionary.series_max = 100;
        let mut resolve = |number, day| {
            let group = Group::Machine;
            let found = dictionary.resolve(&connection, group, &entry(number), day);
            found.unwrap().map(|series| series.id)
        };
        // The newest numbers were used longest ago.
        let ids: Vec<_> = (0..100)
            .map(|number| resolve(number, 1000 - number))
            .collect();
        assert_eq!(resolve(100, 901), None);
        assert_eq!(resolve(100, 1001), Some(101));
        assert_eq!(resolve(0, 1001), ids[0]);
        // It comes back under another number: blocks may hold the old one.
        assert_eq!(resolve(99, 1001), Some(102));
    }

    #[test]
    fn a_cluster_keeps_no_names_for_the_sake_of_anothers_blocks() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let mut dictionary = Dictionary::load(&connection).unwrap();
        let day_msec = 24 * 3_600_000;
        let mut block = |group, number, day, key: &dyn Fn(u32, i64) -> i64| {
            let id = dictionary
                .resolve(&connection, group, &entry(number), day)
                .unwrap();
            let key = key(id.unwrap().cluster, day * day_msec);
            connection
                .execute("INSERT INTO block VALUES (?1, 0, x'')", [key])
                .unwrap();
        };
        let tiers = crate::store::tier::TIERS;
        let raw = |cluster, start| tiers[0].key(cluster, start);
        // One cluster has a roll-up of long ago, the other nothing that old.
        block(Group::Machine, 1, 10_000, &|cluster, start| {
            tiers[3].key(cluster, start)
        });
        block(Group::Collected, 2, 10_000, &|cluster, start| {
            raw(cluster, start + 900 * day_msec)
        });
        block(Group::Collected, 3, 10_900, &|cluster, start| {
            raw(cluster, start + day_msec)
        });
        retain::forget_series(&connection).unwrap();
        let mut statement = connection
            .prepare("SELECT used_day FROM series ORDER BY id")
            .unwrap();
        let days: Vec<i64> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(days, [10_000, 10_900]);
    }
}
