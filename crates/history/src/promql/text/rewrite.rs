//! Tokens as the parser is given them: literals replaced by indices.

use std::ops::Range;

use super::super::error::{LimitHit, QueryError};
use super::error_at;
use super::literals::{Condition, Literals, WrittenMatcher};
use super::scan::{Kind, Token};
use crate::labels::METRIC_NAME;

/// What the parser is given for a piece of the text.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What the parser is given.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) pieces: Vec<Piece>,
    pub(super) literals: Literals,
}

impl Rewritten {
    /// Some of the pieces as one text.
    pub(super) fn text(&self, range: Range<usize>) -> String {
        let pieces = self.pieces.get(range).unwrap_or_default();
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        texts.join(" ")
    }
}

/// Replaces what is literal in `tokens`.
pub(super) fn rewrite(
    text: &str,
    tokens: &[Token<'_>],
    depth_max: usize,
) -> Result<Rewritten, QueryError> {
    let mut rewriter = Rewriter {
        text,
        tokens,
        next: 0,
        made: Rewritten::default(),
    };
    let mut open = 0_usize;
    let mut operators = 0_usize;
    while let Some(token) = rewriter.tokens.get(rewriter.next) {
        match token.piece {
            "(" | "[" => open += 1,
            ")" | "]" => open = open.saturating_sub(1),
            "," => {}
            _ if token.kind == Kind::Sign => operators += 1,
            _ if is_set_operator(token) => operators += 1,
            _ => {}
        }
        // A chain of operators is a tree as deep as the chain is long; the
        // tree's own depth is measured when it is there.
        if open > depth_max || operators > depth_max.saturating_mul(8) {
            return Err(LimitHit::Depth { limit: depth_max }.into());
        }
        rewriter.step(token)?;
    }
    Ok(rewriter.made)
}

fn is_set_operator(token: &Token<'_>) -> bool {
    ["and", "or", "unless", "atan2"]
        .iter()
        .any(|word| token.is_word(word))
}

struct Rewriter<'text> {
    text: &'text str,
    tokens: &'text [Token<'text>],
    next: usize,
    made: Rewritten,
}

impl<'text> Rewriter<'text> {
    fn step(&mut self, token: &Token<'text>) -> Result<(), QueryError> {
        self.next += 1;
        match &token.kind {
            Kind::Number(number) => self.push_number(token, *number),
            Kind::Text(value) => {
                let index = self.made.literals.add_text(value.clone());
                self.push(token, format!("\"{index}\""));
            }
            Kind::Word if token.is_word("inf") => self.push_number(token, f64::INFINITY),
            Kind::Word if token.is_word("nan") => self.push_number(token, f64::NAN),
            Kind::Sign if token.piece == "{" => return self.matchers(token),
            Kind::Word => {
                self.push(token, token.piece.to_owned());
                if self.is_before_labels(token) {
                    return self.labels();
                }
            }
            Kind::Sign => self.push(token, token.piece.to_owned()),
        }
        Ok(())
    }

    fn push(&mut self, token: &Token<'_>, text: String) {
        let from = token.from;
        let to = from + token.piece.len();
        self.made.pieces.push(Piece { text, from, to });
    }

    fn push_number(&mut self, token: &Token<'_>, number: f64) {
        let index = self.made.literals.add_number(number);
        self.push(token, index.to_string());
    }

    fn is_before_labels(&self, token: &Token<'_>) -> bool {
        let words = [
            "by",
            "without",
            "on",
            "ignoring",
            "group_left",
            "group_right",
        ];
        words.iter().any(|word| token.is_word(word))
            && self
                .tokens
                .get(self.next)
                .is_some_and(|next| next.is_sign("("))
    }

    fn take(&mut self) -> Option<&'text Token<'text>> {
        let token = self.tokens.get(self.next);
        self.next += 1;
        token
    }

    fn unexpected(&self, token: Option<&Token<'_>>, place: &str, wanted: &str) -> QueryError {
        match token {
            Some(token) => {
                let to = token.from + token.piece.len();
                let message = format!("unexpected {:?} in {place}, expected {wanted}", token.piece);
                error_at(self.text, token.from, to, message)
            }
            None => {
                let end = self.text.len();
                let message = format!("unexpected end of input in {place}, expected {wanted}");
                error_at(self.text, end, end, message)
            }
        }
    }

    /// A list of labels in parentheses becomes `(l1)`.
    fn labels(&mut self) -> Result<(), QueryError> {
        const PLACE: &str = "grouping opts";
        let mut names = Vec::new();
        let Some(open) = self.take() else {
            return Ok(());
        };
        loop {
            let token = self.take();
            match token {
                Some(token) if token.is_sign(")") => break,
                Some(Token {
                    kind: Kind::Text(name),
                    ..
                }) if !name.is_empty() => {
                    names.push(name.clone());
                }
                Some(token) if token.kind == Kind::Word && !token.piece.contains(':') => {
                    names.push(token.piece.to_owned());
                }
                _ => return Err(self.unexpected(token, PLACE, "label")),
            }
            match self.take() {
                Some(token) if token.is_sign(",") => {}
                Some(token) if token.is_sign(")") => break,
                token => return Err(self.unexpected(token, PLACE, "\",\" or \")\"")),
            }
        }
        let text = if names.is_empty() {
            "()".to_owned()
        } else {
            format!("(l{})", self.made.literals.add_labels(names))
        };
        self.push(open, text);
        Ok(())
    }

    /// Matchers in braces become `{m="1"}`.
    fn matchers(&mut self, open: &Token<'_>) -> Result<(), QueryError> {
        const PLACE: &str = "label matching";
        let mut matchers = Vec::new();
        loop {
            let token = self.take();
            let (name, is_text) = match token {
                Some(token) if token.is_sign("}") => break,
                Some(Token {
                    kind: Kind::Text(name),
                    ..
                }) => (name.clone(), true),
                Some(token) if token.kind == Kind::Word && !token.piece.contains(':') => {
                    (token.piece.to_owned(), false)
                }
                _ => return Err(self.unexpected(token, PLACE, "identifier or \"}\"")),
            };
            let next = self.tokens.get(self.next);
            let ends = next.is_some_and(|next| next.is_sign(",") || next.is_sign("}"));
            if let (true, true, Some(token)) = (is_text, ends, token) {
                matchers.push(WrittenMatcher {
                    name: METRIC_NAME.to_owned(),
                    condition: Condition::Equal,
                    value: name,
                    place: (token.from, token.from + token.piece.len()),
                });
            } else {
                matchers.push(self.matcher(name, PLACE)?);
            }
            match self.take() {
                Some(token) if token.is_sign(",") => {}
                Some(token) if token.is_sign("}") => break,
                token => return Err(self.unexpected(token, PLACE, "\",\" or \"}\"")),
            }
        }
        let index = self.made.literals.add_matchers(matchers);
        self.push(open, format!("{{m=\"{index}\"}}"));
        Ok(())
    }

    fn matcher(&mut self, name: String, place: &str) -> Result<WrittenMatcher, QueryError> {
        let token = self.take();
        let condition = match token.map(|token| token.piece) {
            Some("=") => Condition::Equal,
            Some("!=") => Condition::NotEqual,
            Some("=~") => Condition::Match,
            Some("!~") => Condition::NoMatch,
            _ => return Err(self.unexpected(token, place, "label matching operator")),
        };
        match self.take() {
            Some(Token {
                kind: Kind::Text(value),
                from,
                piece,
            }) => Ok(WrittenMatcher {
                name,
                condition,
                value: value.clone(),
                place: (*from, from + piece.len()),
            }),
            token => Err(self.unexpected(token, place, "string")),
        }
    }
}
