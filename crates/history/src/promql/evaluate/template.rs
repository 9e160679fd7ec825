//! What `label_replace` makes of a match: a template as Go's `Regexp.Expand` has it.

use regex::{Captures, Regex};

/// Numbers of groups beyond this are names.
const NUMBER_MAX: usize = 100_000_000;

/// A text with places for groups of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Template {
    /// Reads `$1`, `$name`, `${name}` and `$$`; a `$` before anything else is itself.
    pub(super) fn parse(text: &str, pattern: &Regex) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            push_text(&mut parts, before);
            rest = if let Some(after) = after.strip_prefix('$') {
                push_text(&mut parts, "$");
                after
            } else if let Some((name, after)) = parse_name(after) {
                parts.extend(group(name, pattern).map(Part::Group));
                after
            } else {
                push_text(&mut parts, "$");
                after
            };
        }
        push_text(&mut parts, rest);
        Self(parts)
    }

    /// The text for a match; `None` where it is longer than `bytes_max`.
    pub(super) fn expand(&self, found: &Captures<'_>, bytes_max: usize) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            let piece = match part {
                Part::Text(text) => text.as_str(),
                Part::Group(number) => found.get(*number).map_or("", |group| group.as_str()),
            };
            if text.len().saturating_add(piece.len()) > bytes_max {
                return None;
            }
            text.push_str(piece);
        }
        Some(text)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// The name at the beginning of `text`, in braces or not, and what follows.
fn parse_name(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{');
    let text = inside.unwrap_or(text);
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let end = text.find(|character| !is_name(character));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    let after = match inside {
        Some(_) => after.strip_prefix('}')?,
        None => after,
    };
    (!name.is_empty()).then_some((name, after))
}

/// The group that `name` means, if there is one.
fn group(name: &str, pattern: &Regex) -> Option<usize> {
    let is_number =
        name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse::<usize>() {
        Ok(number) if is_number && number < NUMBER_MAX => {
            (number < pattern.captures_len()).then_some(number)
        }
        _ => pattern
            .capture_names()
            .position(|known| known == Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_as_go_reads_them() {
        let pattern = Regex::new("^(?P<first>a+)(b*)(c)?$").unwrap();
        let found = pattern.captures("aabbb").unwrap();
        for (template, wanted) in [
            ("$1-$2", "aa-bbb"),
            ("${1}x$first", "aaxaa"),
            ("$1x", ""),
            ("$01|$1", "|aa"),
            ("${foo-bar}", "${foo-bar}"),
            ("${1", "${1"),
            ("$", "$"),
            ("$$1", "$1"),
            ("$-$0", "$-aabbb"),
            ("[$3$4$nothing]", "[]"),
            ("$1\u{e9}", ""),
            ("${}", "${}"),
        ] {
            let made = Template::parse(template, &pattern).expand(&found, 100);
            assert_eq!(made.as_deref(), Some(wanted), "{template}");
        }
        let long = Template::parse("$2$2", &pattern);
        assert_eq!(long.expand(&found, 6).as_deref(), Some("bbbbbb"));
        assert_eq!(long.expand(&found, 5), None);
    }
}
