//! Bodies and addresses with places in them, in minijinja's language.

use std::collections::BTreeMap;
use std::io;

use lfs_wrapper_model::Severity;
use minijinja::value::{Kwargs, Serde};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context, filters,
};

use super::Method;
use crate::channel::Wrong;
use crate::channel::document::derive_document;
use crate::channel::payload::derive_payload;
use crate::channel::text::{cut, render_text, render_title};
use crate::engine::Kind;
use crate::notification::{Message, Notification, Reason};

/// No template is longer, in bytes.
const SOURCE_BYTES_MAX: usize = 64 << 10;

/// No body is longer, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Steps that filling in one template may take.
const FUEL: u64 = 2_000_000;

/// Texts for chat go no further; most services refuse much more.
const TEXT_BYTES_MAX: usize = 3000;

/// What fits in one short message.
const SHORT_BYTES_MAX: usize = 160;

const HELP: &str = "see 'Templates' in docs/alert-channels.md";

/// A template that comes with the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuiltIn {
    name: &'static str,
    pub(super) method: Method,
    pub(super) content_type: &'static str,
    pub(super) source: &'static str,
}

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn {
        name: "slack",
        method: Method::Post,
        content_type: "application/json",
        source: include_str!("slack.jinja"),
    },
    BuiltIn {
        name: "ntfy",
        method: Method::Post,
        content_type: "application/json",
        source: include_str!("ntfy.jinja"),
    },
    BuiltIn {
        name: "matrix",
        method: Method::Put,
        content_type: "application/json",
        source: include_str!("matrix.jinja"),
    },
    BuiltIn {
        name: "sms",
        method: Method::Post,
        content_type: "application/x-www-form-urlencoded",
        source: include_str!("sms.jinja"),
    },
];

pub(super) fn find(name: &str) -> Result<BuiltIn, Wrong> {
    let found = BUILT_IN.into_iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        let help = "the templates are slack, ntfy, matrix, sms; give other text as template_text";
        Wrong(format!("there is no template '{name}'"), help)
    })
}

/// What is filled in.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) channel: String,
    /// None where the body is no template.
    pub(super) source: Option<String>,
    /// What comes out must be JSON.
    pub(super) is_json: bool,
    pub(super) options: BTreeMap<String, String>,
    pub(super) external_url: String,
}

impl Templates {
    /// Fills both in for an alert with everything in it that can go wrong.
    /// Returns the address.
    pub(super) fn check(&self, url: Option<&str>) -> Result<Option<String>, Wrong> {
        let wrong = |what: &str, error: String| Wrong(format!("the {what}: {error}"), HELP);
        let url = url.map(|url| self.render_url(url, "0")).transpose();
        let url = url.map_err(|error| wrong("url", error))?;
        let notifications = [Kind::Raised, Kind::Nodata, Kind::Resolved].map(sample);
        let labels = [("severity".to_owned(), "error".to_owned())].into();
        for one in &notifications {
            let message = Message {
                host: "host",
                group: &labels,
                notifications: std::slice::from_ref(one),
                reason: Reason::Group,
                time_msec: 0,
            };
            if let Some(body) = self.render(&message, "0") {
                body.map_err(|error| wrong("template", error))?;
            }
        }
        Ok(url)
    }

    /// None where the body is no template.
    pub(super) fn render(
        &self,
        message: &Message<'_>,
        transaction: &str,
    ) -> Option<Result<String, String>> {
        let source = self.source.as_deref()?;
        let body = render(source, self.derive_context(message, transaction));
        Some(body.and_then(|body| {
            if self.is_json {
                serde_json::from_str::<serde::de::IgnoredAny>(&body)
                    .map_err(|error| format!("what comes out is no JSON: {error}"))?;
            }
            Ok(body)
        }))
    }

    pub(super) fn render_url(&self, url: &str, transaction: &str) -> Result<String, String> {
        let options = self.options.clone();
        render(url, context! { transaction, options })
    }

    /// The document that programs get, and what is the same in many templates.
    fn derive_context(&self, message: &Message<'_>, transaction: &str) -> Value {
        let payload = derive_payload(&self.channel, &self.external_url, message);
        let title = render_title(message);
        let text = render_text(message);
        context! {
            transaction,
            payload => Value::from(Serde(payload)),
            options => self.options.clone(),
            external_url => self.external_url.clone(),
            short => cut(&title, SHORT_BYTES_MAX),
            text => cut(&text, TEXT_BYTES_MAX),
            title,
            color => render_color(message),
            ..Value::from(Serde(derive_document(&self.channel, message)))
        }
    }
}

/// Six hexadecimal digits after `#`; green when all is over.
fn render_color(message: &Message<'_>) -> &'static str {
    match message.severity() {
        _ if message.is_resolved() => "#2e7d32",
        Severity::Info => "#1976d2",
        Severity::Warning => "#f9a825",
        Severity::Error => "#ef6c00",
        Severity::Critical => "#c62828",
        Severity::Emergency => "#6a1b9a",
    }
}

fn render(source: &str, context: Value) -> Result<String, String> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(format!("longer than {SOURCE_BYTES_MAX} bytes"));
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("tojson", to_json);
    let mut body = Limited(Vec::new());
    let template = environment.template_from_str(source);
    let rendered = template.and_then(|template| {
        template.render_captured_to(context, &mut body)?;
        Ok(())
    });
    rendered.map_err(|error| {
        let place = error.line().map(|line| format!("line {line}: "));
        let detail = error.detail().unwrap_or_default();
        format!("{}{} {detail}", place.unwrap_or_default(), error.kind())
            .trim_end()
            .to_owned()
    })?;
    String::from_utf8(body.0).map_err(|error| error.to_string())
}

/// The filter of the same name, which takes what is not there for null.
fn to_json(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    filters::tojson(value, indent, kwargs)
}

/// Takes bytes up to the limit.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BODY_BYTES_MAX {
            let message = format!("longer than {BODY_BYTES_MAX} bytes");
            return Err(io::Error::other(message));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A notification with quotes and line ends, and without what may be missing.
fn sample(kind: Kind) -> Notification {
    let value = (kind == Kind::Raised).then_some(0.5);
    Notification {
        alert: 1,
        event: 1,
        rule: "sample".to_owned(),
        kind,
        is_reminder: false,
        severity: Severity::Error,
        labels: [("path".to_owned(), "C:\\\"\n".to_owned())].into(),
        value,
        threshold: value,
        message: "it said \"no\"\nand more".to_owned(),
        runbook: String::new(),
        annotations: BTreeMap::new(),
        since_msec: 0,
        time_msec: 0,
    }
}
