//! Reading a TOML document, and errors that show the line they are about.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What is wrong in a document, and where.
#[derive(Debug)]
pub struct DocumentError {
    path: PathBuf,
    message: String,
    place: Option<Place>,
    help: Option<String>,
}

/// A place in a text; line and column count from 1, columns in characters.
#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    /// `None`: it is a secret.
    line_text: Option<String>,
    width: usize,
}

impl DocumentError {
    /// An error about the bytes `span` of `text`, which was read from `path`.
    pub fn at(path: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: seen(&message.into()),
            place: Some(Place::of(text, span)),
            help: None,
        }
    }

    /// An error about the document as a whole.
    pub fn whole(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: seen(&message.into()),
            place: None,
            help: None,
        }
    }

    /// The same error without the text of its line, since that is a secret.
    #[must_use]
    pub fn without_text(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.line_text = None;
        }
        self
    }

    /// The line it is about; counts from 1. `None` where it is about the whole.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The same error for a line that may have secrets: keys and brackets stay,
    /// and each character of a value becomes a star.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.line_text = place.line_text.as_deref().map(hide_values);
        }
        // serde says what it found: invalid type: string "…", expected a map.
        let found = self.message.split_once(": string \"");
        if let Some((before, rest)) = found
            && let Some((_, expected)) = rest.rsplit_once("\", expected")
        {
            self.message = format!("{before}: string \"…\", expected{expected}");
        }
        self
    }

    /// The same error with a word on what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Place {
    fn of(text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text[line_start..].lines().next().unwrap_or_default();
        let rest_of_line = line_text.len().saturating_sub(start - line_start);
        let end = floor_boundary(text, span.end.min(start + rest_of_line)).max(start);
        Self {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            line_text: Some(seen(line_text)),
            width: text[start..end].chars().count().max(1),
        }
    }
}

/// What is quoted of a document does nothing to a terminal, and one character
/// stays one character, so that the marks stand below what they mean.
fn seen(text: &str) -> String {
    let seen = |character: char| match character {
        '\n' => '\n',
        '\t' => ' ',
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    text.chars().map(seen).collect()
}

fn hide_values(line: &str) -> String {
    let (key, value) = line.split_at(line.find('=').unwrap_or(0));
    let hidden = value.chars().map(|one| match one {
        '=' | '{' | '}' | '[' | ']' | ',' => one,
        one if one.is_whitespace() => one,
        _ => '*',
    });
    key.chars().chain(hidden).collect()
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(place.column - 1);
            let marks = "^".repeat(place.width);
            write!(f, ":{number}:{}: {}", place.column, self.message)?;
            if let Some(line_text) = &place.line_text {
                write!(f, "\n  {number} | {line_text}")?;
                write!(f, "\n  {margin} | {indent}{marks}")?;
            }
        } else {
            write!(f, ": {}", self.message)?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DocumentError {}

/// Reads `text` as TOML into `T`. An unknown key is answered with the nearest
/// known one.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, DocumentError> {
    toml::from_str(text).map_err(|error| {
        let (message, help) = explain(error.message());
        let mut explained = match error.span() {
            Some(span) => DocumentError::at(path, text, span, message),
            None => DocumentError::whole(path, message),
        };
        explained.help = help;
        explained
    })
}

/// serde reports an unknown key as "unknown field `x`, expected one of `a`,
/// `b`": the one place where the known keys of a struct can be had.
fn explain(message: &str) -> (String, Option<String>) {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return (message.to_owned(), None);
    };
    let mut words = rest.split('`').step_by(2);
    let key = words.next().unwrap_or_default();
    let known: Vec<&str> = words.collect();
    let help = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => "no key is allowed here".to_owned(),
        None => format!("known keys: {}", known.join(", ")),
    };
    (format!("unknown key '{key}'"), Some(help))
}

/// The candidate most like `word`, if one is near enough to have been meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.6;
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(word, candidate),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(rename = "threshold")]
        _threshold: Option<f64>,
        #[serde(rename = "interval")]
        _interval: Option<u32>,
    }

    fn error_of(text: &str) -> String {
        parse::<Settings>(Path::new("config.toml"), text)
            .expect_err("the text is wrong")
            .to_string()
    }

    #[test]
    fn an_unknown_key_is_shown_in_its_line_with_the_nearest_known_one() {
        assert_eq!(
            error_of("interval = 1\ntreshold = 2.0\n"),
            "config.toml:2:1: unknown key 'treshold'\n  \
             2 | treshold = 2.0\n    \
               | ^^^^^^^^\n  \
             did you mean 'threshold'?"
        );
    }

    #[test]
    fn a_key_like_no_other_lists_them_all() {
        assert!(error_of("zzz = 1").ends_with("known keys: threshold, interval"));
    }

    #[test]
    fn what_is_quoted_does_nothing_to_a_terminal() {
        assert_eq!(
            error_of("interval =\t[1, \u{9b}]").lines().nth(1),
            Some("  1 | interval = [1, \u{fffd}]")
        );
        let error = error_of("\"a\\u001bb\" = 1");
        assert!(
            !error.replace('\n', "").contains(char::is_control),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_type_names_the_place() {
        let error = error_of("# é\ninterval = \"ten\"\n");
        assert!(error.starts_with("config.toml:2:12: "), "{error}");
    }
}
