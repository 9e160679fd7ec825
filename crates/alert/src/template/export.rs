//! Our templates as Prometheus' rule files have them, where those can say the
//! same.

use lfs_wrapper_model::Severity;

use super::go_call::FUNCTIONS;
use super::number;
use super::syntax::{Piece, Token, TokenKind, pieces, quote, tokens};
use crate::rule::Labels;

/// What is known when a rule is written for Prometheus, whose templates know
/// neither the rule nor the level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Constants<'a> {
    pub(crate) rule: Option<&'a str>,
    pub(crate) severity: Option<Severity>,
    pub(crate) threshold: Option<f64>,
    /// Labels of the rule itself: Prometheus' templates see only the series'.
    pub(crate) labels: Option<&'a Labels>,
}

/// Text as a Go template that shows it.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

pub(super) fn to_go(text: &str, constants: &Constants<'_>) -> Option<String> {
    let mut go = String::new();
    for piece in pieces(text).ok()? {
        match piece {
            Piece::Text(span) => go.push_str(&literal(&text[span])),
            Piece::Print(span) => {
                let tokens = tokens(text, span).ok()?;
                let value = Parser::new(&tokens, constants).whole()?;
                go.push_str(&format!("{{{{ {value} }}}}"));
            }
            Piece::Statement(span) => {
                let tokens = tokens(text, span).ok()?;
                go.push_str(&statement(&tokens, constants)?);
            }
        }
    }
    Some(go)
}

fn statement(tokens: &[Token], constants: &Constants<'_>) -> Option<String> {
    let TokenKind::Name(word) = &tokens.first()?.kind else {
        return None;
    };
    let condition = || Parser::new(&tokens[1..], constants).whole();
    match word.as_str() {
        "if" => Some(format!("{{{{ if {} }}}}", condition()?)),
        "elif" => Some(format!("{{{{ else if {} }}}}", condition()?)),
        "else" => Some("{{ else }}".to_owned()),
        "endif" => Some("{{ end }}".to_owned()),
        _ => None,
    }
}

/// A Go expression; `Call` needs brackets as an argument.
enum Go {
    Simple(String),
    Call(String),
}

impl Go {
    fn argument(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Call(text) => format!("({text})"),
        }
    }

    fn whole(self) -> String {
        match self {
            Self::Simple(text) | Self::Call(text) => text,
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    constants: &'a Constants<'a>,
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], constants: &'a Constants<'a>) -> Self {
        Self {
            tokens,
            at: 0,
            constants,
        }
    }

    fn whole(mut self) -> Option<String> {
        let go = self.any()?;
        (self.at == self.tokens.len()).then(|| go.whole())
    }

    fn peek(&self) -> Option<&'a TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let takes = matches!(self.peek(), Some(TokenKind::Symbol(is)) if *is == symbol);
        self.at += usize::from(takes);
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let takes = matches!(self.peek(), Some(TokenKind::Name(is)) if is == word);
        self.at += usize::from(takes);
        takes
    }

    fn any(&mut self) -> Option<Go> {
        let mut left = self.all()?;
        while self.takes_word("or") {
            let right = self.all()?;
            left = Go::Call(format!("or {} {}", left.argument(), right.argument()));
        }
        Some(left)
    }

    fn all(&mut self) -> Option<Go> {
        let mut left = self.not()?;
        while self.takes_word("and") {
            let right = self.not()?;
            left = Go::Call(format!("and {} {}", left.argument(), right.argument()));
        }
        Some(left)
    }

    fn not(&mut self) -> Option<Go> {
        if self.takes_word("not") {
            let value = self.not()?;
            return Some(Go::Call(format!("not {}", value.argument())));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Go> {
        let left = self.piped()?;
        let operators = [
            ("==", "eq"),
            ("!=", "ne"),
            ("<=", "le"),
            (">=", "ge"),
            ("<", "lt"),
            (">", "gt"),
        ];
        let Some((_, name)) = operators.into_iter().find(|(ours, _)| self.takes(ours)) else {
            return Some(left);
        };
        let right = self.piped()?;
        Some(Go::Call(format!(
            "{name} {} {}",
            left.argument(),
            right.argument()
        )))
    }

    fn piped(&mut self) -> Option<Go> {
        let mut value = self.primary()?;
        while self.takes("|") {
            let TokenKind::Name(filter) = self.peek()? else {
                return None;
            };
            self.at += 1;
            let arguments = match self.takes("(") {
                true => self.literals()?,
                false => Vec::new(),
            };
            value = filtered(filter, &value, &arguments)?;
        }
        Some(value)
    }

    /// Texts and numbers up to the closing bracket.
    fn literals(&mut self) -> Option<Vec<TokenKind>> {
        let mut literals = Vec::new();
        while !self.takes(")") {
            let literal = self.peek()?.clone();
            if !matches!(literal, TokenKind::Text(_) | TokenKind::Number(_)) {
                return None;
            }
            literals.push(literal);
            self.at += 1;
            if !self.takes(",") && !matches!(self.peek(), Some(TokenKind::Symbol(")"))) {
                return None;
            }
        }
        Some(literals)
    }

    fn primary(&mut self) -> Option<Go> {
        let token = self.peek()?;
        self.at += 1;
        match token {
            TokenKind::Text(text) => Some(Go::Simple(quote(text))),
            TokenKind::Number(number) => Some(Go::Simple(float(number.parse().ok()?))),
            TokenKind::Symbol("-") => match self.peek()? {
                TokenKind::Number(number) => {
                    self.at += 1;
                    Some(Go::Simple(float(-number.parse::<f64>().ok()?)))
                }
                _ => None,
            },
            TokenKind::Symbol("(") => {
                let value = self.any()?;
                self.takes(")").then_some(value)
            }
            TokenKind::Symbol(_) => None,
            TokenKind::Name(name) => self.named(name),
        }
    }

    fn named(&mut self, name: &str) -> Option<Go> {
        let constants = self.constants;
        match name {
            "value" => Some(Go::Simple("$value".to_owned())),
            "rule" => constants.rule.map(|rule| Go::Simple(quote(rule))),
            "severity" => constants
                .severity
                .map(|severity| Go::Simple(quote(severity.as_str()))),
            "threshold" => constants
                .threshold
                .map(|threshold| Go::Simple(float(threshold))),
            "labels" => self.label(),
            "printf" => {
                let mut call = "printf".to_owned();
                if !self.takes("(") {
                    return None;
                }
                while !self.takes(")") {
                    let argument = self.any()?;
                    call.push(' ');
                    call.push_str(&argument.argument());
                    if !self.takes(",") && !matches!(self.peek(), Some(TokenKind::Symbol(")"))) {
                        return None;
                    }
                }
                Some(Go::Call(call))
            }
            _ => None,
        }
    }

    fn label(&mut self) -> Option<Go> {
        let name = if self.takes(".") {
            match self.peek()? {
                TokenKind::Name(name) => name.clone(),
                _ => return None,
            }
        } else if self.takes("[") {
            match self.peek()? {
                TokenKind::Text(name) => name.clone(),
                _ => return None,
            }
        } else {
            return None;
        };
        let is_name = self.tokens.get(self.at - 1)?.kind == TokenKind::Symbol(".");
        self.at += 1;
        if !is_name && !self.takes("]") {
            return None;
        }
        if let Some(value) = self.constants.labels.and_then(|labels| labels.get(&name)) {
            return Some(Go::Simple(quote(value)));
        }
        Some(match is_name {
            true => Go::Simple(format!("$labels.{name}")),
            false => Go::Call(format!("index $labels {}", quote(&name))),
        })
    }
}

/// Go compares numbers only with numbers of the same kind: always with a point.
fn float(value: f64) -> String {
    let text = number::render(value);
    match text.contains(['.', 'e']) {
        true => text,
        false => format!("{text}.0"),
    }
}

fn filtered(filter: &str, value: &Go, arguments: &[TokenKind]) -> Option<Go> {
    let argument = value.argument();
    let go = FUNCTIONS
        .iter()
        .find(|(_, ours)| *ours == filter)
        .map(|(go, _)| *go);
    let call = match (filter, go, arguments) {
        (_, Some(go), []) => format!("{go} {argument}"),
        ("round", _, []) => format!("printf \"%.0f\" {argument}"),
        ("round", _, [TokenKind::Number(digits)]) => {
            let digits: u32 = digits.parse().ok()?;
            format!("printf \"%.{digits}f\" {argument}")
        }
        ("default", _, [TokenKind::Text(instead)]) => format!("or {argument} {}", quote(instead)),
        ("replace", _, [TokenKind::Text(old), TokenKind::Text(new)]) => {
            let (old, new) = (regex::escape(old), new.replace('$', "$$"));
            format!("reReplaceAll {} {} {argument}", quote(&old), quote(&new))
        }
        ("re_replace", _, [TokenKind::Text(old), TokenKind::Text(new)]) => {
            format!("reReplaceAll {} {} {argument}", quote(old), quote(new))
        }
        _ => return None,
    };
    Some(Go::Call(call))
}
