//! Texts with values in them.

/// A text with places for values, such as `memory {{ value | round(1) }}% used`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl Template {
    /// A text without places.
    pub fn plain(text: &str) -> Self {
        Self {
            source: text.to_owned(),
        }
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}
