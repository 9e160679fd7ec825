//! A request to whatever takes one: other monitors, chat services, gateways.

mod template;

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::http::{Call, Client, Http};
use super::payload::derive_payload;
use super::secret::Secret;
use super::{SendError, Wrong};
use crate::notification::Message;

use template::Templates;

/// The header with the signature of a body.
const SIGNATURE_HEADER: &str = "X-Lfs-Signature";

/// A request with the alerts in it. Taken means: it was answered with 2xx.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// How the server is reached. The address is a template, too:
    /// `{{ transaction }}` in it is a word that is the same at each try.
    pub http: Http,
    /// The method; the template's own where there is none, usually POST.
    pub method: Option<Method>,
    /// What is in the request.
    pub body: Body,
    /// The body's type; the template's own where there is none, usually
    /// `application/json`.
    pub content_type: Option<String>,
    /// Words for templates, as `options.NAME`.
    pub options: BTreeMap<String, String>,
    /// Signs the body: `X-Lfs-Signature: sha256=` and HMAC-SHA256 in
    /// hexadecimal digits (RFC 2104).
    pub signature: Option<Secret>,
    /// The address that receivers link to; may be empty.
    pub external_url: String,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// What is in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// What Alertmanager sends to its webhooks, version 4.
    Alertmanager,
    /// A template of this program, by name: `slack`, `ntfy`, `matrix`, `sms`.
    BuiltIn(String),
    /// A template of the user's, in minijinja's language.
    Template(String),
}

impl Webhook {
    /// Alertmanager's payload by POST, to an address.
    pub fn at(url: &str) -> Self {
        Self {
            http: Http::at(url),
            method: None,
            body: Body::Alertmanager,
            content_type: None,
            options: BTreeMap::new(),
            signature: None,
            external_url: String::new(),
        }
    }
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Ready {
    name: String,
    client: Client,
    templates: Templates,
    method: Method,
    content_type: String,
    signature: Option<Secret>,
    external_url: String,
}

impl Ready {
    pub(super) fn new(name: &str, settings: Webhook) -> Result<Self, Wrong> {
        let built_in = match &settings.body {
            Body::Alertmanager => None,
            Body::BuiltIn(name) => Some(template::find(name)?),
            Body::Template(_) => None,
        };
        let source = match settings.body {
            Body::Alertmanager => None,
            Body::BuiltIn(_) => built_in.map(|one| one.source.to_owned()),
            Body::Template(source) => Some(source),
        };
        let content_type = settings
            .content_type
            .or_else(|| built_in.map(|one| one.content_type.to_owned()))
            .unwrap_or_else(|| "application/json".to_owned());
        let templates = Templates {
            channel: name.to_owned(),
            source,
            is_json: content_type.starts_with("application/json"),
            options: settings.options,
            external_url: settings.external_url.clone(),
        };
        let example = templates.check(settings.http.known_url())?;
        Ok(Self {
            name: name.to_owned(),
            client: Client::new(settings.http, example.as_deref())?,
            templates,
            method: settings
                .method
                .or(built_in.map(|one| one.method))
                .unwrap_or(Method::Post),
            content_type,
            signature: settings.signature,
            external_url: settings.external_url,
        })
    }

    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let transaction = derive_transaction(&self.name, message);
        let body = match self.templates.render(message, &transaction) {
            Some(body) => body.map_err(|error| {
                // The template will not be another one at the next try.
                SendError::refused(format!("filling in the template: {error}"))
            })?,
            None => self.render_payload(message)?,
        };
        let mut headers = Vec::new();
        if let Some(secret) = &self.signature {
            let signature = sign(secret, body.as_bytes())?;
            headers.push((SIGNATURE_HEADER, signature));
        }
        let call = Call {
            method: match self.method {
                Method::Post => "POST",
                Method::Put => "PUT",
            },
            content_type: &self.content_type,
            body: body.as_bytes(),
            headers: &headers,
        };
        self.client.send(&call, |url| {
            self.templates
                .render_url(url, &transaction)
                .map_err(|_| "filling in the url's places failed".to_owned())
        })
    }

    fn render_payload(&self, message: &Message<'_>) -> Result<String, SendError> {
        let payload = derive_payload(&self.name, &self.external_url, message);
        serde_json::to_string(&payload)
            .map_err(|error| SendError::refused(format!("writing alerts as JSON: {error}")))
    }
}

/// The same at each try, and another for each message and channel: by it a
/// receiver can tell what it already has.
fn derive_transaction(channel: &str, message: &Message<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{channel}\n{}\n", message.host));
    for one in message.notifications {
        let (alert, event, time) = (one.alert, one.event, one.time_msec);
        hash.update(format!("{alert} {event} {time} {}\n", one.is_reminder));
    }
    render_hex(hash.finalize().get(..16).unwrap_or_default())
}

fn sign(secret: &Secret, body: &[u8]) -> Result<String, SendError> {
    let secret = secret.read();
    let secret = secret.map_err(|error| SendError::again(error.to_string()))?;
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    // A key of any length is one.
    let mut mac = mac.map_err(|error| SendError::again(error.to_string()))?;
    mac.update(body);
    Ok(format!(
        "sha256={}",
        render_hex(&mac.finalize().into_bytes())
    ))
}

fn render_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
