//! Points of many sources as one document: no series twice, families together,
//! one type and one help for each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lfs_wrapper_model::metric::{
    FamilyPart, FoundMetric, MetricKind, MetricRef, Point, keep_first_of_series,
};

use super::report::POINTS_MAX;

/// What one file or program gave.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// What people call it.
    source: String,
    /// The help of a family that has none.
    help: String,
    points: Arc<[Point]>,
}

const FILE: &str = "file ";
const PROGRAM: &str = "program ";

impl Batch {
    pub(super) fn of_file(path: &str, points: Arc<[Point]>) -> Self {
        Self {
            source: Self::source_of_file(path),
            help: format!("Metric read from {path}"),
            points,
        }
    }

    pub(super) fn of_program(name: &str, points: Arc<[Point]>) -> Self {
        Self {
            source: Self::source_of_program(name),
            help: format!("Metric printed by {name}"),
            points,
        }
    }

    pub(super) fn source_of_file(path: &str) -> String {
        [FILE, path].concat()
    }

    pub(super) fn source_of_program(name: &str) -> String {
        [PROGRAM, name].concat()
    }

    pub(super) fn is_source_of_file(source: &str) -> bool {
        source.starts_with(FILE)
    }
}

/// A batch that cannot stand beside the others: its source, and why.
pub(super) type Refused = (String, String);

/// All batches together. One that contradicts `own` names or a batch before it
/// is refused as a whole; where only the help differs, the first that is given
/// stands for all.
pub(super) fn merge(batches: &[Batch], own: &HashSet<String>) -> (Vec<Point>, Vec<Refused>) {
    let mut merged = Merged::default();
    let mut refused = Vec::new();
    for batch in batches {
        match merged.check(batch, own) {
            Ok(()) => merged.take(batch),
            Err(why) => refused.push((batch.source.clone(), why)),
        }
    }
    (merged.into_points(), refused)
}

struct Family<'a> {
    kind: MetricKind,
    /// Which batch it was first in.
    first: &'a Batch,
    help: &'a str,
}

#[derive(Default)]
struct Merged<'a> {
    families: HashMap<&'a str, Family<'a>>,
    /// The names that the families take, and whose each is.
    names: HashMap<String, &'a str>,
    series: HashSet<String>,
    points: Vec<&'a Point>,
}

/// One that two sources cannot both have: labels in order, without empty ones.
fn key(point: &Point) -> String {
    let mut point = point.clone();
    point.labels.retain(|(_, value)| !value.is_empty());
    point.labels.sort_unstable();
    point.series()
}

impl<'a> Merged<'a> {
    fn check(&self, batch: &Batch, own: &HashSet<String>) -> Result<(), String> {
        if self.points.len() + batch.points.len() > POINTS_MAX {
            return Err(format!(
                "more than {POINTS_MAX} samples with those before it"
            ));
        }
        let families = batch
            .points
            .chunk_by(|one, next| one.metric.family_name() == next.metric.family_name());
        for family in families {
            let Some(first) = family.first() else {
                continue;
            };
            self.check_names(&first.metric, own)?;
            if let Some(twice) = family
                .iter()
                .find(|point| self.series.contains(&key(point)))
            {
                return Err(format!("{} is in another source too", twice.series()));
            }
        }
        Ok(())
    }

    fn check_names(&self, metric: &MetricRef, own: &HashSet<String>) -> Result<(), String> {
        let family = metric.family_name();
        if let Some(known) = self.families.get(family)
            && known.kind != metric.kind()
        {
            let (kind, known_kind) = (metric.kind().as_str(), known.kind.as_str());
            let source = &known.first.source;
            return Err(format!(
                "{family} is {kind} here and {known_kind} in {source}"
            ));
        }
        for suffix in metric.kind().suffixes() {
            let name = [family, *suffix].concat();
            if own.contains(&name) {
                return Err(format!("{name} is a metric of the monitor itself"));
            }
            match self.names.get(&name) {
                Some(other) if *other != family => {
                    return Err(format!("{family} needs the name {name}, which {other} has"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, batch: &'a Batch) {
        for point in batch.points.iter() {
            let metric = &point.metric;
            let name = metric.family_name();
            let family = self.families.entry(name).or_insert_with(|| Family {
                kind: metric.kind(),
                first: batch,
                help: "",
            });
            if family.help.is_empty() {
                family.help = metric.help();
            }
            for suffix in metric.kind().suffixes() {
                self.names.insert([name, *suffix].concat(), name);
            }
            self.series.insert(key(point));
            self.points.push(point);
        }
    }

    fn into_points(self) -> Vec<Point> {
        let families: HashMap<&str, Arc<FoundMetric>> = self
            .families
            .into_iter()
            .map(|(name, family)| {
                let help = match family.help {
                    "" => &family.first.help,
                    help => help,
                };
                let metric = FoundMetric {
                    name: name.to_owned(),
                    kind: family.kind,
                    help: help.to_owned(),
                };
                (name, Arc::new(metric))
            })
            .collect();
        let mut parts: HashMap<&str, Arc<FamilyPart>> = HashMap::new();
        let points = self.points.into_iter().filter_map(|point| {
            let family = families.get(point.metric.family_name())?;
            let name = point.metric.name();
            let to_part = || {
                Arc::new(FamilyPart {
                    name: name.to_owned(),
                    family: Arc::clone(family),
                })
            };
            let metric = if point.metric.suffix().is_empty() {
                MetricRef::Found(Arc::clone(family))
            } else {
                MetricRef::Part(Arc::clone(parts.entry(name).or_insert_with(to_part)))
            };
            Some(Point {
                metric,
                ..point.clone()
            })
        });
        points.collect()
    }
}

/// Families together, by name; within a family the order stays.
pub(crate) fn sort_by_family(points: &mut [Point]) {
    points.sort_by(|one, other| one.metric.family_name().cmp(other.metric.family_name()));
}

/// The monitor's own points and those of its collectors, sorted by family. What
/// has a name of one's own by now, which a collector could not know, is left
/// out.
pub(crate) fn combine(mut own: Vec<Point>, collected: &[Point]) -> Vec<Point> {
    let names: HashSet<String> = own
        .iter()
        .map(|point| point.metric.name().to_owned())
        .collect();
    let is_free = |point: &&Point| {
        let metric = &point.metric;
        let mut taken = metric.kind().suffixes().iter();
        !taken.any(|suffix| names.contains(&[metric.family_name(), *suffix].concat()))
    };
    own.extend(collected.iter().filter(is_free).cloned());
    sort_by_family(&mut own);
    keep_first_of_series(&mut own);
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use lfs_wrapper_model::metric::{parse_exposition, render_prometheus};

    fn parsed(text: &str) -> Arc<[Point]> {
        parse_exposition(text.as_bytes(), usize::MAX)
            .unwrap()
            .into()
    }

    fn merged(texts: &[&str]) -> (String, Vec<Refused>) {
        let own = HashSet::from(["node_load1".to_owned()]);
        let batches = texts
            .iter()
            .zip('a'..)
            .map(|(text, name)| Batch::of_file(&format!("/{name}.prom"), parsed(text)));
        let batches: Vec<Batch> = batches.collect();
        let (mut points, refused) = merge(&batches, &own);
        sort_by_family(&mut points);
        (render_prometheus(&points), refused)
    }

    #[test]
    fn families_of_several_sources_stand_together_with_one_help() {
        let (text, refused) = merged(&[
            "# TYPE x gauge\nx{a=\"1\"} 1\ny 1\n",
            "# HELP w W.\nw 1\n# HELP x X.\n# TYPE x gauge\nx{a=\"2\"} 2\n",
            "# HELP x Other.\n# TYPE x gauge\nx{a=\"3\"} 3\n",
        ]);
        assert_eq!(refused, []);
        assert_eq!(
            text,
            "# HELP w W.\n# TYPE w untyped\nw 1\n\
             # HELP x X.\n# TYPE x gauge\nx{a=\"1\"} 1\nx{a=\"2\"} 2\nx{a=\"3\"} 3\n\
             # HELP y Metric read from /a.prom\n# TYPE y untyped\ny 1\n"
        );
    }

    #[test]
    fn a_source_that_contradicts_those_before_it_is_refused_as_a_whole() {
        let good = "# TYPE x gauge\nx{a=\"1\",b=\"2\"} 1\n# TYPE h summary\nh_sum 1\n";
        let table = [
            (
                "z 1\n# TYPE x counter\nx 1\n",
                "x is counter here and gauge in file /a.prom",
            ),
            ("z 1\nx 1\n", "x is untyped here and gauge"),
            (
                "z 1\n# TYPE x gauge\nx{b=\"2\",c=\"\",a=\"1\"} 1\n",
                "is in another source too",
            ),
            (
                "z 1\nh_sum{a=\"1\"} 1\n",
                "needs the name h_sum, which h has",
            ),
            (
                "# TYPE z histogram\nz_sum 1\nh_count 1\n",
                "needs the name h_count",
            ),
            (
                "z 1\nnode_load1 1\n",
                "node_load1 is a metric of the monitor itself",
            ),
            (
                "# TYPE node_load1 summary\nnode_load1_sum 1\n",
                "of the monitor itself",
            ),
        ];
        for (text, why) in table {
            let (shown, refused) = merged(&[good, text, "last 1\n"]);
            assert_eq!(refused.len(), 1, "{text}");
            assert!(
                refused[0].0 == "file /b.prom" && refused[0].1.contains(why),
                "{refused:?}"
            );
            assert!(
                shown.contains("h_sum 1\n") && shown.contains("last 1\n"),
                "{shown}"
            );
            assert!(!shown.contains("\nz"), "{shown}");
        }
    }

    #[test]
    fn too_many_samples_refuse_the_source_that_has_them() {
        let many = |name: &str, count: usize| {
            let line = |index| format!("{name}{{a=\"{index}\"}} 1\n");
            (0..count).map(line).collect::<String>()
        };
        let (shown, refused) = merged(&[&many("a", 9_999), &many("b", 2), "c 1\n"]);
        assert_eq!(refused[0].0, "file /b.prom");
        assert!(refused[0].1.contains("10000"), "{refused:?}");
        assert!(shown.contains("\nc 1\n"));
    }

    #[test]
    fn ones_own_points_come_before_what_has_their_name() {
        let own = parsed("b 1\nh_sum 1\n").to_vec();
        let collected = parsed("a 2\nb 2\n# TYPE h summary\nh_count 2\nc 2\n");
        let names: Vec<String> = combine(own, &collected)
            .iter()
            .map(|point| format!("{} {}", point.series(), point.value))
            .collect();
        assert_eq!(names, ["a 2", "b 1", "c 2", "h_sum 1"]);
    }
}
