//! Prometheus' text exposition format 0.0.4, read: what node_exporter's
//! textfile collector takes, without times, and stricter where a reader would
//! have to guess.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::line::{ExpositionError, Line};
use super::point::{FamilyPart, FoundMetric, Label, MetricKind, MetricRef, Point};

/// Reads at most `samples_max` samples in the text format 0.0.4; the points are
/// in the order of the text.
///
/// A text that is cut short is refused as a whole (half a number must not pass
/// for a number), and so is one whose meaning depends on the reader: samples of
/// one family that are apart, a series twice, a sample with a time.
pub fn parse_exposition(text: &[u8], samples_max: usize) -> Result<Vec<Point>, ExpositionError> {
    let mut document = Document::default();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = decode(line, number)?;
        let Some(content) = text.strip_suffix('\n') else {
            let message =
                "expected a line feed behind the last line; the text may have been cut short";
            return Err(Line::end_of(text, number).error(message));
        };
        let line = Line::new(content, number);
        document.read_line(line.clone())?;
        if document.samples.len() > samples_max {
            return Err(line.error(format!("more than {samples_max} samples")));
        }
    }
    Ok(document.into_points())
}

fn decode(line: &[u8], number: usize) -> Result<&str, ExpositionError> {
    std::str::from_utf8(line).map_err(|error| {
        let valid = line.get(..error.valid_up_to()).unwrap_or_default();
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        Line::end_of(valid, number).error("expected text in UTF-8, found other bytes")
    })
}

/// What has been said of a family so far.
struct Family {
    name: String,
    kind: Option<MetricKind>,
    help: Option<String>,
    has_samples: bool,
}

/// One line with a value.
struct Sample {
    family: usize,
    name: String,
    labels: Vec<Label>,
    value: f64,
}

#[derive(Default)]
struct Document {
    families: Vec<Family>,
    /// Every name that a family takes, and which family that is.
    names: HashMap<String, usize>,
    samples: Vec<Sample>,
    seen: HashSet<(String, Vec<Label>)>,
}

impl Document {
    fn read_line(&mut self, mut line: Line<'_>) -> Result<(), ExpositionError> {
        line.skip_blanks();
        match line.peek() {
            None => Ok(()),
            Some('#') => self.read_comment(line),
            Some(_) => self.read_sample(line),
        }
    }

    fn read_comment(&mut self, mut line: Line<'_>) -> Result<(), ExpositionError> {
        line.skip('#');
        line.skip_blanks();
        let word = line.take_word();
        if !matches!(word, "HELP" | "TYPE") {
            return Ok(());
        }
        line.skip_blanks();
        let place = line.clone();
        let name = line.take_metric_name()?;
        let index = self.family_named(name, &place)?;
        line.skip_blanks();
        if word == "TYPE" {
            return self.read_type(index, line);
        }
        let Some(family) = self.families.get_mut(index) else {
            return Ok(());
        };
        if family.help.is_some() {
            return Err(place.error(format!("a second HELP line for {name}")));
        }
        family.help = Some(line.take_help()?);
        Ok(())
    }

    fn read_type(&mut self, index: usize, mut line: Line<'_>) -> Result<(), ExpositionError> {
        let place = line.clone();
        let word = line.take_word();
        line.expect_end()?;
        let mut kinds = MetricKind::ALL.into_iter();
        let Some(kind) = kinds.find(|kind| kind.as_str().eq_ignore_ascii_case(word)) else {
            let kinds = MetricKind::ALL.map(MetricKind::as_str).join(", ");
            return Err(place.error(format!("expected a type ({kinds}), found '{word}'")));
        };
        let Some(family) = self.families.get_mut(index) else {
            return Ok(());
        };
        if family.kind.is_some() {
            return Err(place.error(format!("a second TYPE line for {}", family.name)));
        }
        if family.has_samples {
            return Err(place.error(format!("the TYPE of {} after its samples", family.name)));
        }
        family.kind = Some(kind);
        for suffix in kind.suffixes() {
            let taken = [&family.name, *suffix].concat();
            if *self.names.entry(taken.clone()).or_insert(index) != index {
                return Err(place.error(format!(
                    "the {word} {} needs the name {taken}, which is another family's",
                    family.name
                )));
            }
        }
        Ok(())
    }

    /// The family with this name, made where it is new.
    fn family_named(&mut self, name: &str, place: &Line<'_>) -> Result<usize, ExpositionError> {
        if let Some(index) = self.names.get(name) {
            return match self.families.get(*index) {
                Some(family) if family.name != name => {
                    Err(place.error(format!("{name} is a part of {}", family.name)))
                }
                _ => Ok(*index),
            };
        }
        let index = self.families.len();
        self.families.push(Family {
            name: name.to_owned(),
            kind: None,
            help: None,
            has_samples: false,
        });
        self.names.insert(name.to_owned(), index);
        Ok(index)
    }

    fn read_sample(&mut self, mut line: Line<'_>) -> Result<(), ExpositionError> {
        let place = line.clone();
        let name = line.take_metric_name()?;
        let index = match self.names.get(name) {
            Some(index) => *index,
            None => self.family_named(name, &place)?,
        };
        line.skip_blanks();
        let labels = line.take_labels()?;
        line.skip_blanks();
        let value = line.take_value()?;
        line.expect_no_time()?;
        self.check_place(index, name, &place)?;
        self.check_step(index, name, &labels, &place)?;
        // A label without a value is the same as none.
        let mut key: Vec<Label> = labels.clone();
        key.retain(|(_, value)| !value.is_empty());
        key.sort_unstable();
        if !self.seen.insert((name.to_owned(), key)) {
            return Err(place.error(format!("a second sample of the same series of {name}")));
        }
        self.samples.push(Sample {
            family: index,
            name: name.to_owned(),
            labels,
            value,
        });
        Ok(())
    }

    /// The samples of a family stand together.
    fn check_place(
        &mut self,
        index: usize,
        name: &str,
        place: &Line<'_>,
    ) -> Result<(), ExpositionError> {
        let is_next = self.samples.last().is_some_and(|last| last.family == index);
        let Some(family) = self.families.get_mut(index) else {
            return Ok(());
        };
        if family.has_samples && !is_next {
            let message = format!(
                "samples of {name} are apart; put those of {} together",
                family.name
            );
            return Err(place.error(message));
        }
        family.has_samples = true;
        Ok(())
    }

    /// The parts of histograms and summaries that need a number in a label
    /// have it.
    fn check_step(
        &self,
        index: usize,
        name: &str,
        labels: &[Label],
        place: &Line<'_>,
    ) -> Result<(), ExpositionError> {
        let Some(family) = self.families.get(index) else {
            return Ok(());
        };
        let suffix = name.strip_prefix(family.name.as_str()).unwrap_or_default();
        let label = match (family.kind, suffix) {
            (Some(MetricKind::Histogram), "") => {
                let message =
                    format!("expected _bucket, _sum or _count behind the histogram's name {name}");
                return Err(place.error(message));
            }
            (Some(MetricKind::Histogram), "_bucket") => "le",
            (Some(MetricKind::Summary), "") => "quantile",
            _ => return Ok(()),
        };
        let mut labels = labels.iter().filter(|(name, _)| name == label);
        let is_number = |(_, text): &Label| text.parse::<f64>().is_ok_and(|step| !step.is_nan());
        if labels.next().is_some_and(is_number) {
            return Ok(());
        }
        Err(place.error(format!("expected a label {label} with a number for {name}")))
    }

    fn into_points(self) -> Vec<Point> {
        let families = self.families.into_iter().map(|family| {
            Arc::new(FoundMetric {
                name: family.name,
                kind: family.kind.unwrap_or(MetricKind::Untyped),
                help: family.help.unwrap_or_default(),
            })
        });
        let families: Vec<Arc<FoundMetric>> = families.collect();
        let mut parts: HashMap<String, Arc<FamilyPart>> = HashMap::new();
        let to_point = |sample: Sample| {
            let family = families.get(sample.family)?;
            let metric = if family.name == sample.name {
                MetricRef::Found(Arc::clone(family))
            } else {
                let part = parts.entry(sample.name.clone()).or_insert_with(|| {
                    Arc::new(FamilyPart {
                        name: sample.name,
                        family: Arc::clone(family),
                    })
                });
                MetricRef::Part(Arc::clone(part))
            };
            Some(Point {
                metric,
                labels: sample.labels,
                value: sample.value,
            })
        };
        self.samples.into_iter().filter_map(to_point).collect()
    }
}

#[cfg(test)]
mod tests;
