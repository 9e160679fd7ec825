//! A history as OpenMetrics 1.0 with times, as `promtool tsdb create-blocks-from
//! openmetrics` takes it.
//!
//! Families stand together, and in them each series by itself with all its
//! samples, so that at most a piece of one series is held. What OpenMetrics has
//! another rule for is exposed without a type: counters whose names do not end
//! in `_total` (node_exporter has some from the kernel), or whose name without
//! it is another family's.
//!
//! OpenMetrics has no staleness marker, and NaN is a value: the markers are left
//! out, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{MetricKind, render_number};

use super::families::Families;
use crate::labels::{METRIC_NAME, is_label_name, is_metric_name};
use crate::source::{
    Channel, Matcher, Metadata, ReadError, Selected, Selection, Source, Stretch, is_stale,
};

/// What to do with a series that has a name in other characters than ASCII
/// letters, digits and `_`. One without any name is left out in any case: text has
/// no place for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherNames {
    /// In quotes, as Prometheus takes it since 3.0.
    #[default]
    Quote,
    /// Not exported but counted, for readers that take no quotes.
    LeaveOut,
}

/// How much has been written, and what was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// Series with at least one sample.
    pub series: u64,
    /// Samples.
    pub samples: u64,
    /// Staleness markers, left out.
    pub markers_left_out: u64,
    /// Series left out for their names.
    pub series_left_out: u64,
}

/// Why a history cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error("cannot read the history: {0}")]
    Read(#[from] ReadError),
    /// The text cannot be written.
    #[error("cannot write the text: {error}")]
    Write {
        /// What the system says.
        error: io::Error,
        /// How much has been written until then.
        counts: ExportCounts,
    },
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        let counts = ExportCounts::default();
        Self::Write { error, counts }
    }
}

/// Writes the samples of all series that match, from `from_msec` to `to_msec`,
/// both inclusive.
pub fn export(
    source: &dyn Source,
    matchers: &[Matcher],
    (from_msec, to_msec): (TimeMsec, TimeMsec),
    other_names: OtherNames,
    text: &mut dyn Write,
) -> Result<ExportCounts, ExportError> {
    let mut export = Export {
        text,
        from_msec,
        to_msec,
        counts: ExportCounts::default(),
        line: String::new(),
    };
    let written = export.write(source, matchers, other_names);
    let counts = export.counts;
    written.map(|()| counts).map_err(|error| match error {
        ExportError::Write { error, .. } => ExportError::Write { error, counts },
        error @ ExportError::Read(_) => error,
    })
}

fn has_other_names(one: &Selected) -> bool {
    let mut names = one.labels.iter().map(|(name, _)| name);
    !is_metric_name(one.labels.name()) || !names.all(is_label_name)
}

struct Export<'a> {
    text: &'a mut dyn Write,
    from_msec: TimeMsec,
    to_msec: TimeMsec,
    counts: ExportCounts,
    line: String,
}

impl Export<'_> {
    fn write(
        &mut self,
        source: &dyn Source,
        matchers: &[Matcher],
        other_names: OtherNames,
    ) -> Result<(), ExportError> {
        let metadata = source.metadata()?;
        let known: Families = metadata.iter().cloned().collect();
        match self.select(source, matchers) {
            Ok(selected) => self.write_selected(selected, &known, None, other_names)?,
            // More than one query may hold: one family after another.
            Err(ReadError::TooManySeries { .. } | ReadError::TooMuch { .. }) => {
                self.write_by_family(source, matchers, &metadata, &known, other_names)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.text.write_all(b"# EOF\n")?;
        Ok(self.text.flush()?)
    }

    fn select(
        &self,
        source: &dyn Source,
        matchers: &[Matcher],
    ) -> Result<Vec<Selected>, ReadError> {
        source.select(&Selection {
            matchers,
            from_msec: self.from_msec,
            to_msec: self.to_msec,
            first_msec: self.from_msec,
            step_msec: 0,
            range_msec: 0,
            channel: Channel::Last,
            deadline: None,
        })
    }

    fn write_by_family(
        &mut self,
        source: &dyn Source,
        matchers: &[Matcher],
        metadata: &[Metadata],
        known: &Families,
        other_names: OtherNames,
    ) -> Result<(), ExportError> {
        let names: BTreeSet<String> = metadata.iter().map(|one| one.name.clone()).collect();
        for family in &names {
            let suffixes = known.find(family).1.suffixes();
            let parts = suffixes.iter().map(|suffix| format!("{family}{suffix}"));
            let mut all = Vec::new();
            for name in BTreeSet::from_iter(parts.chain([family.clone()])) {
                let own = Matcher::equal(METRIC_NAME, &name);
                let matchers: Vec<Matcher> = matchers.iter().cloned().chain([own]).collect();
                all.extend(self.select(source, &matchers)?);
            }
            all.retain(|one| known.find(one.labels.name()).0 == family);
            self.write_selected(all, known, Some(&names), other_names)?;
        }
        Ok(())
    }

    /// Writes series family by family; `names` are all families that there are,
    /// where these are not all.
    fn write_selected(
        &mut self,
        selected: Vec<Selected>,
        known: &Families,
        names: Option<&BTreeSet<String>>,
        other_names: OtherNames,
    ) -> Result<(), ExportError> {
        let mut families: BTreeMap<String, Vec<Selected>> = BTreeMap::new();
        for one in selected {
            let is_other = other_names == OtherNames::LeaveOut && has_other_names(&one);
            if is_other || one.labels.name().is_empty() {
                self.counts.series_left_out += 1;
                continue;
            }
            let family = known.find(one.labels.name()).0.to_owned();
            families.entry(family).or_default().push(one);
        }
        let own: BTreeSet<String> = families.keys().cloned().collect();
        for (family, series) in families {
            self.write_family(&family, known, names.unwrap_or(&own), series)?;
        }
        Ok(())
    }

    /// The metadata come with the first sample: a family without one is not
    /// there.
    fn write_family(
        &mut self,
        family: &str,
        known: &Families,
        names: &BTreeSet<String>,
        series: Vec<Selected>,
    ) -> Result<(), ExportError> {
        let mut head = Some(render_head(family, known, names));
        let mut stretch = Stretch::default();
        for one in series {
            let prefix = one.labels.to_string();
            let mut samples = one.samples;
            let mut has_samples = false;
            stretch.clear();
            while samples.next(&mut stretch)? {
                let before = self.counts.samples;
                self.render_stretch(&mut head, &prefix, &stretch);
                let is_first = !has_samples && self.counts.samples > before;
                has_samples |= is_first;
                self.counts.series += u64::from(is_first);
                self.text.write_all(self.line.as_bytes())?;
            }
        }
        Ok(())
    }

    fn render_stretch(&mut self, head: &mut Option<String>, prefix: &str, stretch: &Stretch) {
        self.line.clear();
        for (time_msec, value) in stretch.times.iter().zip(&stretch.values) {
            if !(self.from_msec..=self.to_msec).contains(time_msec) {
                continue;
            }
            if is_stale(*value) {
                self.counts.markers_left_out += 1;
                continue;
            }
            self.line.push_str(&head.take().unwrap_or_default());
            let (value, time) = (render_number(*value), render_seconds(*time_msec));
            self.line.extend([prefix, " ", &value, " ", &time, "\n"]);
            self.counts.samples += 1;
        }
    }
}

/// `# HELP` and `# TYPE` of a family.
fn render_head(family: &str, known: &Families, names: &BTreeSet<String>) -> String {
    let kind = known.find(family).1;
    let (name, word) = match kind {
        MetricKind::Counter => {
            let base = family.strip_suffix("_total");
            let is_free = |base: &&str| !base.is_empty() && !names.contains(*base);
            base.filter(is_free)
                .map_or((family, "unknown"), |base| (base, "counter"))
        }
        MetricKind::Untyped => (family, "unknown"),
        kind @ (MetricKind::Gauge | MetricKind::Histogram | MetricKind::Summary) => {
            (family, kind.as_str())
        }
    };
    let mut head = String::new();
    let name = if is_metric_name(name) {
        name.to_owned()
    } else {
        render_quoted(name)
    };
    let help = known.help(family);
    if !help.is_empty() {
        let help = render_escaped(help);
        head.extend(["# HELP ", &name, " ", &help, "\n"]);
    }
    head.extend(["# TYPE ", &name, " ", word, "\n"]);
    head
}

fn render_quoted(text: &str) -> String {
    format!("\"{}\"", render_escaped(text))
}

fn render_escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n")
}

/// Decimal seconds, with as many digits as it takes: Prometheus multiplies the
/// nearest binary fraction by 1000 and cuts off what is behind the point, so
/// that some times need to be a little later to arrive as what they are.
fn render_seconds(time_msec: TimeMsec) -> String {
    let (whole, rest) = (time_msec / 1000, (time_msec % 1000).unsigned_abs());
    let sign = if time_msec < 0 && whole == 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let text = format!("{sign}{whole}.{rest:03}");
    let arrives = |text: &str| {
        let seconds = text.parse::<f64>().unwrap_or_default();
        format!("{:.0}", (seconds * 1000.0).trunc()) == time_msec.to_string()
    };
    if arrives(&text) {
        return text;
    }
    format!("{text}0003")
}

#[cfg(test)]
mod tests;
