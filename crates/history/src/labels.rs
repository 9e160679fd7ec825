//! The labels of a series.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The labels of a series, its name among them as `__name__`, sorted by name.
/// A label with an empty value is the same as none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(String, String)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Labels {
    /// The labels `pairs`, in any order. Of two with the same name the later
    /// one counts.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut sorted: Vec<(String, String)> = pairs.into_iter().collect();
        // Stable: the later of two stays the later one.
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        sorted.reverse();
        sorted.dedup_by(|one, other| one.0 == other.0);
        sorted.reverse();
        sorted.retain(|(_, value)| !value.is_empty());
        Self(sorted.into())
    }

    /// The value of the label `name`; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|pair| pair.0.as_str().cmp(name));
        found.map_or("", |index| self.0[index].1.as_str())
    }

    /// The metric's name; empty where there is none.
    pub fn name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many labels there are, the name included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Those of which `keep` says so.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let pairs = self.0.iter().filter(|(name, _)| keep(name));
        Self(pairs.cloned().collect())
    }

    /// The same with the label `name` set to `value`; without it where `value`
    /// is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let set = (name.to_owned(), value.to_owned());
        Self::new(self.0.iter().cloned().chain([set]))
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self::new(pairs)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// As Prometheus writes them: `name{label="value"}`; names that its older
/// versions did not take are quoted: `{"metric.name","label.name"="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let is_plain = is_metric_name(name);
        if is_plain {
            formatter.write_str(name)?;
        }
        let mut separator = '{';
        if !is_plain && !name.is_empty() {
            formatter.write_char(separator)?;
            write_quoted(formatter, name)?;
            separator = ',';
        }
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            formatter.write_char(separator)?;
            separator = ',';
            if is_label_name(name) {
                formatter.write_str(name)?;
            } else {
                write_quoted(formatter, name)?;
            }
            formatter.write_char('=')?;
            write_quoted(formatter, value)?;
        }
        match separator {
            ',' => formatter.write_char('}'),
            _ if name.is_empty() => formatter.write_str("{}"),
            _ => Ok(()),
        }
    }
}

fn write_quoted(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    formatter.write_char('"')?;
    for character in text.chars() {
        match character {
            '\\' => formatter.write_str("\\\\")?,
            '"' => formatter.write_str("\\\"")?,
            '\n' => formatter.write_str("\\n")?,
            _ => formatter.write_char(character)?,
        }
    }
    formatter.write_char('"')
}

/// Whether `name` can stand before the braces.
pub fn is_metric_name(name: &str) -> bool {
    is_name(name, &['_', ':'])
}

/// Whether `name` can be a label's without quotes.
pub fn is_label_name(name: &str) -> bool {
    is_name(name, &['_'])
}

fn is_name(name: &str, besides: &[char]) -> bool {
    let is_first =
        |character: char| character.is_ascii_alphabetic() || besides.contains(&character);
    name.starts_with(is_first)
        && name
            .chars()
            .all(|character| is_first(character) || character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn they_are_sorted_the_later_of_two_counts_and_an_empty_value_is_none() {
        let made = labels(&[
            ("b", "1"),
            (METRIC_NAME, "up"),
            ("b", "2"),
            ("a", "x"),
            ("c", ""),
        ]);
        assert_eq!(made.to_string(), r#"up{a="x",b="2"}"#);
        assert_eq!((made.get("b"), made.get("c"), made.name()), ("2", "", "up"));
        assert_eq!(made.with("a", "").to_string(), r#"up{b="2"}"#);
        assert_eq!(made.filter(|name| name == "a").to_string(), r#"{a="x"}"#);
        assert_eq!(labels(&[]).to_string(), "{}");
        assert_eq!(labels(&[(METRIC_NAME, "up")]).to_string(), "up");
    }

    #[test]
    fn names_of_any_text_are_quoted_and_values_escaped() {
        let made = labels(&[(METRIC_NAME, "größe.1"), ("a b", "x\"\\\n")]);
        assert_eq!(made.to_string(), "{\"größe.1\",\"a b\"=\"x\\\"\\\\\\n\"}");
    }
}
