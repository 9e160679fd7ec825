//! Go's dialect of regular expressions rewritten into the one of the crate `regex`.
//!
//! As `regexp/syntax` of Go reads it with the flags `Perl`: classes are ASCII,
//! `\Q…\E` quotes, `\141` is octal, a brace that begins no repetition and `[` in a
//! class are themselves. What only the other dialect knows is an error.

/// How often something may be repeated.
const REPEAT_MAX: u32 = 1000;

/// The names between `[:` and `:]`.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// A pattern in the other dialect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) expression: String,
    /// Where it is nothing but a choice between texts: those.
    pub(super) texts: Option<Vec<String>>,
}

/// Rewrites `pattern`, or says what is wrong with it in Go's words.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        pattern,
        rest: pattern,
        made: String::with_capacity(pattern.len() + 16),
        texts: Some(vec![String::new()]),
        open: 0,
        before: Before::Nothing,
    };
    while let Some(next) = translator.rest.chars().next() {
        translator.step(next)?;
    }
    if translator.open > 0 {
        return Err(format!("missing closing ): `{pattern}`"));
    }
    Ok(Translated {
        expression: translator.made,
        texts: translator.texts,
    })
}

/// What a repetition would repeat.
#[derive(Clone, Copy)]
enum Before<'pattern> {
    Nothing,
    Operand,
    /// Something that is repeated already; the pattern from the repetition on.
    Repetition(&'pattern str),
}

struct Translator<'pattern> {
    pattern: &'pattern str,
    rest: &'pattern str,
    made: String,
    texts: Option<Vec<String>>,
    open: usize,
    before: Before<'pattern>,
}

impl Translator<'_> {
    fn step(&mut self, next: char) -> Result<(), String> {
        match next {
            '(' => self.group(),
            ')' => self.close(),
            '|' => {
                self.skip(1);
                self.made.push('|');
                self.before = Before::Nothing;
                if let Some(texts) = &mut self.texts {
                    texts.push(String::new());
                }
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(1),
            '{' => match repetition(self.rest) {
                Some(length) => {
                    check_repetition(self.rest.get(..length).unwrap_or(""))?;
                    self.repeat(length)
                }
                None => {
                    self.skip(1);
                    self.literal('{');
                    Ok(())
                }
            },
            '[' => self.class(),
            '.' | '^' | '$' => {
                self.skip(1);
                self.operand(next.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            '\\' => self.escape(),
            _ => {
                self.skip(next.len_utf8());
                self.literal(next);
                Ok(())
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    /// Something that is no plain text.
    fn operand(&mut self, expression: &str) {
        self.made.push_str(expression);
        self.texts = None;
        self.before = Before::Operand;
    }

    fn literal(&mut self, character: char) {
        push_escaped(&mut self.made, character);
        if let Some(text) = self.texts.as_mut().and_then(|texts| texts.last_mut()) {
            text.push(character);
        }
        self.before = Before::Operand;
    }

    fn close(&mut self) -> Result<(), String> {
        self.open = self
            .open
            .checked_sub(1)
            .ok_or_else(|| format!("unexpected ): `{}`", self.pattern))?;
        self.skip(1);
        self.operand(")");
        Ok(())
    }

    /// A repetition of `length` bytes, lazy where `?` follows.
    fn repeat(&mut self, length: usize) -> Result<(), String> {
        let whole = self.rest;
        let operator = whole.get(..length).unwrap_or("");
        self.skip(length);
        let mut lazy = "";
        if self.rest.starts_with('?') {
            self.skip(1);
            lazy = "?";
        }
        match self.before {
            Before::Operand => {}
            Before::Nothing => {
                return Err(format!(
                    "missing argument to repetition operator: `{operator}`"
                ));
            }
            Before::Repetition(from) => {
                let both = from.get(..from.len() - self.rest.len()).unwrap_or("");
                return Err(format!("invalid nested repetition operator: `{both}`"));
            }
        }
        self.made.push_str(operator);
        self.made.push_str(lazy);
        self.texts = None;
        self.before = Before::Repetition(whole);
        Ok(())
    }

    /// A group, or flags.
    fn group(&mut self) -> Result<(), String> {
        self.texts = None;
        let Some(inside) = self.rest.strip_prefix("(?") else {
            self.skip(1);
            return self.opened("(");
        };
        let named = inside.strip_prefix("P<").or(inside.strip_prefix('<'));
        if let Some(named) = named {
            let (name, after) = named.split_once('>').unwrap_or((named, ""));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(format!("invalid named capture: `(?{inside}`"));
            }
            self.rest = after;
            return self.opened(&format!("(?P<{name}>"));
        }
        let wrong = || format!("invalid or unsupported Perl syntax: `(?{inside}`");
        let is_flag = |character: char| "imsU-".contains(character);
        let end = inside.find(|character| !is_flag(character));
        let (flags, after) = inside.split_at(end.ok_or_else(wrong)?);
        match after.chars().next() {
            Some(':') => {
                self.rest = after.get(1..).unwrap_or("");
                self.opened(&format!("(?{flags}:"))
            }
            Some(')') => {
                self.rest = after.get(1..).unwrap_or("");
                self.made.push_str(&format!("(?{flags})"));
                Ok(())
            }
            _ => Err(wrong()),
        }
    }

    fn opened(&mut self, group: &str) -> Result<(), String> {
        self.made.push_str(group);
        self.open += 1;
        self.before = Before::Nothing;
        Ok(())
    }

    /// What begins with a backslash, outside a class.
    fn escape(&mut self) -> Result<(), String> {
        let rest = self.rest;
        let simple = match rest.as_bytes().get(1) {
            Some(b'A') => Some("\\A"),
            Some(b'z') => Some("\\z"),
            Some(b'b') => Some("(?-u:\\b)"),
            Some(b'B') => Some("(?-u:\\B)"),
            _ => None,
        };
        if let Some(simple) = simple {
            self.skip(2);
            self.operand(simple);
        } else if let Some(quoted) = rest.strip_prefix("\\Q") {
            // Without an end it quotes what Prometheus puts after the pattern.
            let missing = || format!("missing closing ): `{}`", self.pattern);
            let (quoted, after) = quoted.split_once("\\E").ok_or_else(missing)?;
            quoted.chars().for_each(|character| self.literal(character));
            self.rest = after;
        } else if let Some((class, after)) = named_class(rest)? {
            self.operand(&format!("[{class}]"));
            self.rest = after;
        } else {
            let (character, after) = parse_escape(rest)?;
            self.literal(character);
            self.rest = after;
        }
        Ok(())
    }

    /// `[…]`
    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let mut made = "[".to_owned();
        let mut rest = whole.get(1..).unwrap_or("");
        if let Some(after) = rest.strip_prefix('^') {
            made.push('^');
            rest = after;
        }
        let mut is_first = true;
        loop {
            match rest.strip_prefix(']') {
                Some(after) if !is_first => {
                    rest = after;
                    break;
                }
                _ if rest.is_empty() => return Err(format!("missing closing ]: `{whole}`")),
                _ => rest = class_item(rest, whole, &mut made)?,
            }
            is_first = false;
        }
        made.push(']');
        self.operand(&made);
        self.rest = rest;
        Ok(())
    }
}

/// One item of a class, written to `made`; gives what follows.
fn class_item<'pattern>(
    rest: &'pattern str,
    whole: &str,
    made: &mut String,
) -> Result<&'pattern str, String> {
    if let Some((name, after)) = rest
        .strip_prefix("[:")
        .and_then(|rest| rest.split_once(":]"))
    {
        let known = name.strip_prefix('^').unwrap_or(name);
        if !POSIX_CLASSES.contains(&known) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        made.push_str(&format!("[:{name}:]"));
        return Ok(after);
    }
    if let Some((class, after)) = named_class(rest)? {
        made.push_str(&class);
        return Ok(after);
    }
    let (low, mut after) = class_character(rest, whole)?;
    let mut high = low;
    // `[a-]` is `a` or `-`.
    if let Some(end) = after.strip_prefix('-')
        && !end.is_empty()
        && !end.starts_with(']')
    {
        (high, after) = class_character(end, whole)?;
        if high < low {
            let range = rest.get(..rest.len() - after.len()).unwrap_or(rest);
            return Err(format!("invalid character class range: `{range}`"));
        }
    }
    push_escaped(made, low);
    if high != low {
        made.push('-');
        push_escaped(made, high);
    }
    Ok(after)
}

fn class_character<'pattern>(
    rest: &'pattern str,
    whole: &str,
) -> Result<(char, &'pattern str), String> {
    match rest.chars().next() {
        Some('\\') => parse_escape(rest),
        Some(character) => Ok((character, rest.get(character.len_utf8()..).unwrap_or(""))),
        None => Err(format!("missing closing ]: `{whole}`")),
    }
}

/// `\d`, `\pL` and the like as an item of a class, and what follows.
fn named_class(rest: &str) -> Result<Option<(String, &str)>, String> {
    let Some(escape) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
        return Ok(None);
    };
    let class = match escape {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => "\\t\\n\\f\\r ",
        'S' => "[^\\t\\n\\f\\r ]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        'p' | 'P' => return unicode_class(rest, escape == 'P').map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class.to_owned(), rest.get(2..).unwrap_or(""))))
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}`, `\PL`
fn unicode_class(rest: &str, is_negated: bool) -> Result<(String, &str), String> {
    let wrong = || format!("invalid character class range: `{rest}`");
    let inside = rest.get(2..).unwrap_or("");
    let (name, after) = match inside.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(wrong)?,
        None => {
            let first = inside.chars().next().ok_or_else(wrong)?;
            inside.split_at(first.len_utf8())
        }
    };
    let turned = name.strip_prefix('^');
    let letter = if is_negated == turned.is_some() {
        'p'
    } else {
        'P'
    };
    let name = turned.unwrap_or(name);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(wrong());
    }
    Ok((format!("\\{letter}{{{name}}}"), after))
}

/// An escaped character, and what follows.
fn parse_escape(rest: &str) -> Result<(char, &str), String> {
    let mut characters = rest.chars();
    characters.next();
    let Some(first) = characters.next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let after = characters.as_str();
    let wrong = || format!("invalid escape sequence: `\\{first}`");
    let simple = match first {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '0'..='7' => {
            let digits = octal_digits(rest.get(1..).unwrap_or(""));
            // One digit that is no zero would be a reference back.
            if first != '0' && digits.len() < 2 {
                return Err(wrong());
            }
            return parse_code(digits, 8, rest.get(1 + digits.len()..).unwrap_or(""), wrong);
        }
        'x' => {
            let (digits, after) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(wrong)?,
                None => (
                    after.get(..2).ok_or_else(wrong)?,
                    after.get(2..).unwrap_or(""),
                ),
            };
            return parse_code(digits, 16, after, wrong);
        }
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() => first,
        _ => return Err(wrong()),
    };
    Ok((simple, after))
}

/// At most three octal digits.
fn octal_digits(text: &str) -> &str {
    let is_octal = |byte: &u8| (b'0'..b'8').contains(byte);
    let length = text
        .as_bytes()
        .iter()
        .take(3)
        .take_while(|byte| is_octal(byte));
    text.get(..length.count()).unwrap_or("")
}

fn parse_code<'pattern>(
    digits: &str,
    radix: u32,
    after: &'pattern str,
    wrong: impl Fn() -> String,
) -> Result<(char, &'pattern str), String> {
    let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
    let code = u32::from_str_radix(digits, radix)
        .ok()
        .filter(|_| is_digits);
    let character = code.and_then(char::from_u32);
    character.map(|found| (found, after)).ok_or_else(wrong)
}

/// How long the repetition `{n}`, `{n,}` or `{n,m}` at the beginning is; `None`
/// where the brace is only a brace.
fn repetition(rest: &str) -> Option<usize> {
    let (inside, _) = rest.strip_prefix('{')?.split_once('}')?;
    let is_count = |text: &str| {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits && !text.is_empty() && (text == "0" || !text.starts_with('0'))
    };
    let is_repetition = match inside.split_once(',') {
        None => is_count(inside),
        Some((least, most)) => is_count(least) && (most.is_empty() || is_count(most)),
    };
    is_repetition.then_some(inside.len() + 2)
}

fn check_repetition(written: &str) -> Result<(), String> {
    let inside = written.trim_matches(['{', '}']);
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let count = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    let least = count(least);
    let most = if most.is_empty() { least } else { count(most) };
    if least > REPEAT_MAX || most > REPEAT_MAX || least > most {
        return Err(format!("invalid repeat count: `{written}`"));
    }
    Ok(())
}

fn push_escaped(made: &mut String, character: char) {
    if "\\.+*?()|[]{}^$#&-~".contains(character) {
        made.push('\\');
    }
    made.push(character);
}

#[cfg(test)]
mod tests;
