//! Regular expressions of labels' values, as Prometheus reads them.
//!
//! Prometheus has Go's dialect (RE2, <https://github.com/google/re2/wiki/Syntax>),
//! whose classes are ASCII; it is rewritten into the one of the crate `regex`
//! ([`dialect`]). What is only a choice between texts becomes a set.

mod dialect;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// How many bytes the compiled patterns of a query may take in all.
const COMPILED_BYTES_MAX: usize = 16 << 20;

/// What a pattern counts for at least.
const COMPILED_BYTES_MIN: usize = 64 << 10;

/// What a pattern may keep of its states while it is used, at least: it is this
/// or what it counts for.
const STATES_BYTES_MIN: usize = 256 << 10;

/// By how much more is tried when a pattern does not fit.
const GROWTH: usize = 2;

/// A pattern that a whole text must match.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Texts(Arc<HashSet<String>>),
    Expression(Regex),
}

impl Pattern {
    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Texts(texts) => texts.contains(text),
            Kind::Expression(expression) => expression.is_match(text),
        }
    }
}

/// Why there is no such pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It is no expression.
    #[error("{0}")]
    Wrong(String),
    /// The patterns of the query are too large.
    #[error("the patterns take more than {limit} bytes when compiled")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// Compiles the patterns of one query, equal ones once.
#[derive(Debug)]
pub(crate) struct Patterns {
    left_bytes: usize,
    known: HashMap<String, Pattern>,
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            left_bytes: COMPILED_BYTES_MAX,
            known: HashMap::new(),
        }
    }
}

impl Patterns {
    /// The pattern that is written so.
    pub(crate) fn compile(&mut self, written: &str) -> Result<Pattern, PatternError> {
        if let Some(pattern) = self.known.get(written) {
            return Ok(pattern.clone());
        }
        let translated = dialect::translate(written).map_err(PatternError::Wrong)?;
        let kind = match translated.texts {
            Some(texts) => Kind::Texts(Arc::new(texts.into_iter().collect())),
            None => Kind::Expression(self.build(&translated.expression)?),
        };
        let pattern = Pattern(kind);
        self.known.insert(written.to_owned(), pattern.clone());
        Ok(pattern)
    }

    /// The expression that is written so, for its groups.
    pub(crate) fn compile_groups(&mut self, written: &str) -> Result<Regex, PatternError> {
        let translated = dialect::translate(written).map_err(PatternError::Wrong)?;
        self.build(&translated.expression)
    }

    /// Anchored at both ends; `.` is a line feed too. The engine does not tell how
    /// large an expression is: what it needed less than is what it counts for.
    fn build(&mut self, expression: &str) -> Result<Regex, PatternError> {
        let whole = format!("^(?s:{expression})$");
        let mut bytes = COMPILED_BYTES_MIN.min(self.left_bytes);
        loop {
            let built = RegexBuilder::new(&whole)
                .size_limit(bytes)
                .dfa_size_limit(bytes.max(STATES_BYTES_MIN))
                .build();
            match built {
                Ok(expression) => {
                    self.left_bytes -= bytes;
                    return Ok(expression);
                }
                Err(regex::Error::CompiledTooBig(_)) if bytes < self.left_bytes => {
                    bytes = bytes.saturating_mul(GROWTH).min(self.left_bytes);
                }
                Err(regex::Error::CompiledTooBig(_)) => {
                    let limit = COMPILED_BYTES_MAX;
                    return Err(PatternError::TooLarge { limit });
                }
                Err(error) => return Err(PatternError::Wrong(last_line(&error.to_string()))),
            }
        }
    }
}

/// The engine draws the pattern over several lines; the last one says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or(error);
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_ordinary_patterns_of_any_length_fit_and_what_is_huge_does_not() {
        let names: Vec<String> = (0..400)
            .map(|number| format!("node-{number:05}.example.org:9100"))
            .collect();
        let mut patterns = Patterns::default();
        for written in [
            "\\w{25}",
            "[\\w.-]{1,63}",
            "\\pL{1,100}",
            names.join("|").as_str(),
            &names.join("|").replace('.', "\\."),
        ] {
            patterns.compile(written).unwrap();
        }
        let chosen = patterns.compile(&names.join("|")).unwrap();
        assert!(chosen.is_match("node-00399.example.org:9100"));
        assert!(chosen.is_match("node-00399xexample.org:9100"));
        assert!(!chosen.is_match("node-00400.example.org:9100"));
        let limit = COMPILED_BYTES_MAX;
        let huge = patterns.compile("(\\pL{100}){1000}").unwrap_err();
        assert_eq!(huge, PatternError::TooLarge { limit });
    }

    #[test]
    fn equal_patterns_count_once_and_all_together_are_limited() {
        let mut patterns = Patterns::default();
        for _ in 0..3000 {
            patterns.compile("\\w{20}").unwrap();
        }
        let before = patterns.left_bytes;
        patterns.compile("one|two|[ab]").unwrap();
        assert!(patterns.left_bytes < before);
        let mut different = (1..3000).map(|length| patterns.compile(&format!("\\w{{2}}{length}")));
        assert!(different.any(|made| made.is_err()));
    }
}
