//! From a query's text to the parser's tree.
//!
//! The parser (`promql-parser`) knows precedence, calls and types. It panics at
//! some numbers, wants Rust's regular expressions, tells no positions and
//! recurses as deep as the query is nested. So the text is taken into tokens
//! here first; everything literal (numbers, durations, strings, matchers, lists
//! of labels) is read here and handed to the parser as a mere index into
//! [`Literals`]; and what is too long or too deep never reaches it.

mod literals;
mod locate;
mod rewrite;
mod scan;

pub(super) use literals::{Condition, Literals, WrittenMatcher};

use promql_parser::parser::Expr;

use super::error::{LimitHit, QueryError};
use super::limits::Limits;
use rewrite::{Piece, Rewritten};

/// A query that was parsed, and what its indices mean.
pub(super) struct Parsed {
    pub(super) expression: Expr,
    pub(super) literals: Literals,
}

/// Parses `text`.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Parsed, QueryError> {
    if text.len() > limits.text_max {
        let limit = limits.text_max;
        return Err(LimitHit::Text { limit }.into());
    }
    let tokens = scan::scan(text)?;
    let mut rewritten = rewrite::rewrite(text, &tokens, limits.depth_max)?;
    let whole = rewritten.text(0..rewritten.pieces.len());
    match promql_parser::parser::parse(&whole) {
        Ok(expression) => {
            check_signs(text, &mut rewritten)?;
            Ok(Parsed {
                expression,
                literals: rewritten.literals,
            })
        }
        Err(message) => Err(locate::error(text, &rewritten, &message)),
    }
}

/// The parser drops a sign `+` and does not look at what it stands before, but
/// looks at what a `-` stands before. Between two expressions both are alike.
fn check_signs(text: &str, rewritten: &mut Rewritten) -> Result<(), QueryError> {
    let is_plus = |piece: &&mut Piece| piece.text == "+";
    let mut count = 0;
    for piece in rewritten.pieces.iter_mut().filter(is_plus) {
        "-".clone_into(&mut piece.text);
        count += 1;
    }
    if count == 0 {
        return Ok(());
    }
    let whole = rewritten.text(0..rewritten.pieces.len());
    match promql_parser::parser::parse(&whole) {
        Ok(_) => Ok(()),
        Err(message) => Err(locate::error(text, rewritten, &message)),
    }
}

/// The error `message` about the piece of `text` that begins at the byte `from`.
pub(super) fn error_at(
    text: &str,
    from: usize,
    to: usize,
    message: impl Into<String>,
) -> QueryError {
    let before = text.get(..from).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let piece: String = text.get(from..to).unwrap_or("").chars().take(80).collect();
    QueryError::Parse {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        message: message.into(),
        piece,
    }
}
