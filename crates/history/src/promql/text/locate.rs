//! Where in a text the parser's error is: it does not tell.

use super::super::error::QueryError;
use super::error_at;
use super::rewrite::Rewritten;

/// What the parser says where the grammar does not allow the text; every other
/// message is about the types of a text that the grammar allows.
const NO_GRAMMAR: &str = "invalid promql query";

/// What can make a beginning whole: an operand, an operator's rest, nothing.
const ENDINGS: [&str; 12] = [
    "",
    "x",
    "1",
    "1 ]",
    "]",
    "( l1 ) ( x )",
    "( x )",
    "( l1 ) x",
    "( )",
    "x , x",
    "( l1 )",
    ": ]",
];

/// Where a text has more pieces than this, nothing is looked for: it would take seconds.
const PIECES_MAX: usize = 2000;

/// How many pieces of a text are tried as calls of their own.
const CALLS_MAX: usize = 64;

/// The error `message` with its place.
pub(super) fn error(text: &str, rewritten: &Rewritten, message: &str) -> QueryError {
    if rewritten.pieces.is_empty() {
        return error_at(text, 0, 0, "no expression found in input");
    }
    let message = meaning(rewritten, message);
    if rewritten.pieces.len() > PIECES_MAX {
        return error_at(text, 0, 0, message);
    }
    if message == NO_GRAMMAR || !is_about_types(&message) {
        return unexpected(text, rewritten);
    }
    let (from, to) = smallest_call(rewritten).unwrap_or((0, rewritten.pieces.len()));
    let start = rewritten.pieces.get(from).map_or(0, |piece| piece.from);
    let end = rewritten
        .pieces
        .get(to.saturating_sub(1))
        .map_or(0, |piece| piece.to);
    error_at(text, start, end, message)
}

fn parse_error(text: &str) -> Option<String> {
    promql_parser::parser::parse(text).err()
}

/// The first piece after which no text can be whole.
fn unexpected(text: &str, rewritten: &Rewritten) -> QueryError {
    let count = rewritten.pieces.len();
    let (mut fits, mut fails) = (0, count + 1);
    while fails - fits > 1 {
        let middle = fits + (fails - fits) / 2;
        if middle <= count && is_beginning(rewritten, middle) {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    match rewritten.pieces.get(fits) {
        Some(piece) => {
            let written = text.get(piece.from..piece.to).unwrap_or("");
            let message = format!("unexpected {written:?}");
            error_at(text, piece.from, piece.to, message)
        }
        None => error_at(text, text.len(), text.len(), "unexpected end of input"),
    }
}

/// Whether the first `count` pieces begin a query.
fn is_beginning(rewritten: &Rewritten, count: usize) -> bool {
    let beginning = rewritten.text(0..count);
    let mut open = 0_usize;
    for piece in rewritten.pieces.iter().take(count) {
        match piece.text.as_str() {
            "(" => open += 1,
            ")" if open == 0 => return false,
            ")" => open -= 1,
            _ => {}
        }
    }
    let closing = " )".repeat(open);
    ENDINGS.iter().any(|ending| {
        let whole = format!("{beginning} {ending}{closing}");
        parse_error(&whole).is_none_or(|message| is_about_types(&message))
    })
}

/// Whether the grammar allows the text: neither it nor the parser's own scanner
/// made the message.
fn is_about_types(message: &str) -> bool {
    let others = [NO_GRAMMAR, "unexpected", "unclosed", "bad number"];
    !others.iter().any(|start| message.starts_with(start))
}

/// The first and the last of the pieces of the innermost call that is wrong by itself.
fn smallest_call(rewritten: &Rewritten) -> Option<(usize, usize)> {
    let pieces = &rewritten.pieces;
    let is_open = |at: usize| pieces.get(at).is_some_and(|piece| piece.text == "(");
    let starts = (0..pieces.len()).rev().filter(|at| is_open(at + 1));
    starts.take(CALLS_MAX).find_map(|start| {
        let end = end_of_call(rewritten, start + 1)?;
        let message = parse_error(&rewritten.text(start..end))?;
        is_about_types(&message).then_some((start, end))
    })
}

fn end_of_call(rewritten: &Rewritten, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, piece) in rewritten.pieces.iter().enumerate().skip(open) {
        match piece.text.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The parser's message in the words of the HTTP API, as far as they differ.
fn meaning(rewritten: &Rewritten, message: &str) -> String {
    let message = message
        .replace("got: ", "got ")
        .replace("scalar or vector", "scalar or instant vector")
        .replace("got vector", "got instant vector")
        .replace("got matrix", "got range vector")
        .replace("type vector", "type instant vector")
        .replace("type matrix", "type range vector");
    // A timestamp that does not fit is told by its index.
    match message.rsplit_once(": ") {
        Some((start, index)) if start.starts_with("timestamp out of bounds") => {
            let number = index
                .parse()
                .ok()
                .and_then(|index| rewritten.literals.number(index));
            format!("{start}: {}", number.unwrap_or(f64::NAN))
        }
        _ => message,
    }
}
