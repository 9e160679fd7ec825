//! Go's `printf`, as far as alerts use it.

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use super::environment::{as_number, limited, text};
use super::{number, syntax};

/// The most digits or columns that are asked for.
const DIGITS_MAX: usize = 64;

/// `format` with `values` in its places.
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String, Error> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let mut values = values.iter();
    let mut parts = format.split('%');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // "%%": what follows the second mark is text.
            shown.push('%');
            shown.push_str(
                parts
                    .next()
                    .ok_or_else(|| wrong("'%' at the end".to_owned()))?,
            );
            continue;
        }
        let verb = part
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(|| wrong(format!("'%{part}' is no place for a value")))?;
        let value = values
            .next()
            .ok_or_else(|| wrong(format!("no value for '%{}'", &part[..=verb])))?;
        shown.push_str(&verb_text(&part[..verb], &part[verb..=verb], value)?);
        shown.push_str(&part[verb + 1..]);
    }
    if values.next().is_some() {
        return Err(wrong("more values than places".to_owned()));
    }
    Ok(limited(shown))
}

fn verb_text(flags: &str, verb: &str, value: &Value) -> Result<String, Error> {
    let wrong = || {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("'%{flags}{verb}' is not known: use %v, %s, %q, %d, %f, %e or %g"),
        )
    };
    let size = |text: &str| match text {
        "" => Ok(None),
        _ => text
            .parse::<usize>()
            .ok()
            .filter(|size| *size <= DIGITS_MAX)
            .map(Some)
            .ok_or_else(wrong),
    };
    let (is_left, rest) = strip(flags, '-');
    let (is_signed, rest) = strip(rest, '+');
    let (is_zeroed, rest) = strip(rest, '0');
    let (width, digits) = match rest.split_once('.') {
        Some((width, digits)) => (size(width)?, Some(size(digits)?.unwrap_or(0))),
        None => (size(rest)?, None),
    };
    let number = as_number(value).filter(|_| value.is_number());
    let mut shown = plain(verb, digits, number, value).ok_or_else(wrong)?;
    if is_signed && number.is_some_and(|number| number >= 0.0) && !shown.starts_with('+') {
        shown.insert(0, '+');
    }
    let width = width.unwrap_or(0);
    Ok(
        match (is_left, is_zeroed && number.is_some_and(|n| n >= 0.0)) {
            (true, _) => format!("{shown:<width$}"),
            (false, true) => format!("{shown:0>width$}"),
            (false, false) => format!("{shown:>width$}"),
        },
    )
}

fn strip(text: &str, flag: char) -> (bool, &str) {
    match text.strip_prefix(flag) {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// The value without a width or a sign; `None` for a verb that is not known.
fn plain(verb: &str, digits: Option<usize>, number: Option<f64>, value: &Value) -> Option<String> {
    Some(match (verb, number) {
        ("v" | "s", _) => text(value),
        ("q", _) => syntax::quote(&text(value)),
        ("d", Some(number)) => number::fixed(number.trunc(), 0),
        ("f", Some(number)) => number::fixed(number, digits.unwrap_or(6)),
        ("e", Some(number)) => number::exponent(number, digits.unwrap_or(6)),
        ("g", Some(number)) => match digits {
            Some(digits) => number::general(number, digits),
            None => number::render(number),
        },
        ("d" | "f" | "e" | "g", None) => text(value),
        _ => return None,
    })
}
