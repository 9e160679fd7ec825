//! The pieces of a template, and the tokens within its marks.

use std::ops::Range;

use super::TemplateError;

/// A piece of a template in our syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text, as bytes of the template.
    Text(Range<usize>),
    /// What stands between `{{` and `}}`.
    Print(Range<usize>),
    /// What stands between `{%` and `%}`.
    Statement(Range<usize>),
}

/// A token between two marks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    Number(String),
    /// The text that a literal stands for.
    Text(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 28] = [
    "==", "!=", "<=", ">=", ":=", "//", "**", "<", ">", "=", "|", "(", ")", "[", "]", "{", "}",
    ".", ",", ":", "+", "-", "*", "/", "%", "~", "$", "@",
];

/// The pieces of `text`, comments left out and marks that trim applied.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut is_trimmed = false;
    while at < text.len() {
        let open = next_mark(text, at);
        let end = open.map_or(text.len(), |(open, _)| open);
        let mut literal = at..end;
        if is_trimmed {
            literal.start += leading_space(&text[literal.clone()]);
        }
        let Some((open, close)) = open else {
            pieces.push(Piece::Text(literal));
            break;
        };
        let mut inner = open + 2;
        if text[inner..].starts_with('-') {
            literal.end = literal.start + text[literal.clone()].trim_end().len();
            inner += 1;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        let end = find_close(text, open, inner, close)?;
        is_trimmed = end > inner && text[..end].ends_with('-');
        let content = inner..if is_trimmed { end - 1 } else { end };
        match close {
            "}}" => pieces.push(Piece::Print(content)),
            "%}" => pieces.push(Piece::Statement(content)),
            _ => {}
        }
        at = end + 2;
    }
    Ok(pieces)
}

fn leading_space(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn next_mark(text: &str, from: usize) -> Option<(usize, &'static str)> {
    let marks = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    let found = marks
        .iter()
        .filter_map(|(open, close)| Some((from + text[from..].find(open)?, *close)));
    found.min()
}

/// Where `close` stands that ends what began at `open`, text literals skipped.
pub(super) fn find_close(
    text: &str,
    open: usize,
    from: usize,
    close: &str,
) -> Result<usize, TemplateError> {
    let mut quote = None;
    let mut chars = text[from..].char_indices();
    while let Some((index, c)) = chars.next() {
        match quote {
            Some(end) if c == end => quote = None,
            Some('"' | '\'') if c == '\\' => {
                chars.next();
            }
            Some(_) => {}
            None if text[from + index..].starts_with(close) => return Ok(from + index),
            None if close != "#}" && matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {}
        }
    }
    let mark = &text[open..open + 2];
    Err(
        TemplateError::new(open..open + 2, format!("'{mark}' is never closed"))
            .with_help(format!("close it with '{close}'")),
    )
}

/// The tokens of the bytes `span` of `text`.
pub(super) fn tokens(text: &str, span: Range<usize>) -> Result<Vec<Token>, TemplateError> {
    let mut tokens = Vec::new();
    let mut at = span.start;
    while at < span.end {
        let rest = &text[at..span.end];
        let Some(first) = rest.chars().next() else {
            break;
        };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = token(rest, first).ok_or_else(|| {
            let shown = lfs_wrapper_model::visible(&first.to_string());
            TemplateError::new(
                at..at + first.len_utf8(),
                format!("'{shown}' cannot be read"),
            )
        })?;
        let span = at..at + length;
        tokens.push(Token { kind, span });
        at += length;
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Option<(TokenKind, usize)> {
    let length = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    if first.is_ascii_alphabetic() || first == '_' {
        let length = length(|c| c.is_ascii_alphanumeric() || c == '_');
        return Some((TokenKind::Name(rest[..length].to_owned()), length));
    }
    if first.is_ascii_digit() {
        let length = length(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        return Some((TokenKind::Number(rest[..length].to_owned()), length));
    }
    if matches!(first, '"' | '\'' | '`') {
        return literal(rest, first);
    }
    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol))?;
    Some((TokenKind::Symbol(symbol), symbol.len()))
}

fn literal(rest: &str, quote: char) -> Option<(TokenKind, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == quote {
            return Some((TokenKind::Text(text), index + 1));
        }
        if c == '\\' && quote != '`' {
            let (_, escaped) = chars.next()?;
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' | '"' | '\'' => escaped,
                _ => return None,
            });
        } else {
            text.push(c);
        }
    }
    None
}

/// A text literal that our templates and Go's read alike.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
