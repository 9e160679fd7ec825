//! Series text, `name{label="value",…}`, taken apart again.

use std::borrow::Cow;

/// A metric's name and the labels of one of its series.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
}

impl Series<'_> {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|label| label.0 == name);
        label.map(|label| label.1.as_ref())
    }

    /// All labels with their values, in the order of the text.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
    }
}

/// Takes series text apart; `None` where it is none.
pub(crate) fn parse_series(text: &str) -> Option<Series<'_>> {
    let Some((name, mut rest)) = text.split_once('{') else {
        return Some(Series {
            name: text,
            labels: Vec::new(),
        });
    };
    let mut labels = Vec::new();
    while rest != "}" {
        let (label, quoted) = rest.split_once("=\"")?;
        let (value, after) = parse_quoted(quoted)?;
        labels.push((label, value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(Series { name, labels })
}

/// The value up to the closing quote, without its escapes, and what follows.
fn parse_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if let Some(after) = text.get(end..)?.strip_prefix('"') {
        return Some((Cow::Borrowed(text.get(..end)?), after));
    }
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((Cow::Owned(value), characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
    use proptest::prelude::*;

    static METRIC: Metric = Metric {
        name: "node_filesystem_size_bytes",
        kind: MetricKind::Gauge,
        help: "",
    };

    proptest! {
        #[test]
        fn what_a_point_prints_is_taken_apart_again(device: String, mountpoint: String) {
            let labels = [("device", device.as_str()), ("mountpoint", mountpoint.as_str())];
            let text = Point::labelled(&METRIC, &labels, 1.0).series();
            let series = parse_series(&text).unwrap();
            prop_assert_eq!(series.name, METRIC.name);
            prop_assert_eq!(series.label("device"), Some(device.as_str()));
            prop_assert_eq!(series.label("mountpoint"), Some(mountpoint.as_str()));
        }

        #[test]
        fn any_text_is_taken(text: String) {
            drop(parse_series(&text));
        }
    }

    #[test]
    fn text_that_is_no_series_is_refused() {
        for text in [
            "a{",
            "a{b}",
            "a{b=c}",
            "a{b=\"c}",
            "a{b=\"c\"",
            "a{b=\"c\\\"}",
            "a{b=\"c\"}d",
        ] {
            assert_eq!(parse_series(text), None, "{text}");
        }
    }
}
