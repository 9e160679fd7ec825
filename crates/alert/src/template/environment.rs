//! minijinja with our filters, our limits and nothing else.

use std::io;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, Rest, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use regex::{Regex, RegexBuilder};

use super::{RESULT_BYTES_MAX, TemplateError, Values, number, printf};
use crate::engine::Kind;
use crate::rule::Labels;

/// What a template can name.
pub(super) const VARIABLES: [&str; 6] =
    ["value", "threshold", "labels", "severity", "rule", "kind"];

/// The one function.
pub(super) const FUNCTIONS: [&str; 1] = ["printf"];

/// What stands after a `|`.
pub(super) const FILTERS: [&str; 12] = [
    "round",
    "humanize",
    "humanize1024",
    "humanize_percentage",
    "humanize_duration",
    "humanize_timestamp",
    "upper",
    "lower",
    "title",
    "default",
    "replace",
    "re_replace",
];

type NumberFilter = (&'static str, fn(f64) -> String);

const NUMBER_FILTERS: [NumberFilter; 5] = [
    ("humanize", number::humanize),
    ("humanize1024", number::humanize_1024),
    ("humanize_percentage", number::humanize_percentage),
    ("humanize_duration", number::humanize_duration),
    ("humanize_timestamp", number::humanize_timestamp),
];

/// Instructions of one rendering; a template of the longest kind needs fewer.
const FUEL: u64 = 20_000;

/// The largest regular expression, compiled.
const REGEX_BYTES_MAX: usize = 256 * 1024;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_formatter(|out, _, value| {
        let text = text(value);
        out.write_str(&text)
            .map_err(|_| Error::new(ErrorKind::WriteFailure, "the text is too long"))
    });
    add_number_filters(&mut environment);
    add_text_filters(&mut environment);
    environment.add_function("printf", |format: String, values: Rest<Value>| {
        printf::printf(&format, &values)
    });
    environment
}

fn add_number_filters(environment: &mut Environment<'static>) {
    environment.add_filter("round", |value: Value, digits: Option<u32>| {
        with_number(value, |number| {
            match digits.unwrap_or(0) {
                0 => Value::from(number::round(number, 0)),
                // A text, as printf's: with the zeros that say how exact it is.
                digits => Value::from(number::fixed(
                    number::round(number, digits),
                    usize::try_from(digits.min(15)).unwrap_or(0),
                )),
            }
        })
    });
    for (name, render) in NUMBER_FILTERS {
        environment.add_filter(name, move |value: Value| {
            with_number(value, |number| {
                if number.is_nan() {
                    Value::from(number)
                } else {
                    Value::from(render(number))
                }
            })
        });
    }
}

fn add_text_filters(environment: &mut Environment<'static>) {
    environment.add_filter("upper", |value: Value| text(&value).to_uppercase());
    environment.add_filter("lower", |value: Value| text(&value).to_lowercase());
    environment.add_filter("title", |value: Value| title(&text(&value)));
    environment.add_filter("default", |value: Value, instead: Value| {
        if text(&value).is_empty() {
            instead
        } else {
            value
        }
    });
    environment.add_filter("replace", |value: Value, old: String, new: String| {
        replace(&text(&value), &old, &new)
    });
    environment.add_filter("re_replace", |value: Value, old: String, new: String| {
        re_replace(&text(&value), &old, &new)
    });
}

/// A value as it is shown.
pub(super) fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    match as_number(value) {
        Some(number) => number::render(number),
        None => value.to_string(),
    }
}

pub(super) fn as_number(value: &Value) -> Option<f64> {
    if value.is_number() {
        return f64::try_from(value.clone()).ok();
    }
    value.as_str()?.trim().parse().ok()
}

/// Labels are text, and often numbers all the same; other text stays as it is.
fn with_number(value: Value, apply: impl Fn(f64) -> Value) -> Value {
    match as_number(&value) {
        Some(number) => apply(number),
        None => value,
    }
}

fn title(text: &str) -> String {
    let mut is_start = true;
    let upper = |c: char| {
        let was_start = std::mem::replace(&mut is_start, !c.is_alphanumeric());
        match was_start {
            true => c.to_uppercase().collect::<String>(),
            false => c.to_string(),
        }
    };
    text.chars().map(upper).collect()
}

/// Several of these in one template would multiply.
pub(super) fn limited(mut text: String) -> String {
    if text.len() > RESULT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(RESULT_BYTES_MAX));
    }
    text
}

fn replace(text: &str, old: &str, new: &str) -> String {
    limited(text.replace(old, limited_part(new)))
}

fn re_replace(text: &str, old: &str, new: &str) -> Result<String, Error> {
    let regex = compile(old)?;
    Ok(limited(
        regex.replace_all(text, limited_part(new)).into_owned(),
    ))
}

/// With at most [`RESULT_BYTES_MAX`] places in a text, 16 MiB at most.
fn limited_part(new: &str) -> &str {
    &new[..new.floor_char_boundary(1024)]
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("'{pattern}' is no regular expression"),
            )
        })
}

/// Labels by name; one that is not there is empty.
#[derive(Debug)]
struct LabelValues(Labels);

impl Object for LabelValues {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        Some(Value::from(self.0.get(name).map_or("", String::as_str)))
    }
}

/// Every variable; what is not there is undefined.
#[derive(Debug)]
struct Variables([(&'static str, Value); VARIABLES.len()]);

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let found = self.0.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.clone())
    }
}

fn context(values: &Values<'_>) -> Value {
    // Below every number, so that "value > 3" is false where there is none.
    let number = |number: Option<f64>| Value::from(number.unwrap_or(-f64::NAN));
    Value::from_object(Variables([
        ("value", number(values.value)),
        ("threshold", number(values.threshold)),
        (
            "labels",
            Value::from_object(LabelValues(values.labels.clone())),
        ),
        ("severity", Value::from(values.severity.as_str())),
        ("rule", Value::from(values.rule)),
        ("kind", Value::from(values.kind.as_str())),
    ]))
}

/// Takes what fits and forgets the rest.
struct Limited {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = RESULT_BYTES_MAX.saturating_sub(self.bytes.len());
        self.is_cut |= bytes.len() > room;
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn render(body: &str, values: &Values<'_>) -> Result<String, TemplateError> {
    let environment: &Environment<'_> = &ENVIRONMENT;
    let mut output = Limited {
        bytes: Vec::new(),
        is_cut: false,
    };
    environment
        .template_from_str(body)
        .and_then(|template| template.render_captured_to(context(values), &mut output))
        .map_err(|error| explain(body, &error))?;
    let mut text = seen(&String::from_utf8_lossy(&output.bytes));
    if output.is_cut {
        text.push('…');
    }
    Ok(text)
}

/// `text` without control characters but line breaks.
pub(super) fn seen(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(lfs_wrapper_model::visible).collect();
    lines.join("\n")
}

fn explain(body: &str, error: &Error) -> TemplateError {
    let span = error.range().unwrap_or(0..body.len());
    let message = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    TemplateError::new(span, seen(&message))
}

/// Whether `body` can be rendered, whatever the value.
pub(super) fn check(body: &str) -> Result<(), TemplateError> {
    let labels = Labels::new();
    for (value, kind) in [
        (Some(0.0), Kind::Raised),
        (Some(12_345.678), Kind::Resolved),
        (None, Kind::Nodata),
    ] {
        let values = Values {
            rule: "rule",
            severity: lfs_wrapper_model::Severity::Warning,
            kind,
            value,
            threshold: value,
            labels: &labels,
        };
        render(body, &values)?;
    }
    Ok(())
}
