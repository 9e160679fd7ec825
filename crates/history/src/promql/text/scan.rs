//! Tokens.

use super::super::error::QueryError;
use super::super::number::{from_msec, parse_duration_msec, parse_number};
use super::error_at;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A number, or a duration in seconds.
    Number(f64),
    /// A string, unescaped.
    Text(String),
    /// A name or keyword.
    Word,
    /// An operator, bracket or separator.
    Sign,
}

/// A piece of the text.
#[derive(Clone, Debug)]
pub(super) struct Token<'text> {
    pub(super) kind: Kind,
    pub(super) from: usize,
    pub(super) piece: &'text str,
}

impl Token<'_> {
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.piece == sign
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.piece.eq_ignore_ascii_case(word)
    }
}

const SIGNS: [&str; 25] = [
    "==", "!=", "=~", "!~", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "^", "@", ",", "(",
    ")", "{", "}", "[", "]", ":", "!",
];

/// The tokens of `text`, without blanks and comments.
pub(super) fn scan(text: &str) -> Result<Vec<Token<'_>>, QueryError> {
    let mut tokens = Vec::new();
    let mut from = 0;
    let mut in_brackets = false;
    while let Some(first) = text.get(from..).and_then(|rest| rest.chars().next()) {
        let rest = &text[from..];
        if first.is_ascii_whitespace() {
            from += 1;
            continue;
        }
        if first == '#' {
            from += rest.find(['\n', '\r']).unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = if matches!(first, '"' | '\'' | '`') {
            scan_string(text, from, first)?
        } else if is_number_start(rest) {
            scan_number(text, from)?
        } else if first.is_ascii_alphabetic() || first == '_' || (first == ':' && !in_brackets) {
            let is_inside = |character: char| {
                character.is_ascii_alphanumeric() || character == '_' || character == ':'
            };
            let length = rest.find(|character| !is_inside(character));
            (Kind::Word, length.unwrap_or(rest.len()))
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Kind::Sign, sign.len())
        } else {
            let to = from + first.len_utf8();
            return Err(error_at(
                text,
                from,
                to,
                format!("unexpected character {first:?}"),
            ));
        };
        let piece = text.get(from..from + length).unwrap_or("");
        match piece {
            "[" => in_brackets = true,
            "]" => in_brackets = false,
            _ => {}
        }
        tokens.push(Token { kind, from, piece });
        from += length;
    }
    Ok(tokens)
}

fn is_number_start(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    match bytes.next() {
        Some(b'0'..=b'9') => true,
        Some(b'.') => bytes.next().is_some_and(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn scan_number(text: &str, from: usize) -> Result<(Kind, usize), QueryError> {
    let rest = &text.as_bytes()[from..];
    let is_hexadecimal = matches!(rest, [b'0', b'x' | b'X', ..]);
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        let is_exponent_sign = !is_hexadecimal
            && matches!(byte, b'+' | b'-')
            && length > 0
            && matches!(rest[length - 1], b'e' | b'E')
            && rest.get(length + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_exponent_sign) {
            break;
        }
        length += 1;
    }
    let piece = text.get(from..from + length).unwrap_or("");
    let value = match parse_duration_msec(piece).filter(|_| piece != "0") {
        Some(msec) => Some(from_msec(msec) / 1000.0),
        None => parse_number(piece),
    };
    match value {
        Some(value) => Ok((Kind::Number(value), length)),
        None => Err(error_at(
            text,
            from,
            from + length,
            "bad number or duration syntax",
        )),
    }
}

fn scan_string(text: &str, from: usize, quote: char) -> Result<(Kind, usize), QueryError> {
    let rest = &text[from + 1..];
    if quote == '`' {
        let end = rest
            .find('`')
            .ok_or_else(|| error_at(text, from, text.len(), "unterminated raw string"))?;
        return Ok((Kind::Text(rest[..end].to_owned()), end + 2));
    }
    let mut bytes = Vec::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => {
                let value = String::from_utf8(bytes).map_err(|_| {
                    error_at(text, from, from + at + 2, "the string is not valid UTF-8")
                })?;
                return Ok((Kind::Text(value), at + 2));
            }
            '\n' => break,
            '\\' => {
                let wrong = || error_at(text, from, from + at + 3, "unknown escape sequence");
                let escape = characters.next().ok_or_else(wrong)?.1;
                read_escape(escape, quote, &mut characters, &mut bytes).ok_or_else(wrong)?;
            }
            _ => push(&mut bytes, character),
        }
    }
    Err(error_at(
        text,
        from,
        text.len(),
        "unterminated quoted string",
    ))
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Go's escapes: `\n` and the like, `\101`, `\x41`, `\u0041`, `\U00000041`.
fn read_escape(
    escape: char,
    quote: char,
    characters: &mut std::str::CharIndices<'_>,
    bytes: &mut Vec<u8>,
) -> Option<()> {
    let simple = match escape {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        _ if escape == quote => u8::try_from(quote).ok()?,
        'x' => u8::try_from(read_digits(characters, 16, 2, 0)?).ok()?,
        '0'..='7' => u8::try_from(read_digits(characters, 8, 2, escape.to_digit(8)?)?).ok()?,
        'u' | 'U' => {
            let count = if escape == 'u' { 4 } else { 8 };
            push(
                bytes,
                char::from_u32(read_digits(characters, 16, count, 0)?)?,
            );
            return Some(());
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(())
}

fn read_digits(
    characters: &mut std::str::CharIndices<'_>,
    radix: u32,
    count: usize,
    first: u32,
) -> Option<u32> {
    (0..count).try_fold(first, |value, _| {
        let digit = characters.next()?.1.to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}
