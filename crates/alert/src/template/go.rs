//! Templates of Prometheus' rule files (Go's text/template), translated to ours.

use std::ops::Range;

use super::TemplateError;
use super::go_call::{call, unsupported};
use super::syntax::{Token, TokenKind, find_close, quote, tokens};

/// Where a block began, and what `.` stands for within `with`.
struct Block {
    open: Range<usize>,
    dot: Option<String>,
    has_else: bool,
}

/// Blocks that no alert's text needs, or that ask the database again.
const UNSUPPORTED: [&str; 6] = ["range", "template", "define", "block", "break", "continue"];

/// The same template in our syntax.
pub(super) fn translate(text: &str) -> Result<String, TemplateError> {
    let mut body = String::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = 0;
    let mut is_trimmed = false;
    while at <= text.len() {
        let open = text[at..].find("{{").map(|found| at + found);
        let mut literal = &text[at..open.unwrap_or(text.len())];
        if is_trimmed {
            literal = literal.trim_start();
        }
        let Some(open) = open else {
            push_literal(&mut body, literal);
            break;
        };
        let mut inner = open + 2;
        if is_trim_mark(&text[inner..]) {
            literal = literal.trim_end();
            inner += 1;
        }
        push_literal(&mut body, literal);
        let close = find_close(text, open, inner, "}}")?;
        is_trimmed = text[inner..close].ends_with(" -");
        let span = inner..if is_trimmed { close - 1 } else { close };
        let content = text[span.clone()].trim();
        if !(content.starts_with("/*") && content.ends_with("*/")) {
            body.push_str(&action(text, span, open..close + 2, &mut blocks)?);
        }
        at = close + 2;
    }
    match blocks.pop() {
        Some(block) => {
            Err(TemplateError::new(block.open, "a block without its end")
                .with_help("add {{ end }}"))
        }
        None => Ok(body),
    }
}

/// `{{-` trims only where a space follows; `{{-3}}` is a number.
fn is_trim_mark(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(char::is_whitespace)
}

/// Text that our syntax would take for a mark is given as a value.
fn push_literal(body: &mut String, literal: &str) {
    let mut rest = literal;
    while let Some(brace) = rest.find('{') {
        body.push_str(&rest[..brace]);
        body.push_str("{{ \"{\" }}");
        rest = &rest[brace + 1..];
    }
    body.push_str(rest);
}

fn action(
    text: &str,
    span: Range<usize>,
    whole: Range<usize>,
    blocks: &mut Vec<Block>,
) -> Result<String, TemplateError> {
    let tokens = tokens(text, span)?;
    let dot = blocks.iter().rev().find_map(|block| block.dot.clone());
    let word = match tokens.first().map(|token| &token.kind) {
        Some(TokenKind::Name(name)) => name.as_str(),
        Some(_) => "",
        None => return Err(TemplateError::new(whole, "nothing between the marks")),
    };
    if UNSUPPORTED.contains(&word) {
        return Err(unsupported(tokens[0].span.clone(), &format!("'{word}'")));
    }
    let pipeline = |from: usize| Parser::new(&tokens[from..], &dot, whole.clone()).whole();
    match word {
        "if" | "with" => {
            let condition = pipeline(1)?;
            let statement = format!("{{% if {condition} %}}");
            blocks.push(Block {
                open: whole,
                dot: (word == "with").then_some(condition),
                has_else: false,
            });
            Ok(statement)
        }
        "else" => otherwise(&tokens, whole, blocks),
        "end" if tokens.len() == 1 => match blocks.pop() {
            Some(_) => Ok("{% endif %}".to_owned()),
            None => Err(TemplateError::new(whole, "'end' ends nothing")),
        },
        _ => Ok(format!("{{{{ {} }}}}", pipeline(0)?)),
    }
}

/// `else`, or `else if` with its condition.
fn otherwise(
    tokens: &[Token],
    whole: Range<usize>,
    blocks: &mut [Block],
) -> Result<String, TemplateError> {
    let Some(block) = blocks.last_mut().filter(|block| !block.has_else) else {
        return Err(TemplateError::new(whole, "'else' belongs to no 'if'"));
    };
    // Go looks at '.' there as it was before 'with'.
    block.dot = None;
    match tokens.get(1).map(|token| &token.kind) {
        None => {
            block.has_else = true;
            Ok("{% else %}".to_owned())
        }
        Some(TokenKind::Name(name)) if name == "if" => {
            let dot = blocks.iter().rev().find_map(|block| block.dot.clone());
            let condition = Parser::new(&tokens[2..], &dot, whole).whole()?;
            Ok(format!("{{% elif {condition} %}}"))
        }
        Some(_) => Err(TemplateError::new(whole, "'else' with something after it")
            .with_help("only {{ else }} and {{ else if … }} are known")),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    dot: &'a Option<String>,
    whole: Range<usize>,
    depth: usize,
}

/// Nothing is nested deeper than this.
const DEPTH_MAX: usize = 16;

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], dot: &'a Option<String>, whole: Range<usize>) -> Self {
        Self {
            tokens,
            at: 0,
            dot,
            whole,
            depth: 0,
        }
    }

    fn whole(mut self) -> Result<String, TemplateError> {
        let text = self.pipeline()?;
        match self.tokens.get(self.at) {
            None => Ok(text),
            Some(token) => Err(self.unexpected(token)),
        }
    }

    fn unexpected(&self, token: &Token) -> TemplateError {
        if token.kind == TokenKind::Symbol(":=") || token.kind == TokenKind::Symbol("=") {
            return unsupported(token.span.clone(), "a variable of its own");
        }
        TemplateError::new(token.span.clone(), "this is not expected here")
    }

    fn here(&self) -> Range<usize> {
        match self.tokens.get(self.at) {
            Some(token) => token.span.clone(),
            None => self.whole.clone(),
        }
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token { kind: TokenKind::Symbol(is), .. }) if *is == symbol)
    }

    fn pipeline(&mut self) -> Result<String, TemplateError> {
        let mut value = self.command(None)?;
        while self.is_symbol("|") {
            self.at += 1;
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    /// A function with its arguments, the last perhaps from before the `|`; or
    /// a value.
    fn command(&mut self, piped: Option<String>) -> Result<String, TemplateError> {
        let span = self.here();
        let Some(Token {
            kind: TokenKind::Name(name),
            ..
        }) = self.tokens.get(self.at)
        else {
            return match piped {
                Some(_) => Err(TemplateError::new(span, "a value cannot take a value")
                    .with_help("a function stands after '|'")),
                None => self.operand(),
            };
        };
        self.at += 1;
        if matches!(name.as_str(), "true" | "false") && piped.is_none() {
            return Ok(name.clone());
        }
        let mut arguments = Vec::new();
        while self.at < self.tokens.len() && !self.is_symbol("|") && !self.is_symbol(")") {
            arguments.push(self.operand()?);
        }
        arguments.extend(piped);
        call(name, &arguments, span)
    }

    fn operand(&mut self) -> Result<String, TemplateError> {
        let span = self.here();
        let Some(token) = self.tokens.get(self.at) else {
            return Err(TemplateError::new(span, "a value is missing"));
        };
        self.at += 1;
        match &token.kind {
            TokenKind::Text(text) => Ok(quote(text)),
            TokenKind::Number(number) => number_text(number, span),
            TokenKind::Symbol("-") => self.negative(token),
            TokenKind::Symbol("(") => self.bracket(span),
            TokenKind::Symbol("$") => {
                let path = self.path(token.span.end, true);
                self.field(&path, span)
            }
            TokenKind::Symbol(".") => {
                self.at -= 1;
                let path = self.path(token.span.start, false);
                if path.is_empty() {
                    self.at += 1;
                }
                self.field(&path, span)
            }
            TokenKind::Name(name) => match name.as_str() {
                "true" | "false" => Ok(name.clone()),
                _ => call(name, &[], span),
            },
            TokenKind::Symbol(_) => Err(self.unexpected(token)),
        }
    }

    fn negative(&mut self, minus: &Token) -> Result<String, TemplateError> {
        match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(TokenKind::Number(number)) => {
                self.at += 1;
                Ok(format!("(-{})", number_text(number, minus.span.clone())?))
            }
            _ => Err(self.unexpected(minus)),
        }
    }

    fn bracket(&mut self, open: Range<usize>) -> Result<String, TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(TemplateError::new(open, "too many brackets"));
        }
        let value = self.pipeline()?;
        self.depth -= 1;
        if !self.is_symbol(")") {
            return Err(TemplateError::new(open, "this bracket is never closed"));
        }
        self.at += 1;
        Ok(value)
    }

    /// The names after `$`, or after each `.`, that follow without a space; of
    /// `$labels.x` these are `$labels` and `x`.
    fn path(&mut self, mut end: usize, is_variable: bool) -> Vec<String> {
        let mut path = Vec::new();
        if is_variable {
            path.push("$".to_owned());
            if let Some(Token {
                kind: TokenKind::Name(name),
                span,
            }) = self.tokens.get(self.at)
                && span.start == end
            {
                path[0].push_str(name);
                end = span.end;
                self.at += 1;
            }
        }
        while let [dot, name, ..] = &self.tokens[self.at..]
            && dot.kind == TokenKind::Symbol(".")
            && dot.span.start == end
            && name.span.start == dot.span.end
            && let TokenKind::Name(text) = &name.kind
        {
            path.push(text.clone());
            end = name.span.end;
            self.at += 2;
        }
        path
    }

    fn field(&self, path: &[String], first: Range<usize>) -> Result<String, TemplateError> {
        let last = self.tokens.get(self.at - 1);
        let span = first.start..last.map_or(first.end, |last| last.span.end);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (path.as_slice(), self.dot) {
            (["$value"] | ["$", "Value"], _) | (["Value"], None) => Ok("value".to_owned()),
            (["$labels"] | ["$", "Labels"], _) | (["Labels"], None) => Ok("labels".to_owned()),
            (["$labels", label] | ["$", "Labels", label], _) | (["Labels", label], None) => {
                Ok(format!("labels[{}]", quote(label)))
            }
            ([], Some(dot)) => Ok(dot.clone()),
            ([], None) => Err(unsupported(span, "'.'")),
            ([first, ..], _) => {
                let name = lfs_wrapper_model::visible(first);
                let dot = if first.starts_with('$') { "" } else { "." };
                Err(unsupported(span, &format!("'{dot}{name}'")))
            }
        }
    }
}

fn number_text(number: &str, span: Range<usize>) -> Result<String, TemplateError> {
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value.abs() < 1e15 => Ok(value.to_string()),
        _ => Err(TemplateError::new(span, "this is no number")),
    }
}
