//! One line of a text whose samples have times: OpenMetrics 1.0, the text format
//! 0.0.4 with times, and what `promtool tsdb dump` prints. A history is read so,
//! line by line, since it may be larger than memory.

use super::line::{ExpositionError, Line};
use crate::TimeMsec;

/// The last millisecond of the year 9999. What is later, or as long before 1970,
/// is in another unit.
const TIME_MSEC_MAX: i64 = 253_402_300_799_999;

/// Whole numbers from here on are not seconds but milliseconds: as seconds,
/// they would be later than the year 5138; as milliseconds, they are later than
/// March 1973.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// In what the times of a text are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Decimal seconds, as OpenMetrics has them.
    Seconds,
    /// Whole milliseconds, as the text format 0.0.4 and `promtool tsdb dump`
    /// have them.
    Milliseconds,
}

/// What a line says that has no sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimedComment {
    /// Nothing that matters.
    Nothing,
    /// `# EOF`
    End,
    /// `# TYPE`: the family and the word for what it is.
    Type(String, String),
    /// `# HELP`: the family and a sentence.
    Help(String, String),
}

/// A line, taken apart from left to right.
#[derive(Clone)]
pub struct TimedLine<'text> {
    line: Line<'text>,
    /// It begins with a brace: Go's escapes are possible.
    is_braced: bool,
}

impl<'text> TimedLine<'text> {
    /// The line `number`, which counts from 1, without its line feed.
    pub fn new(text: &'text str, number: usize) -> Self {
        let mut line = Line::new(text, number);
        line.skip_blanks();
        let is_braced = line.peek() == Some('{');
        Self { line, is_braced }
    }

    /// An error about what comes next.
    pub fn error(&self, message: impl Into<String>) -> ExpositionError {
        self.line.error(message)
    }

    /// What the line says if it has no sample; then nothing is left to take.
    pub fn take_comment(&mut self) -> Result<Option<TimedComment>, ExpositionError> {
        match self.line.peek() {
            None => return Ok(Some(TimedComment::Nothing)),
            Some('#') => {}
            Some(_) => return Ok(None),
        }
        let line = &mut self.line;
        line.skip('#');
        line.skip_blanks();
        let comment = match line.take_word() {
            "EOF" => {
                line.expect_end()?;
                TimedComment::End
            }
            "TYPE" => {
                let name = take_family(line)?;
                let word = line.take_word().to_owned();
                if word.is_empty() {
                    return Err(line.expected("a type"));
                }
                line.expect_end()?;
                TimedComment::Type(name, word)
            }
            "HELP" => {
                let name = take_family(line)?;
                TimedComment::Help(name, take_lenient_help(line)?)
            }
            _ => TimedComment::Nothing,
        };
        Ok(Some(comment))
    }

    /// Name and labels as they stand there, without a look at what they are:
    /// what is the same text is the same series. `None` where they do not end.
    pub fn series_text(&self) -> Option<&'text str> {
        let rest = self.line.rest();
        let mut is_quoted = false;
        let mut is_escaped = false;
        let mut is_inside = false;
        for (place, byte) in rest.bytes().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                b'{' => is_inside = true,
                b'}' if is_inside => return rest.get(..=place),
                b' ' | b'\t' if !is_inside => {
                    let is_name_only = !rest.get(place..)?.trim_start().starts_with('{');
                    if is_name_only {
                        return rest.get(..place);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Steps over the [series' text](Self::series_text), which is known.
    pub fn skip_series(&mut self, text: &str) {
        self.line.skip_bytes(text.len());
    }

    /// Whether this is a line of `promtool tsdb dump`: the name is a label.
    pub fn is_dump(&self) -> bool {
        let inside = self.line.rest().strip_prefix('{');
        inside.is_some_and(|inside| !inside.trim_start().starts_with('"'))
    }

    /// Labels, the metric's name among them as `__name__`.
    pub fn take_series(&mut self) -> Result<Vec<(String, String)>, ExpositionError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let start = self.line.clone();
        if !self.is_braced {
            let name = self.line.take_metric_name()?;
            pairs.push(("__name__".to_owned(), name.to_owned()));
        }
        let mut after = self.line.clone();
        after.skip_blanks();
        if !after.skip('{') {
            return Ok(pairs);
        }
        self.line = after;
        loop {
            self.line.skip_blanks();
            if self.line.skip('}') {
                break;
            }
            let place = self.line.clone();
            let (name, value) = self.take_label()?;
            if pairs.iter().any(|pair| pair.0 == name) {
                return Err(place.error(match name.as_str() {
                    "__name__" => "a second name of the metric".to_owned(),
                    _ => format!("a second label {name}"),
                }));
            }
            pairs.push((name, value));
            self.line.skip_blanks();
            if !self.line.skip(',') && self.line.peek() != Some('}') {
                return Err(self.line.expected("',' or '}' behind a label"));
            }
        }
        if pairs.is_empty() {
            return Err(start.error("expected a name or a label, found an empty set of labels"));
        }
        Ok(pairs)
    }

    /// `name="value"`, `"any name"="value"`, or a metric's `"any name"` alone.
    fn take_label(&mut self) -> Result<(String, String), ExpositionError> {
        let line = &mut self.line;
        let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let name = if line.peek() == Some('"') {
            let name = take_quoted(line, self.is_braced)?;
            line.skip_blanks();
            if matches!(line.peek(), Some(',' | '}')) {
                return Ok(("__name__".to_owned(), name));
            }
            name
        } else {
            line.take_name(of_name, "the name of a label or '}'")?
                .to_owned()
        };
        line.skip_blanks();
        if !line.skip('=') {
            return Err(line.expected("'=' behind the name of a label"));
        }
        line.skip_blanks();
        if line.peek() != Some('"') {
            return Err(line.expected("'\"' before the value of a label"));
        }
        Ok((name, take_quoted(line, self.is_braced)?))
    }

    /// The sample's value.
    pub fn take_value(&mut self) -> Result<f64, ExpositionError> {
        if !matches!(self.line.peek(), Some(' ' | '\t')) {
            return Err(self.line.expected("a blank behind the series"));
        }
        self.line.skip_blanks();
        self.line.take_value()
    }

    /// In what unit the time is that comes next, if one had to guess: a number
    /// with a fraction or an exponent and one below 100,000,000,000 is in
    /// seconds.
    pub fn guess_unit(&self) -> TimeUnit {
        let mut after = self.line.clone();
        after.skip_blanks();
        match after.take_word().parse::<i64>() {
            Ok(time) if time.unsigned_abs() >= MILLISECONDS_FROM => TimeUnit::Milliseconds,
            _ => TimeUnit::Seconds,
        }
    }

    /// The sample's time; what is finer than a millisecond is rounded.
    pub fn take_time(&mut self, unit: TimeUnit) -> Result<TimeMsec, ExpositionError> {
        self.line.skip_blanks();
        let place = self.line.clone();
        let word = self.line.take_word();
        if word.is_empty() || word.starts_with('#') {
            return Err(place.expected("a time behind the value (a history has no other)"));
        }
        let (time_msec, what) = match unit {
            TimeUnit::Milliseconds => (word.parse().ok(), "whole milliseconds"),
            TimeUnit::Seconds => (parse_seconds(word), "seconds"),
        };
        let in_range = time_msec.filter(|time| time.unsigned_abs() <= TIME_MSEC_MAX.unsigned_abs());
        in_range.ok_or_else(|| {
            let expected = format!("expected a time in {what} up to the year 9999");
            place.error(format!("{expected}, found '{word}'"))
        })
    }

    /// Nothing more comes, an exemplar aside; whether there is one.
    pub fn take_end(&mut self) -> Result<bool, ExpositionError> {
        self.line.skip_blanks();
        let mut after = self.line.clone();
        if after.skip('#') {
            after.skip_blanks();
            if after.skip('{') {
                return Ok(true);
            }
        }
        self.line.expect_end()?;
        Ok(false)
    }
}

fn take_family(line: &mut Line<'_>) -> Result<String, ExpositionError> {
    line.skip_blanks();
    let name = match line.peek() {
        Some('"') => take_quoted(line, false)?,
        _ => line.take_metric_name()?.to_owned(),
    };
    line.skip_blanks();
    Ok(name)
}

/// A sentence, in which OpenMetrics has quotes escaped too.
fn take_lenient_help(line: &mut Line<'_>) -> Result<String, ExpositionError> {
    let mut help = String::new();
    loop {
        help.push_str(line.take_while(|character| character != '\\'));
        if !line.skip('\\') {
            return Ok(help);
        }
        let mut escaped = line.rest().chars();
        match escaped.next() {
            Some('n') => help.push('\n'),
            Some(character @ ('\\' | '"')) => help.push(character),
            _ => return Err(line.expected(r#"\, n or " behind a backslash"#)),
        }
        line.skip_bytes(1);
    }
}

/// A text in quotes. In the dump of a database, it has Go's escapes.
fn take_quoted(line: &mut Line<'_>, has_go_escapes: bool) -> Result<String, ExpositionError> {
    let mut value = String::new();
    line.skip('"');
    loop {
        value.push_str(line.take_while(|character| !matches!(character, '\\' | '"')));
        if line.skip('"') {
            return Ok(value);
        }
        let place = line.clone();
        if !line.skip('\\') {
            return Err(line.expected("'\"' behind a text in quotes"));
        }
        let Some((character, length)) = unescape(line.rest(), has_go_escapes) else {
            return Err(place.error(r#"expected \\, \" or \n"#));
        };
        value.push(character);
        line.skip_bytes(length);
    }
}

/// The character that an escape stands for, and how long it is without its
/// backslash.
fn unescape(text: &str, has_go_escapes: bool) -> Option<(char, usize)> {
    let character = text.chars().next()?;
    let simple = match character {
        '\\' | '"' => Some(character),
        'n' => Some('\n'),
        _ if !has_go_escapes => return None,
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        _ => None,
    };
    if let Some(simple) = simple {
        return Some((simple, 1));
    }
    // A byte that is not ASCII has no meaning of its own in UTF-8.
    let (digits, code_max) = match character {
        'x' => (2, 0x7f),
        'u' => (4, u32::MAX),
        'U' => (8, u32::MAX),
        _ => return None,
    };
    let code = u32::from_str_radix(text.get(1..=digits)?, 16).ok()?;
    let character = char::from_u32(code).filter(|_| code <= code_max)?;
    Some((character, 1 + digits))
}

/// Decimal seconds in milliseconds, exact to half a millisecond; those with an
/// exponent by way of a binary fraction.
fn parse_seconds(word: &str) -> Option<i64> {
    if word.contains(['e', 'E']) {
        let msec = (word.parse::<f64>().ok()? * 1000.0).round();
        let is_whole = msec.abs() < 1e15;
        return is_whole.then(|| format!("{msec:.0}").parse().ok())?;
    }
    let (is_negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut msec = 0;
    for place in 0..4 {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
        msec = msec * 10 + i64::from(digit);
    }
    let time_msec = whole.checked_mul(1000)?.checked_add((msec + 5) / 10)?;
    Some(if is_negative { -time_msec } else { time_msec })
}

#[cfg(test)]
mod tests;
