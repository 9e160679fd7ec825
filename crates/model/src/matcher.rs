use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::Regex;

use crate::Severity;

/// Bytes that a matcher's text may have.
const MATCHER_BYTES_MAX: usize = 1024;

/// Bytes that the program of a compiled expression may take.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// One condition on an alert, such as `resource=disk`, `mountpoint=~"/mnt/.*"`,
/// `rule!=memory` or `severity>=error`. `rule` and `severity` are the alert's own,
/// every other name is a label; a label that is not there is empty. Expressions
/// match the whole value.
#[derive(Clone, Debug)]
pub struct Matcher {
    text: String,
    name: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    MatchesNot(Regex),
    Severity(Comparison, Severity),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// The longer ones first, so that none is taken for its beginning.
const OPERATORS: [&str; 8] = ["=~", "!~", "!=", ">=", "<=", "=", ">", "<"];

/// Why a text is no matcher.
#[derive(Debug, thiserror::Error)]
#[error("reading the matcher '{text}': {why}")]
pub struct MatcherError {
    text: String,
    why: String,
}

impl Matcher {
    /// Whether an alert meets the condition.
    pub fn matches(
        &self,
        rule: &str,
        severity: Severity,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let value = || match self.name.as_str() {
            "rule" => rule,
            name => labels.get(name).map_or("", String::as_str),
        };
        match &self.test {
            Test::Equal(wanted) => value() == wanted,
            Test::NotEqual(unwanted) => value() != unwanted,
            Test::Matches(regex) => regex.is_match(value()),
            Test::MatchesNot(regex) => !regex.is_match(value()),
            Test::Severity(comparison, bound) => comparison.holds(severity, *bound),
        }
    }

    /// The text that it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Comparison {
    fn parse(operator: &str) -> Option<Self> {
        Some(match operator {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">=" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    fn holds(self, severity: Severity, bound: Severity) -> bool {
        match self {
            Self::Less => severity < bound,
            Self::LessOrEqual => severity <= bound,
            Self::Equal => severity == bound,
            Self::NotEqual => severity != bound,
            Self::GreaterOrEqual => severity >= bound,
            Self::Greater => severity > bound,
        }
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let wrong = |why: String| MatcherError {
            text: text.chars().take(80).collect(),
            why,
        };
        if text.len() > MATCHER_BYTES_MAX {
            return Err(wrong(format!(
                "it is longer than {MATCHER_BYTES_MAX} bytes"
            )));
        }
        let at = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let Some(operator) = OPERATORS.iter().find(|one| rest.starts_with(**one)) else {
            let why = "it has no operator such as = or =~";
            return Err(wrong(why.to_owned()));
        };
        if !is_name(name) {
            let why = format!("'{name}' is no name of a label; names have a-z, A-Z, 0-9 and _");
            return Err(wrong(why));
        }
        let value = unquote(rest[operator.len()..].trim());
        Ok(Self {
            text: text.to_owned(),
            name: name.to_owned(),
            test: parse_test(name, operator, value).map_err(wrong)?,
        })
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unquote(value: &str) -> &str {
    let inside = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(value)
}

fn parse_test(name: &str, operator: &str, value: &str) -> Result<Test, String> {
    if name == "severity" {
        let comparison = Comparison::parse(operator).ok_or_else(|| {
            format!("a severity knows no {operator}; compare it with = != < <= > or >=")
        })?;
        let severity = value
            .parse()
            .map_err(|error: crate::severity::UnknownSeverity| error.to_string())?;
        return Ok(Test::Severity(comparison, severity));
    }
    Ok(match operator {
        "=" => Test::Equal(value.to_owned()),
        "!=" => Test::NotEqual(value.to_owned()),
        "=~" => Test::Matches(parse_regex(value)?),
        "!~" => Test::MatchesNot(parse_regex(value)?),
        _ => return Err(format!("only severity is compared with {operator}")),
    })
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    // Alone first, so that no bracket closes the group that is put round it.
    let build = |text: &str| {
        regex::RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .build()
    };
    build(text)
        .and_then(|_| build(&format!("^(?s:{text})$")))
        .map_err(|error| {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or_default().trim();
            format!("'{text}' is no regular expression: {last}")
        })
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Matcher {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_their_texts_say() {
        let labels = [("mountpoint".to_owned(), "/mnt/lfs".to_owned())].into();
        let table = [
            ("mountpoint=/mnt/lfs", true),
            ("mountpoint=/mnt", false),
            ("mountpoint = \"/mnt/lfs\"", true),
            ("mountpoint!=/mnt/lfs", false),
            ("mountpoint=~/mnt/.*", true),
            ("mountpoint=~/mnt", false),
            ("mountpoint=~a|/mnt/lfs", true),
            ("mountpoint!~/mnt/.*", false),
            ("device=", true),
            ("device!=sda", true),
            ("device=~.+", false),
            ("rule=disk", true),
            ("rule=~d.*", true),
            ("rule!=disk", false),
            ("severity>=error", true),
            ("severity>error", false),
            ("severity<=error", true),
            ("severity<critical", true),
            ("severity=error", true),
            ("severity != error", false),
        ];
        for (text, expected) in table {
            let matcher: Matcher = text.parse().unwrap();
            let found = matcher.matches("disk", Severity::Error, &labels);
            assert_eq!(found, expected, "{text}");
            assert_eq!(matcher.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_matcher_says_why() {
        let long = format!("a={}", "x".repeat(MATCHER_BYTES_MAX));
        let table = [
            ("disk", "no operator"),
            ("", "no operator"),
            ("=disk", "no name"),
            ("a-b=c", "no name"),
            ("a!b", "no operator"),
            ("severity>=bad", "the severities are"),
            ("severity=~err.*", "compare it with"),
            ("resource>=disk", "only severity"),
            ("a=~(", "no regular expression"),
            ("a=~x)|(y", "no regular expression"),
            (&long, "longer than"),
        ];
        for (text, why) in table {
            let error = text.parse::<Matcher>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
