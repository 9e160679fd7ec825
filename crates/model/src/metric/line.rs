//! One line of the text format, taken apart from left to right.

use std::borrow::Cow;

use super::point::Label;

/// What is wrong in a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ExpositionError {
    /// Counts from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What was expected, and what is there.
    pub message: String,
}

/// What is left of a line.
#[derive(Clone)]
pub(super) struct Line<'text> {
    whole: &'text str,
    rest: &'text str,
    number: usize,
}

type Taken<T> = Result<T, ExpositionError>;

impl<'text> Line<'text> {
    /// The line `number`, which counts from 1, without its line feed.
    pub(super) fn new(text: &'text str, number: usize) -> Self {
        Self {
            whole: text,
            rest: text,
            number,
        }
    }

    /// Behind the last character of a line.
    pub(super) fn end_of(text: &'text str, number: usize) -> Self {
        Self {
            whole: text,
            rest: "",
            number,
        }
    }

    /// An error about what comes next.
    pub(super) fn error(&self, message: impl Into<String>) -> ExpositionError {
        let before = self.whole.len() - self.rest.len();
        let before = self.whole.get(..before).unwrap_or_default();
        ExpositionError {
            line: self.number,
            column: before.chars().count() + 1,
            message: message.into(),
        }
    }

    pub(super) fn expected(&self, what: &str) -> ExpositionError {
        let found = match self.peek() {
            Some(character) => format!("{character:?}"),
            None => "the end of the line".to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// What has not been taken yet.
    pub(super) fn rest(&self) -> &'text str {
        self.rest
    }

    /// Steps over as many bytes, or to the end where that is no place to stop.
    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Steps over the next character if it is this one.
    pub(super) fn skip(&mut self, character: char) -> bool {
        let after = self.rest.strip_prefix(character);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    pub(super) fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'text str {
        let end = self.rest.find(|character| !is_part(character));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Up to the next blank; may be empty.
    pub(super) fn take_word(&mut self) -> &'text str {
        self.take_while(|character| !matches!(character, ' ' | '\t'))
    }

    pub(super) fn take_metric_name(&mut self) -> Taken<&'text str> {
        let of_name =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
        self.take_name(of_name, "the name of a metric")
    }

    pub(super) fn take_name(
        &mut self,
        is_part: impl Fn(char) -> bool,
        what: &str,
    ) -> Taken<&'text str> {
        if self.peek().is_some_and(|first| first.is_ascii_digit()) {
            return Err(self.expected(what));
        }
        let mut after = self.clone();
        let name = after.take_while(is_part);
        if name.is_empty() {
            return Err(self.expected(what));
        }
        *self = after;
        Ok(name)
    }

    /// `{name="value",…}`, or nothing.
    pub(super) fn take_labels(&mut self) -> Taken<Vec<Label>> {
        let mut labels: Vec<Label> = Vec::new();
        if !self.skip('{') {
            return Ok(labels);
        }
        loop {
            self.skip_blanks();
            if self.skip('}') {
                return Ok(labels);
            }
            let place = self.clone();
            let (name, value) = self.take_label()?;
            if name == "__name__" {
                return Err(place.error("the label __name__ is the metric's own name"));
            }
            if labels.iter().any(|label| label.0 == name) {
                return Err(place.error(format!("a second label {name}")));
            }
            labels.push((Cow::Owned(name.to_owned()), value));
            self.skip_blanks();
            if !self.skip(',') && self.peek() != Some('}') {
                return Err(self.expected("',' or '}' behind a label"));
            }
        }
    }

    fn take_label(&mut self) -> Taken<(&'text str, String)> {
        let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let name = self.take_name(of_name, "the name of a label or '}'")?;
        self.skip_blanks();
        if !self.skip('=') {
            return Err(self.expected("'=' behind the name of a label"));
        }
        self.skip_blanks();
        if !self.skip('"') {
            return Err(self.expected("'\"' before the value of a label"));
        }
        let value = self.take_escaped(true)?;
        if !self.skip('"') {
            return Err(self.expected("'\"' behind the value of a label"));
        }
        Ok((name, value))
    }

    /// The rest of the line, without its escapes.
    pub(super) fn take_help(&mut self) -> Taken<String> {
        self.take_escaped(false)
    }

    /// Up to the closing quote or the end of the line.
    fn take_escaped(&mut self, is_quoted: bool) -> Taken<String> {
        let mut value = String::new();
        loop {
            value.push_str(
                self.take_while(|character| character != '\\' && !(is_quoted && character == '"')),
            );
            let place = self.clone();
            if !self.skip('\\') {
                return Ok(value);
            }
            let escaped = match self.peek() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if is_quoted => '"',
                _ if is_quoted => return Err(place.error(r#"expected \\, \" or \n"#)),
                _ => return Err(place.error(r"expected \\ or \n")),
            };
            value.push(escaped);
            let mut characters = self.rest.chars();
            characters.next();
            self.rest = characters.as_str();
        }
    }

    /// A number as Go and Rust read it, NaN and infinities included. One that
    /// is too large is none.
    pub(super) fn take_value(&mut self) -> Taken<f64> {
        let place = self.clone();
        let word = self.take_word();
        let is_infinity = || word.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() || value.is_nan() || is_infinity() => Ok(value),
            Ok(_) => Err(place.error(format!("{word} is too large for a number"))),
            Err(_) if word.is_empty() => Err(place.expected("a number")),
            Err(_) => Err(place.error(format!("expected a number, found '{word}'"))),
        }
    }

    /// Nothing but blanks is left. A time would be, and is no right of the
    /// writer: what is shown is what holds when it is asked for.
    pub(super) fn expect_no_time(&mut self) -> Taken<()> {
        self.skip_blanks();
        let mut after = self.clone();
        let word = after.take_word();
        if word.parse::<i64>().is_ok() {
            let message =
                format!("a sample with a time ({word}), which is not taken; leave it out");
            return Err(self.error(message));
        }
        self.expect_end()
    }

    pub(super) fn expect_end(&mut self) -> Taken<()> {
        self.skip_blanks();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }
}
