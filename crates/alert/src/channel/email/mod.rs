//! Mail, by way of a mail server (RFC 5321).

mod mail;
mod smtp;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use rustls::ClientConfig;

use super::net::{Deadline, derive_tls};
use super::secret::{Known, Secret};
use super::{SendError, TIMEOUT, Wrong};
use crate::notification::Message;

pub(super) use mail::render;

/// More people than that belong on a list of the mail server.
const RECIPIENTS_MAX: usize = 100;

/// A mail server, and who gets mail. Taken means: the server took it for every
/// recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The server's name or address; its certificate must be for it.
    pub host: String,
    /// Its port: usually 587 for STARTTLS, 465 for TLS, 25 without.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Certificates (PEM) of those who may sign the server's; the system's
    /// without this.
    pub ca_file: Option<PathBuf>,
    /// The name and the password to sign in with.
    pub login: Option<(String, Secret)>,
    /// Lets the password go without TLS to another machine.
    pub allow_plain_credentials: bool,
    /// The sender, such as `lfs@host.example` or `LFS <lfs@host.example>`.
    pub from: String,
    /// The recipients; never empty.
    pub to: Vec<String>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// By STARTTLS (RFC 3207); a server without it gets no mail.
    StartTls,
    /// By TLS from the beginning (RFC 8314).
    Tls,
}

impl Email {
    /// By STARTTLS on port 587, without signing in.
    pub fn at(host: &str, from: &str, to: &[&str]) -> Self {
        Self {
            host: host.to_owned(),
            port: 587,
            tls: SmtpTls::StartTls,
            ca_file: None,
            login: None,
            allow_plain_credentials: false,
            from: from.to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
            timeout: TIMEOUT,
        }
    }
}

/// Checked settings, and who still lacks the mail that was sent last.
#[derive(Debug)]
pub(super) struct Ready {
    settings: Email,
    from: Mailbox,
    to: Vec<Mailbox>,
    tls: Option<Arc<ClientConfig>>,
    partly: Mutex<Option<Partly>>,
}

/// A mail that the server took for some only: at the next try the others get it.
#[derive(Debug)]
struct Partly {
    id: String,
    missing: Vec<Address>,
}

impl Ready {
    pub(super) fn new(settings: Email) -> Result<Self, Wrong> {
        if settings.host.is_empty() {
            return Err(Wrong("no mail server".to_owned(), "give host"));
        }
        if settings.to.is_empty() {
            return Err(Wrong("nobody gets the mail".to_owned(), "give to"));
        }
        if settings.to.len() > RECIPIENTS_MAX {
            let message = format!("more than {RECIPIENTS_MAX} recipients");
            return Err(Wrong(message, "let the mail server keep a list"));
        }
        let is_near = settings.host == "localhost"
            || settings
                .host
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        let is_plain = settings.tls == SmtpTls::None && settings.login.is_some();
        if is_plain && !is_near && !settings.allow_plain_credentials {
            let message = format!("the password would go to {} without TLS", settings.host);
            return Err(Wrong(
                message,
                "set tls to starttls or tls, or set allow_plain_credentials",
            ));
        }
        let to: Result<Vec<Mailbox>, Wrong> = settings.to.iter().map(|to| parse(to)).collect();
        Ok(Self {
            from: parse(&settings.from)?,
            to: to?,
            tls: match settings.tls {
                SmtpTls::None => None,
                SmtpTls::StartTls | SmtpTls::Tls => Some(derive_tls(settings.ca_file.as_deref())?),
            },
            partly: Mutex::default(),
            settings,
        })
    }

    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let (host, port) = (&self.settings.host, self.settings.port);
        let at = |error: SendError| SendError {
            message: format!("sending mail by {host}:{port}: {}", error.message),
            ..error
        };
        let password = match &self.settings.login {
            Some((_, secret)) => Some(
                secret
                    .read()
                    .map_err(|error| at(SendError::again(error.to_string())))?,
            ),
            None => None,
        };
        let mail = render(message, &self.from, &self.to)
            .map_err(|error| at(SendError::refused(format!("writing it: {error}"))))?;
        let sent = self.deliver(message, &mail, password.as_ref()).map_err(at);
        sent.map_err(|error| match &password {
            Some(password) => SendError {
                message: smtp::hide_password(&error.message, self.user(), password),
                ..error
            },
            None => error,
        })
    }

    fn user(&self) -> &str {
        let login = self.settings.login.as_ref();
        login.map_or("", |(user, _)| user.as_str())
    }

    fn deliver(
        &self,
        message: &Message<'_>,
        mail: &mail::Mail,
        password: Option<&Known>,
    ) -> Result<(), SendError> {
        let mut partly = self.partly.lock().unwrap_or_else(PoisonError::into_inner);
        let recipients: Vec<Address> = match partly.take() {
            Some(partly) if partly.id == mail.id => partly.missing,
            _ => self.to.iter().map(|to| to.email.clone()).collect(),
        };
        let order = smtp::Order {
            host: &self.settings.host,
            port: self.settings.port,
            mode: self.settings.tls,
            tls: self.tls.as_ref(),
            own_name: &mail::render_domain(message.host),
            login: password.map(|password| (self.user(), password)),
            from: &self.from.email,
            to: &recipients,
            content: &mail.content,
        };
        let outcome = smtp::deliver(&order, Deadline::after(self.settings.timeout))?;
        if outcome.later.is_empty() && outcome.refused.is_empty() {
            return Ok(());
        }
        let is_final = outcome.later.is_empty();
        let said: Vec<&str> = outcome.said.iter().map(String::as_str).collect();
        let message = format!("not for all recipients: {}", said.join("; "));
        *partly = (!is_final).then(|| Partly {
            id: mail.id.clone(),
            missing: outcome.later,
        });
        Err(match is_final {
            true => SendError::refused(message),
            false => SendError::again(message),
        })
    }
}

fn parse(text: &str) -> Result<Mailbox, Wrong> {
    let help = "give one like lfs@host.example or LFS <lfs@host.example>";
    let wrong = |what: String| Wrong(format!("'{text}' is no mail address: {what}"), help);
    let mailbox: Mailbox = text
        .parse()
        .map_err(|error: lettre::address::AddressError| wrong(error.to_string()))?;
    if !text.is_ascii() || text.contains(char::is_control) {
        return Err(wrong("it has other characters than ASCII".to_owned()));
    }
    Ok(mailbox)
}
