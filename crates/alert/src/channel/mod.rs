//! Where notifications go: one module a kind of channel.
//!
//! [`Channel::new`] checks whatever can be checked without a network;
//! [`Channel::send`] returns when the receiver has taken the message or its time
//! is up. `docs/alert-channels.md` says what "taken" means for each kind.

mod alertmanager;
mod console;
mod document;
mod email;
mod exec;
mod http;
mod journald;
mod net;
mod payload;
mod program;
mod secret;
mod syslog;
mod text;
mod webhook;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::notification::Message;

pub use alertmanager::Alertmanager;
pub use console::Console;
pub use document::render_document;
pub use email::{Email, SmtpTls};
pub use exec::Exec;
pub use http::{Address, Auth, Http};
pub use journald::{Journald, MESSAGE_ID};
pub use secret::{Secret, SecretError};
pub use syslog::{Syslog, SyslogTransport};
pub use webhook::{Body, Method, Webhook};

/// The time limit of one delivery where none is given.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A way to reach somebody: a name, and how to deliver.
#[derive(Debug)]
pub struct Channel {
    name: String,
    ready: Ready,
}

/// How a channel delivers, with its settings.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The standard error of the monitor, and every terminal if need be.
    Console(Console),
    /// A syslog daemon (RFC 5424).
    Syslog(Syslog),
    /// systemd's journal, by its native protocol.
    Journald(Journald),
    /// A mail server (RFC 5321).
    Email(Email),
    /// A request to whatever takes one.
    Webhook(Webhook),
    /// Prometheus' Alertmanager, by version 2 of its API.
    Alertmanager(Alertmanager),
    /// A program that gets the message on its standard input.
    Exec(Exec),
    /// The monitor's own page, which shows every alert anyway.
    Dashboard,
    /// A function in this process.
    Sink(Arc<dyn AlertSink>),
}

/// Takes messages in this process, for users of the crate.
pub trait AlertSink: Send + Sync + Debug {
    /// Takes a message, or says why not; it is then offered again later.
    fn take(&self, message: &Message<'_>) -> Result<(), String>;
}

/// A message that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// The receiver refused it and would refuse it again.
    pub is_final: bool,
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What was being done, to what, and what went wrong. Never holds a secret
    /// or a control character.
    pub message: String,
}

impl SendError {
    fn again(message: impl Into<String>) -> Self {
        Self {
            is_final: false,
            retry_after: None,
            message: text::plain(&message.into()),
        }
    }

    fn refused(message: impl Into<String>) -> Self {
        Self {
            is_final: true,
            ..Self::again(message)
        }
    }
}

/// Settings that no message can be delivered with.
#[derive(Debug, thiserror::Error)]
#[error("channel '{channel}': {message}; {help}")]
pub struct ChannelError {
    /// The channel's name.
    pub channel: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// What is wrong with settings, and what to do about it.
struct Wrong(String, &'static str);

/// A kind whose settings were checked.
#[derive(Debug)]
enum Ready {
    Console(Console),
    Syslog(syslog::Ready),
    Journald(Journald),
    Email(email::Ready),
    Webhook(Box<webhook::Ready>),
    Alertmanager(alertmanager::Ready),
    Exec(Exec),
    Dashboard,
    Sink(Arc<dyn AlertSink>),
}

impl Channel {
    /// Checks the settings: addresses, files, templates. Nothing is sent.
    pub fn new(name: &str, kind: Kind) -> Result<Self, ChannelError> {
        let ready = Ready::check(name, kind);
        let wrong = |Wrong(message, help)| ChannelError {
            channel: name.to_owned(),
            message,
            help: help.to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            ready: ready.map_err(wrong)?,
        })
    }

    /// Its name in the configuration and in the outbox.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind's word in the configuration, such as `email`.
    pub fn kind(&self) -> &str {
        match &self.ready {
            Ready::Console(_) => "console",
            Ready::Syslog(_) => "syslog",
            Ready::Journald(_) => "journald",
            Ready::Email(_) => "email",
            Ready::Webhook(_) => "webhook",
            Ready::Alertmanager(_) => "alertmanager",
            Ready::Exec(_) => "exec",
            Ready::Dashboard => "dashboard",
            Ready::Sink(_) => "sink",
        }
    }

    /// Whether what waited should come as one message. Where not, each
    /// notification is a record of its own.
    pub fn takes_digests(&self) -> bool {
        match &self.ready {
            Ready::Console(_) | Ready::Email(_) | Ready::Webhook(_) => true,
            Ready::Syslog(_)
            | Ready::Journald(_)
            | Ready::Alertmanager(_)
            | Ready::Exec(_)
            | Ready::Dashboard
            | Ready::Sink(_) => false,
        }
    }

    /// Delivers a message. An error means that the receiver has not said that it
    /// took it; it may have it all the same, since the answer can get lost.
    pub fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        match &self.ready {
            Ready::Console(console) => console.send(message),
            Ready::Syslog(syslog) => syslog.send(message),
            Ready::Journald(journald) => journald.send(message),
            Ready::Email(email) => email.send(message),
            Ready::Webhook(webhook) => webhook.send(message),
            Ready::Alertmanager(alertmanager) => alertmanager.send(message),
            Ready::Exec(exec) => exec.send(&self.name, message),
            Ready::Dashboard => Ok(()),
            Ready::Sink(sink) => sink.take(message).map_err(SendError::again),
        }
    }
}

impl Ready {
    fn check(name: &str, kind: Kind) -> Result<Self, Wrong> {
        Ok(match kind {
            Kind::Console(console) => {
                console.check()?;
                Self::Console(console)
            }
            Kind::Syslog(syslog) => Self::Syslog(syslog::Ready::new(syslog)?),
            Kind::Journald(journald) => Self::Journald(journald),
            Kind::Email(email) => Self::Email(email::Ready::new(email)?),
            Kind::Webhook(webhook) => Self::Webhook(Box::new(webhook::Ready::new(name, webhook)?)),
            Kind::Alertmanager(settings) => Self::Alertmanager(alertmanager::Ready::new(settings)?),
            Kind::Exec(exec) => {
                program::check(&exec.command)?;
                Self::Exec(exec)
            }
            Kind::Dashboard => Self::Dashboard,
            Kind::Sink(sink) => Self::Sink(sink),
        })
    }
}

#[cfg(test)]
mod tests;
