//! A document as a tree with the place of everything in it: what TOML and YAML
//! have in common.

use std::ops::Range;
use std::path::Path;

use lfs_wrapper_model::document::{DocumentError, nearest};
use lfs_wrapper_model::{parse_duration, visible};

/// Something in a document, and which bytes of the file it is.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

/// What is wrong, where, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span: span.clone(),
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn into_error(self, path: &Path, text: &str) -> DocumentError {
        let error = DocumentError::at(path, text, self.span, self.message);
        match self.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}

/// A map whose keys are all known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) span: &'a Range<usize>,
    entries: &'a [Entry],
}

impl Node {
    fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a table",
        }
    }

    fn wrong_kind(&self, expected: &str) -> Wrong {
        Wrong::new(
            &self.span,
            format!("{} where {expected} should be", self.kind()),
        )
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, help: &str) -> Result<&str, Wrong> {
        match &self.value {
            Value::Text(text) if text.trim().is_empty() => {
                Err(Wrong::new(&self.span, "an empty text").with_help(help))
            }
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_kind("a text").with_help(help)),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, Wrong> {
        match self.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.wrong_kind("true or false")),
        }
    }

    /// A number that is one.
    pub(crate) fn number(&self) -> Result<f64, Wrong> {
        match self.value {
            Value::Number(value) if value.is_finite() => Ok(value),
            Value::Number(value) => Err(Wrong::new(&self.span, format!("{value} as a threshold"))
                .with_help("give a number that values can be beyond")),
            _ => Err(self.wrong_kind("a number")),
        }
    }

    pub(crate) fn duration_msec(&self) -> Result<i64, Wrong> {
        const HELP: &str = "give a time such as \"30s\", \"5m\" or \"1h30m\"";
        match &self.value {
            Value::Text(text) => {
                parse_duration(text).map_err(|error| Wrong::new(&self.span, error.to_string()))
            }
            _ => Err(self.wrong_kind("a time").with_help(HELP)),
        }
    }

    pub(crate) fn list(&self) -> Result<&[Self], Wrong> {
        match &self.value {
            Value::List(nodes) => Ok(nodes),
            _ => Err(self.wrong_kind("a list")),
        }
    }

    /// A table whatever its keys.
    pub(crate) fn map(&self) -> Result<&[Entry], Wrong> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(self.wrong_kind("a table")),
        }
    }

    /// A table that has no keys but `known`.
    pub(crate) fn fields(&self, known: &[&str]) -> Result<Fields<'_>, Wrong> {
        let entries = self.map()?;
        match entries
            .iter()
            .find(|entry| !known.contains(&entry.key.as_str()))
        {
            Some(entry) => Err(unknown("key", &entry.key, &entry.key_span, known)),
            None => Ok(Fields {
                span: &self.span,
                entries,
            }),
        }
    }
}

/// A word that is none of `known`.
pub(crate) fn unknown(what: &str, word: &str, span: &Range<usize>, known: &[&str]) -> Wrong {
    let help = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("known: {}", known.join(", ")),
    };
    Wrong::new(span, format!("unknown {what} '{}'", visible(word))).with_help(help)
}

impl<'a> Fields<'a> {
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub(crate) fn require(&self, key: &str, help: &str) -> Result<&'a Node, Wrong> {
        self.get(key)
            .ok_or_else(|| Wrong::new(self.span, format!("'{key}' is missing")).with_help(help))
    }

    pub(crate) fn duration_msec(&self, key: &str) -> Result<Option<i64>, Wrong> {
        self.get(key).map(Node::duration_msec).transpose()
    }
}

/// Which bytes of `file` the bytes `part` of `text` are, which stands at `span`
/// there, in quotes or as a block; all of it where it is written in another way.
pub(crate) fn place_within(
    file: &str,
    span: &Range<usize>,
    text: &str,
    part: &Range<usize>,
) -> Range<usize> {
    let written = file.get(span.clone()).unwrap_or_default();
    let second_line = written
        .find('\n')
        .map_or(written.len(), |newline| newline + 1);
    // As it is, in one quote, in three, below the mark of a block.
    [0, 1, 3, second_line]
        .into_iter()
        .filter_map(|start| Some((start, decode(written, start)?)))
        .find_map(|(start, written)| {
            let place = align(&written, text, part)?;
            let start = span.start + start;
            Some(start + place.start..start + place.end)
        })
        .unwrap_or_else(|| span.clone())
}

/// What `written` stands for from `start` on, but for spaces and line breaks,
/// and where each character stands after `start`. `None` for escapes that are
/// rare.
fn decode(written: &str, start: usize) -> Option<Vec<(usize, char)>> {
    let quote = written.chars().next().filter(|_| start > 0);
    let mut chars = written.get(start..)?.char_indices().peekable();
    let mut decoded = Vec::new();
    while let Some((at, c)) = chars.next() {
        let c = match (quote, c) {
            (Some('"'), '\\') => match chars.next()?.1 {
                c @ ('"' | '\\' | '/') => c,
                'n' | 't' | 'r' => ' ',
                c if c.is_whitespace() => c,
                _ => return None,
            },
            // YAML doubles the quote within it.
            (Some('\''), '\'') => chars
                .next_if(|(_, next)| *next == '\'')
                .map_or(c, |(_, c)| c),
            _ => c,
        };
        if !c.is_whitespace() {
            decoded.push((at, c));
        }
    }
    Some(decoded)
}

/// The same characters but for spaces and line breaks: blocks are indented and
/// lines folded.
fn align(written: &[(usize, char)], text: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let mut place: Option<Range<usize>> = None;
    let mut end = 0;
    let seen = text.char_indices().filter(|(_, c)| !c.is_whitespace());
    for (index, (at, c)) in seen.enumerate() {
        let (found, other) = *written.get(index)?;
        if other != c {
            return None;
        }
        end = found + c.len_utf8();
        if at >= part.start && (at < part.end || place.is_none()) {
            let start = place.map_or(found, |place| place.start);
            place = Some(start..if at < part.end { end } else { found });
        }
    }
    Some(place.unwrap_or(end..end))
}
