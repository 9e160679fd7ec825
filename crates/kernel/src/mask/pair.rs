//! `name=value`, alone or in a list: options, variables, defines, the fields of
//! an address, connection strings.

use super::name::{NAME_BYTES_MAX, judge, judge_field};
use super::value::{Kind, MASK, is_number, is_switch, mask_value};

/// What stands between the pairs of a list.
const DELIMITERS: [char; 5] = ['?', '&', ';', ',', '#'];

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that a text ends in.
pub(super) fn find_name_at_end(text: &str) -> &str {
    let bytes = text.bytes().rev().take(NAME_BYTES_MAX + 1);
    let count = bytes.take_while(|byte| is_of_name(*byte)).count();
    text.get(text.len() - count..).unwrap_or_default()
}

/// A pair of a word: where its value is, and what kind of secret that is.
struct Pair {
    value_start: usize,
    value_end: usize,
    kind: Kind,
}

/// The pair whose `=` is at `equals`, if its name says that it is a secret.
fn read_pair(word: &str, equals: usize, is_define: bool) -> Option<Pair> {
    let (before, rest) = word.split_at_checked(equals)?;
    let value = rest.get(1..)?;
    // cmake(1) puts a type behind the name; the other types are no text.
    let before = before.strip_suffix(":STRING").unwrap_or(before);
    let name = find_name_at_end(before);
    let above = before.get(..before.len() - name.len())?;
    let is_field = above.ends_with(['?', '&']);
    let kind = if is_field {
        judge_field(name)
    } else {
        judge(name)
    }?;
    // The value of the first pair is everything behind it: nothing tells a
    // list from a password with a comma.
    let is_listed = above.contains(DELIMITERS);
    let length = value.find(DELIMITERS).filter(|_| is_listed);
    let value = value.get(..length.unwrap_or(value.len()))?;
    let is_define = is_define || name.starts_with("-D");
    if value.is_empty() || is_switch(value) || (is_define && is_number(value)) {
        return None;
    }
    Some(Pair {
        value_start: equals + 1,
        value_end: equals + 1 + value.len(),
        kind,
    })
}

/// A word without the values of the pairs whose names say that they are
/// secret. `is_define` where it follows a `-D`: there a number is a limit or
/// a switch of a program that is built.
pub(super) fn mask_pairs(word: &str, is_define: bool) -> String {
    let mut masked = String::new();
    let mut done = 0;
    for (equals, _) in word.match_indices('=') {
        if equals < done {
            continue;
        }
        let Some(pair) = read_pair(word, equals, is_define) else {
            continue;
        };
        masked.push_str(word.get(done..pair.value_start).unwrap_or_default());
        let value = word.get(pair.value_start..pair.value_end);
        masked.push_str(&value.map_or(MASK.to_owned(), |value| mask_value(pair.kind, value)));
        done = pair.value_end;
    }
    masked.push_str(word.get(done..).unwrap_or_default());
    masked
}

/// Whether an argument is one variable or option with a secret as its value,
/// however many words that has.
pub(super) fn is_secret_pair(argument: &str) -> bool {
    argument.split_once('=').is_some_and(|(name, value)| {
        !value.is_empty() && find_name_at_end(name) == name && judge(name) == Some(Kind::Whole)
    })
}
