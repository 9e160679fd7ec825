//! What a template may name, checked without rendering it: a branch that is
//! rarely taken is checked too.

use lfs_wrapper_model::document::nearest;

use super::TemplateError;
use super::environment::{FILTERS, FUNCTIONS, VARIABLES};
use super::syntax::{Piece, Token, TokenKind, pieces, tokens};

/// Statements that a template may have. Loops and variables would let a short
/// text become long.
const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];

/// Words that are neither names nor filters.
const WORDS: [&str; 14] = [
    "and", "or", "not", "in", "if", "elif", "else", "endif", "true", "false", "none", "True",
    "False", "None",
];

/// Nothing is nested deeper than this.
const DEPTH_MAX: usize = 32;

pub(super) fn check(text: &str) -> Result<(), TemplateError> {
    for piece in pieces(text)? {
        match piece {
            Piece::Text(_) => {}
            Piece::Print(span) => check_tokens(&tokens(text, span)?)?,
            Piece::Statement(span) => {
                let tokens = tokens(text, span.clone())?;
                check_statement(&tokens, span.start)?;
                check_tokens(&tokens)?;
            }
        }
    }
    Ok(())
}

fn check_statement(tokens: &[Token], at: usize) -> Result<(), TemplateError> {
    match tokens.first() {
        Some(Token {
            kind: TokenKind::Name(name),
            ..
        }) if STATEMENTS.contains(&name.as_str()) => Ok(()),
        Some(token) => Err(TemplateError::new(
            token.span.clone(),
            "a statement that is not known here",
        )
        .with_help("templates know if, elif, else and endif")),
        None => Err(TemplateError::new(at..at, "an empty statement")),
    }
}

fn check_tokens(tokens: &[Token]) -> Result<(), TemplateError> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &tokens[index].kind);
        match &token.kind {
            TokenKind::Symbol("(" | "[") => depth += 1,
            TokenKind::Symbol(")" | "]") => depth = depth.saturating_sub(1),
            TokenKind::Symbol("{" | "}") => {
                return Err(TemplateError::new(token.span.clone(), "a map"));
            }
            TokenKind::Name(name) => match before {
                Some(TokenKind::Symbol(".")) => {}
                Some(TokenKind::Symbol("|")) => check_name(token, name, "filter", &FILTERS)?,
                _ => check_variable(token, name)?,
            },
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(TemplateError::new(
                token.span.clone(),
                format!("more than {DEPTH_MAX} brackets within each other"),
            ));
        }
    }
    Ok(())
}

fn check_variable(token: &Token, name: &str) -> Result<(), TemplateError> {
    if WORDS.contains(&name) || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    check_name(token, name, "variable", &VARIABLES)
}

fn check_name(
    token: &Token,
    name: &str,
    what: &str,
    known: &[&'static str],
) -> Result<(), TemplateError> {
    if known.contains(&name) {
        return Ok(());
    }
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("known: {}", known.join(", ")),
    };
    let error = TemplateError::new(token.span.clone(), format!("unknown {what} '{name}'"));
    Err(error.with_help(help))
}
