//! Texts with values in them.
//!
//! Two ways to write one: ours, a small part of Jinja
//! (`memory {{ value | round(1) }}% used`), and that of Prometheus' rule files
//! (`{{ $value | humanize }}`), which is translated to ours when it is read.
//! docs/alert-rules.md has both.

mod environment;
mod export;
mod go;
mod go_call;
mod number;
mod printf;
mod scan;
mod syntax;

use std::ops::Range;

use lfs_wrapper_model::Severity;

use crate::engine::Kind;
use crate::rule::Labels;

pub(crate) use export::Constants;

/// The longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 4096;

/// The longest text that a template gives, in bytes; what is beyond is cut off.
pub const RESULT_BYTES_MAX: usize = 16 * 1024;

/// A text with places for values, such as `memory {{ value | round(1) }}% used`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// As minijinja takes it.
    body: String,
    dialect: Dialect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Plain,
    Ours,
    Go,
}

/// What a template can show.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<'a> {
    /// The name of the rule.
    pub rule: &'a str,
    /// The level.
    pub severity: Severity,
    /// What happened.
    pub kind: Kind,
    /// The value; shown as `?` where there is none.
    pub value: Option<f64>,
    /// The threshold of the level; shown as `?` where there is none.
    pub threshold: Option<f64>,
    /// The labels; one that is not there is shown as nothing.
    pub labels: &'a Labels,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at byte {} of the text", .span.start)]
pub struct TemplateError {
    message: String,
    help: Option<String>,
    span: Range<usize>,
}

impl TemplateError {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            span,
        }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be accepted.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Which bytes of the template it is about.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl Template {
    /// A text without places.
    pub fn plain(text: &str) -> Self {
        Self {
            source: text.to_owned(),
            body: String::new(),
            dialect: Dialect::Plain,
        }
    }

    /// Reads a template in our syntax. Names and filters that do not exist are
    /// errors, also where they would rarely be used.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        check_length(text)?;
        scan::check(text)?;
        environment::check(text)?;
        Ok(Self {
            source: text.to_owned(),
            body: text.to_owned(),
            dialect: Dialect::Ours,
        })
    }

    /// Reads a template as Prometheus' rule files have them. What asks the
    /// database again (`query`, `range`, …) is refused.
    pub fn parse_go(text: &str) -> Result<Self, TemplateError> {
        check_length(text)?;
        let body = go::translate(text)?;
        environment::check(&body)
            .map_err(|error| TemplateError::new(0..text.len(), error.message))?;
        Ok(Self {
            source: text.to_owned(),
            body,
            dialect: Dialect::Go,
        })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text with the values in it. No control characters but line breaks
    /// are in it: labels can come from a build.
    pub fn render(&self, values: &Values<'_>) -> Result<String, TemplateError> {
        match self.dialect {
            Dialect::Plain => Ok(environment::seen(&self.source)),
            Dialect::Ours | Dialect::Go => {
                environment::render(&self.body, values).map_err(|error| match self.dialect {
                    Dialect::Go => TemplateError::new(0..self.source.len(), error.message),
                    Dialect::Plain | Dialect::Ours => error,
                })
            }
        }
    }

    /// The template as Prometheus' rule files have them; `None` where that
    /// cannot say the same.
    pub fn to_go(&self) -> Option<String> {
        self.to_go_with(&Constants::default())
    }

    /// The same with values that are known by now.
    pub(crate) fn to_go_with(&self, constants: &Constants<'_>) -> Option<String> {
        match self.dialect {
            Dialect::Plain => Some(export::literal(&self.source)),
            Dialect::Ours => export::to_go(&self.source, constants),
            Dialect::Go => Some(self.source.clone()),
        }
    }
}

fn check_length(text: &str) -> Result<(), TemplateError> {
    if text.len() <= TEMPLATE_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a template of {} bytes", text.len());
    Err(TemplateError::new(0..0, message)
        .with_help(format!("give at most {TEMPLATE_BYTES_MAX} bytes")))
}
