//! `[channels.NAME]`: where alerts go.

mod derive;
mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use lfs_wrapper_model::Severity;
use lfs_wrapper_model::document::nearest;
use serde::Deserialize;
use toml::Spanned;

use crate::place::Wrong;
use derive::{derive_alertmanager, derive_email, derive_exec, derive_syslog, derive_webhook};
use raw::{Raw, absolute, value_or};

/// Each has a thread of its own to wait for.
const CHANNELS_MAX: usize = 32;

const NAME_CHARACTERS_MAX: usize = 40;

/// All channels that are configured. Those that are there without it are not
/// among them.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Channels(BTreeMap<Spanned<String>, Raw>);

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// 1 to 40 of a-z, 0-9, `_` and `-`.
    pub name: String,
    /// Whether alerts go there.
    pub is_enabled: bool,
    /// How.
    pub kind: Kind,
}

/// How alerts are delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The standard error of the monitor.
    Console {
        /// What is at least this bad also goes to every terminal.
        wall: Option<Severity>,
        /// How long wall(1) may take.
        timeout: Duration,
    },
    /// A syslog daemon.
    Syslog {
        /// What it listens on.
        transport: Transport,
        /// How long a delivery may take.
        timeout: Duration,
    },
    /// systemd's journal.
    Journald {
        /// Its socket; the usual one without this.
        path: Option<PathBuf>,
    },
    /// A mail server.
    Email(Email),
    /// Whatever takes a request.
    Webhook(Webhook),
    /// Prometheus' Alertmanager.
    Alertmanager {
        /// How it is reached.
        http: Http,
        /// How long it keeps an alert that it does not hear of again.
        keep: Duration,
        /// The address that its page links to; may be empty.
        external_url: String,
    },
    /// A program.
    Exec {
        /// Its absolute path and its arguments; never empty.
        command: Vec<String>,
        /// Then it is killed.
        timeout: Duration,
    },
    /// The monitor's page.
    Dashboard,
}

/// What a syslog daemon listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram socket; `/dev/log`, where it exists, without a path.
    Unix(Option<PathBuf>),
    /// UDP, as `host:port`.
    Udp(String),
    /// TCP, as `host:port`.
    Tcp(String),
    /// TLS, as `host:port`, with a file of certificates (PEM).
    Tls(String, Option<PathBuf>),
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Certificates (PEM) of those who may sign the server's.
    pub ca_file: Option<PathBuf>,
    /// Who signs in, and with what.
    pub login: Option<(String, Secret)>,
    /// Lets the password go without TLS to another machine.
    pub allow_plain_credentials: bool,
    /// The sender.
    pub from: String,
    /// The recipients; never empty.
    pub to: Vec<String>,
    /// How long a delivery may take.
    pub timeout: Duration,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    None,
    /// By STARTTLS.
    StartTls,
    /// From the beginning.
    Tls,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// How the server is reached.
    pub http: Http,
    /// POST or PUT; the template's own without this.
    pub method: Option<String>,
    /// What is in it.
    pub body: Body,
    /// The body's type; the template's own without this.
    pub content_type: Option<String>,
    /// Words for the template.
    pub options: BTreeMap<String, String>,
    /// Signs the body.
    pub signature: Option<Secret>,
    /// The address that receivers link to; may be empty.
    pub external_url: String,
}

/// What is in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Alertmanager's payload.
    Alertmanager,
    /// A template that comes with the program.
    BuiltIn(String),
    /// A template in the configuration.
    Text(String),
    /// A template in a file.
    File(PathBuf),
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it is.
    pub url: Address,
    /// How to sign in.
    pub auth: Auth,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Further headers that nobody may see.
    pub secret_headers: Vec<(String, Secret)>,
    /// Certificates (PEM) of those who may sign the server's.
    pub ca_file: Option<PathBuf>,
    /// Lets secrets go without TLS to another machine.
    pub allow_plain_credentials: bool,
    /// How long a delivery may take.
    pub timeout: Duration,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address that may be seen.
    Text(String),
    /// An address that is a secret itself.
    Secret(Secret),
}

/// How to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// With a bearer token.
    Bearer(Secret),
    /// With a name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
}

const TYPES: [&str; 8] = [
    "console",
    "syslog",
    "journald",
    "email",
    "webhook",
    "alertmanager",
    "exec",
    "dashboard",
];

impl Channels {
    /// All of them, by name. What is wrong was told when the file was read.
    pub fn list(&self) -> Vec<Channel> {
        let all = self.0.iter();
        all.filter_map(|(name, raw)| derive(name, raw).ok())
            .collect()
    }

    /// The names that routes may use: those configured and those that are there
    /// without it, whether or not they are enabled.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let configured = self.0.keys().map(|name| name.get_ref().as_str());
        configured.chain(["console", "syslog"]).collect()
    }

    /// The one with this name.
    pub fn find(&self, name: &str) -> Option<Channel> {
        self.list().into_iter().find(|one| one.name == name)
    }

    /// A secret that stands in the document; its line is not to be shown.
    pub(crate) fn find_secret(&self) -> Option<Wrong> {
        self.0.values().find_map(Raw::find_secret)
    }

    pub(crate) fn check(&self) -> Result<(), Wrong> {
        for (index, (name, raw)) in self.0.iter().enumerate() {
            if index == CHANNELS_MAX {
                let message = format!("more than {CHANNELS_MAX} channels");
                return Err((name.span(), message, "let one channel reach more people"));
            }
            derive(name, raw)?;
        }
        Ok(())
    }
}

fn derive(name: &Spanned<String>, raw: &Raw) -> Result<Channel, Wrong> {
    check_name(name)?;
    let place = name.span();
    let kind = match derive_type(name, raw)? {
        "console" => {
            raw.refuse_others("console", &["wall", "timeout_seconds"])?;
            Kind::Console {
                wall: raw.wall.as_ref().map(|wall| *wall.get_ref()),
                timeout: raw.timeout()?,
            }
        }
        "syslog" => derive_syslog(raw, &place)?,
        "journald" => {
            raw.refuse_others("journald", &["path"])?;
            let path = absolute(&raw.path)?;
            Kind::Journald { path }
        }
        "email" => Kind::Email(derive_email(raw, &place)?),
        "webhook" => Kind::Webhook(derive_webhook(raw, &place)?),
        "alertmanager" => derive_alertmanager(raw, &place)?,
        "exec" => derive_exec(raw, &place)?,
        _ => {
            raw.refuse_others("dashboard", &[])?;
            Kind::Dashboard
        }
    };
    Ok(Channel {
        name: name.get_ref().clone(),
        is_enabled: value_or(&raw.enabled, true),
        kind,
    })
}

fn check_name(name: &Spanned<String>) -> Result<(), Wrong> {
    let text = name.get_ref();
    let is_part = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if (1..=NAME_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(is_part) {
        return Ok(());
    }
    Err((
        name.span(),
        format!("'{text}' is no name for a channel"),
        "give 1 to 40 characters of a-z, 0-9, _ and -",
    ))
}

/// The type that is given, or else the one that the channel is named after.
fn derive_type(name: &Spanned<String>, raw: &Raw) -> Result<&'static str, Wrong> {
    const HELP: &str = "the types are console, syslog, journald, email, webhook, alertmanager, \
                        exec, dashboard";
    let find = |word: &str| TYPES.into_iter().find(|one| *one == word);
    let near = |word: &str| match nearest(word, TYPES) {
        Some(near) => format!("; did you mean '{near}'?"),
        None => String::new(),
    };
    match &raw.r#type {
        Some(given) => find(given.get_ref()).ok_or_else(|| {
            let word = given.get_ref();
            let message = format!("unknown type '{word}'{}", near(word));
            (given.span(), message, HELP)
        }),
        None => find(name.get_ref()).ok_or_else(|| {
            let word = name.get_ref();
            let message = format!("channel '{word}' has no type{}", near(word));
            (name.span(), message, HELP)
        }),
    }
}

#[cfg(test)]
mod tests;
