//! `"name": "value"` as JSON and its relatives have it, also where a shell
//! needed a backslash before each quote.

use super::header::is_secret_header;
use super::name::judge;
use super::pair::find_name_at_end;
use super::value::MASK;

/// The quotes that can stand round a name or a value; the longer ones first.
const QUOTES: [&str; 4] = ["\\\"", "\\'", "\"", "'"];

/// Whether a text ends in a quoted name that says that a secret follows.
fn ends_in_secret_name(text: &str) -> bool {
    let text = text.trim_end();
    let quote = QUOTES.iter().find(|quote| text.ends_with(**quote));
    let Some(text) = quote.and_then(|quote| text.strip_suffix(quote)) else {
        return false;
    };
    let name = find_name_at_end(text);
    let is_quoted = text
        .strip_suffix(name)
        .is_some_and(|text| text.ends_with(['"', '\'']));
    is_quoted && (judge(name).is_some() || is_secret_header(name))
}

/// Where the value at the beginning of a text is, without its quotes; `None`
/// for a list or an object, whose own names tell.
fn find_value(text: &str) -> Option<(usize, usize)> {
    let blanks = text.len() - text.trim_start().len();
    let value = text.get(blanks..)?;
    if let Some(quote) = QUOTES.iter().find(|quote| value.starts_with(**quote)) {
        let start = blanks + quote.len();
        let end = find_quote(text.get(start..)?, quote);
        return Some((start, start + end));
    }
    if value.starts_with(['{', '[']) {
        return None;
    }
    let end = value.find([',', '}', ']', ' ', '\n', '"', '\'']);
    Some((blanks, blanks + end.unwrap_or(value.len())))
}

/// Where the quote ends a text: at itself, unless one more backslash stands
/// before it than it has.
fn find_quote(text: &str, quote: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with(quote) {
            return at;
        }
        let mut characters = rest.chars();
        let Some(character) = characters.next() else {
            break;
        };
        at += character.len_utf8();
        if character == '\\' {
            at += characters.next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

/// A text without the values of such fields.
pub(super) fn mask_fields(text: &str) -> String {
    let mut masked = String::new();
    let mut done = 0;
    for (colon, _) in text.match_indices(':') {
        let before = text.get(done..colon).unwrap_or_default();
        if colon < done || !ends_in_secret_name(before) {
            continue;
        }
        let rest = text.get(colon + 1..).unwrap_or_default();
        let Some((start, end)) = find_value(rest).filter(|(start, end)| start < end) else {
            continue;
        };
        masked.push_str(text.get(done..colon + 1 + start).unwrap_or_default());
        masked.push_str(MASK);
        done = colon + 1 + end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_lose_their_values() {
        for (text, expected) in [
            (r#"{"token":"a,b","x":1}"#, r#"{"token":"***","x":1}"#),
            (
                r#"{"password" : "a\"b", "x":1}"#,
                r#"{"password" : "***", "x":1}"#,
            ),
            (
                r#"{\"password\":\"a b\",\"x\":\"y\"}"#,
                r#"{\"password\":\"***\",\"x\":\"y\"}"#,
            ),
            ("{'apiKey': 'x'}", "{'apiKey': '***'}"),
            (r#"{"pin_token": 1234}"#, r#"{"pin_token": ***}"#),
            (r#"{"secrets":{"x":"y"}}"#, r#"{"secrets":{"x":"y"}}"#),
            (
                r#"{"Authorization":"Bearer x"}"#,
                r#"{"Authorization":"***"}"#,
            ),
            (r#"{"token":"unended"#, r#"{"token":"***"#),
            (r#"{"token":"#, r#"{"token":"#),
            (r#"{"name":"token"}"#, r#"{"name":"token"}"#),
        ] {
            assert_eq!(mask_fields(text), expected);
        }
    }
}
