//! What a query says literally, which the parser sees as indices.

use super::super::number::to_whole;

/// Everything literal in a query. Indices count from 1, so that a sign before
/// one is kept.
#[derive(Debug, Default)]
pub(in super::super) struct Literals {
    numbers: Vec<f64>,
    texts: Vec<String>,
    matchers: Vec<Vec<WrittenMatcher>>,
    labels: Vec<Vec<String>>,
}

/// A matcher as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct WrittenMatcher {
    pub(in super::super) name: String,
    pub(in super::super) condition: Condition,
    pub(in super::super) value: String,
    /// Where in the text the value begins and ends.
    pub(in super::super) place: (usize, usize),
}

/// The operator of a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Condition {
    Equal,
    NotEqual,
    Match,
    NoMatch,
}

fn add<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len()
}

impl Literals {
    pub(super) fn add_number(&mut self, number: f64) -> usize {
        add(&mut self.numbers, number)
    }

    pub(super) fn add_text(&mut self, text: String) -> usize {
        add(&mut self.texts, text)
    }

    pub(super) fn add_matchers(&mut self, matchers: Vec<WrittenMatcher>) -> usize {
        add(&mut self.matchers, matchers)
    }

    pub(super) fn add_labels(&mut self, labels: Vec<String>) -> usize {
        add(&mut self.labels, labels)
    }

    /// The number that the parser's number `index` stands for.
    pub(in super::super) fn number(&self, index: f64) -> Option<f64> {
        let number = self.numbers.get(position(to_whole(index.abs()))?)?;
        Some(if index < 0.0 { -number } else { *number })
    }

    /// The number of seconds that the parser's duration stands for.
    pub(in super::super) fn seconds(&self, index: u64) -> Option<f64> {
        let index = i64::try_from(index).ok()?;
        self.numbers.get(position(index)?).copied()
    }

    pub(in super::super) fn text(&self, index: &str) -> Option<&str> {
        let text = self.texts.get(position(index.parse().ok()?)?)?;
        Some(text)
    }

    pub(in super::super) fn matchers(&self, index: &str) -> Option<&[WrittenMatcher]> {
        let matchers = self.matchers.get(position(index.parse().ok()?)?)?;
        Some(matchers)
    }

    /// The list that the parser's label `name` stands for.
    pub(in super::super) fn labels(&self, name: &str) -> Option<&[String]> {
        let labels = self
            .labels
            .get(position(name.strip_prefix('l')?.parse().ok()?)?)?;
        Some(labels)
    }
}

fn position(index: i64) -> Option<usize> {
    usize::try_from(index.checked_sub(1)?).ok()
}
