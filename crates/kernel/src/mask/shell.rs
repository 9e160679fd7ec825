//! Shell commands cut into words, so that each can be masked and the rest of
//! the text kept as it is. Text that no shell wrote is cut the same way.

/// A piece of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Blanks.
    Blank(&'a str),
    /// A sign that ends a command or begins one in it.
    Sign(char),
    Word(Word<'a>),
}

/// A word as it is written and as the command gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    raw: &'a str,
    pub(super) plain: String,
}

impl Word<'_> {
    /// The word after its plain form became `masked`: as it was written, or in
    /// the quotes that it had.
    pub(super) fn render(&self, masked: &str) -> String {
        if masked == self.plain {
            return self.raw.to_owned();
        }
        let quote = ["'", "\""]
            .into_iter()
            .find(|quote| self.raw.starts_with(quote) && self.raw.ends_with(quote));
        match quote {
            Some(quote) => format!("{quote}{masked}{quote}"),
            None if masked.contains(char::is_whitespace) => format!("\"{masked}\""),
            None => masked.to_owned(),
        }
    }
}

const fn is_sign(character: char) -> bool {
    matches!(character, ';' | '|' | '&' | '(' | ')' | '`' | '\n')
}

/// The first piece of a script and what follows it; `None` at the end.
pub(super) fn read_piece(text: &str) -> Option<(Piece<'_>, &str)> {
    let first = text.chars().next()?;
    if is_sign(first) {
        return Some((Piece::Sign(first), text.get(first.len_utf8()..)?));
    }
    let blanks = count_blanks(text);
    if blanks > 0 {
        let (blank, rest) = text.split_at_checked(blanks)?;
        return Some((Piece::Blank(blank), rest));
    }
    let (length, plain) = read_word(text);
    let (raw, rest) = text.split_at_checked(length)?;
    Some((Piece::Word(Word { raw, plain }), rest))
}

/// A line that goes on after a backslash is a blank too.
fn count_blanks(text: &str) -> usize {
    let mut rest = text;
    loop {
        let next = rest
            .strip_prefix("\\\n")
            .unwrap_or_else(|| rest.trim_start_matches(|c: char| c.is_whitespace() && c != '\n'));
        if next.len() == rest.len() {
            return text.len() - rest.len();
        }
        rest = next;
    }
}

/// How many bytes the word at the beginning of a text has, and the word
/// without its quotes. A `&` belongs to it in `2>&1`, and in an address that
/// somebody forgot to quote.
fn read_word(text: &str) -> (usize, String) {
    let mut plain = String::new();
    let mut at = 0;
    let mut is_address = false;
    while let Some(rest) = text.get(at..) {
        let Some(character) = rest.chars().next() else {
            break;
        };
        let inner = rest.get(character.len_utf8()..).unwrap_or_default();
        let joins =
            plain.ends_with('>') || (is_address && inner.starts_with(char::is_alphanumeric));
        let is_end = is_sign(character) && !(character == '&' && joins);
        if character.is_whitespace() || is_end {
            break;
        }
        is_address |= character == '?';
        let (length, part) = match character {
            '\\' => read_escaped(inner),
            '\'' | '"' => read_quoted(inner, character),
            _ => (0, character.to_string()),
        };
        at += character.len_utf8() + length;
        plain.push_str(&part);
    }
    (at, plain)
}

fn read_escaped(inner: &str) -> (usize, String) {
    match inner.chars().next() {
        Some('\n') => (1, String::new()),
        Some(character) => (character.len_utf8(), character.to_string()),
        None => (0, "\\".to_owned()),
    }
}

/// What is in quotes. A quote that nothing ends is an apostrophe.
fn read_quoted(inner: &str, quote: char) -> (usize, String) {
    let mut plain = String::new();
    let mut characters = inner.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return (at + 1, plain);
        }
        let is_escape = quote == '"' && character == '\\';
        let escaped = |next: &(usize, char)| matches!(next.1, '"' | '\\' | '$' | '`');
        match characters.next_if(|next| is_escape && escaped(next)) {
            Some((_, next)) => plain.push(next),
            None => plain.push(character),
        }
    }
    (0, quote.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let mut rest = text;
        let mut found = Vec::new();
        while let Some((piece, next)) = read_piece(rest) {
            rest = next;
            match piece {
                Piece::Blank(_) => {}
                Piece::Sign(sign) => found.push(sign.to_string()),
                Piece::Word(word) => found.push(word.plain),
            }
        }
        found
    }

    #[test]
    fn words_are_cut_as_a_shell_does() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("  a  b ", &["a", "b"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a=\"b c\"'d'e", &["a=b cde"]),
            (r#"a "b \"c\" \d""#, &["a", r#"b "c" \d"#]),
            ("a\\ b", &["a b"]),
            ("a \\\n b", &["a", "b"]),
            ("a;b|c&&d", &["a", ";", "b", "|", "c", "&", "&", "d"]),
            ("$(a `b`)", &["$", "(", "a", "`", "b", "`", ")"]),
            ("a 2>&1 b", &["a", "2>&1", "b"]),
            ("h?a=1&b=2 & c", &["h?a=1&b=2", "&", "c"]),
            ("it's a", &["it's", "a"]),
        ];
        for (text, expected) in cases {
            assert_eq!(cut(text), expected, "{text}");
        }
    }
}
