//! One HTTP request, and what its answer means.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::fmt::rfc2822;
use lfs_wrapper_model::now_msec;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use ureq::http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::net::{read_certificates, read_system_certificates};
use super::secret::{Known, Secret};
use super::text::cut;
use super::{SendError, TIMEOUT, Wrong};

/// No answer is read further.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// As much of an answer's first line is shown.
const SHOWN_BYTES_MAX: usize = 300;

/// Shorter parts of a secret address are not worth hiding.
const SECRET_PART_BYTES_MIN: usize = 4;

/// No receiver is left alone for longer, whatever it asks for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where it is.
    pub url: Address,
    /// How to sign in.
    pub auth: Auth,
    /// Further headers; they are shown in logs.
    pub headers: Vec<(String, String)>,
    /// Further headers whose values nobody may see.
    pub secret_headers: Vec<(String, Secret)>,
    /// Certificates (PEM) of those who may sign the server's. Without this the
    /// system's, and Mozilla's where the system has none.
    pub ca_file: Option<PathBuf>,
    /// Lets secrets go to another machine without TLS.
    pub allow_plain_credentials: bool,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address that may be seen: `http` or `https`, without a password in it.
    Text(String),
    /// An address that is a secret itself, as chat services give them out.
    Secret(Secret),
}

/// How to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// With a bearer token (RFC 6750).
    Bearer(Secret),
    /// With a name and a password (RFC 7617).
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl Http {
    /// A server without anything special.
    pub fn at(url: &str) -> Self {
        Self {
            url: Address::Text(url.to_owned()),
            auth: Auth::None,
            headers: Vec::new(),
            secret_headers: Vec::new(),
            ca_file: None,
            allow_plain_credentials: false,
            timeout: TIMEOUT,
        }
    }

    /// The address, where it is known before it is used.
    pub(super) fn known_url(&self) -> Option<&str> {
        match &self.url {
            Address::Text(url) => Some(url),
            Address::Secret(_) => None,
        }
    }
}

/// Sends to one server.
pub(super) struct Client {
    agent: Agent,
    settings: Http,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// What is asked of a server.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
    pub(super) headers: &'a [(&'a str, String)],
}

/// What was read for one request, and every secret in it.
#[derive(Default)]
struct Secrets(Vec<Known>);

impl Secrets {
    fn read(&mut self, secret: &Secret) -> Result<Known, SendError> {
        let known = secret.read();
        let known = known.map_err(|error| SendError::again(error.to_string()))?;
        self.0.push(known.clone());
        Ok(known)
    }

    /// Of an address that is a secret, each part of its path is one.
    fn read_address(&mut self, secret: &Secret) -> Result<String, SendError> {
        let address = self.read(secret)?.expose().to_owned();
        let (_, path) = address.split_once("://").unwrap_or(("", &address));
        let (_, path) = path.split_once('/').unwrap_or_default();
        let parts = path.split(['/', '?', '&', '=']);
        let parts = parts.filter(|part| part.len() >= SECRET_PART_BYTES_MIN);
        for part in [path].into_iter().chain(parts) {
            self.0.push(Known::new(part.to_owned()));
        }
        Ok(address)
    }

    fn hide_in(&self, mut error: SendError) -> SendError {
        for known in &self.0 {
            error.message = known.hide_in(&error.message);
        }
        error
    }
}

impl Client {
    /// `example` is an address that may come of the configured one, where that
    /// is known.
    pub(super) fn new(settings: Http, example: Option<&str>) -> Result<Self, Wrong> {
        check_headers(&settings)?;
        if let Some(url) = example {
            check_url(&parse_url(url)?, &settings)?;
        }
        let certificates = match &settings.ca_file {
            Some(path) => read_certificates(path)?,
            None => read_system_certificates(),
        };
        let mut tls = TlsConfig::builder();
        if !certificates.is_empty() {
            let certificates = certificates.iter();
            let roots: Vec<Certificate<'static>> = certificates
                .map(|one| Certificate::from_der(one.as_ref()).to_owned())
                .collect();
            tls = tls.root_certs(RootCerts::new_with_certs(&roots));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(settings.timeout))
            .max_idle_connections(0)
            .tls_config(tls.build())
            .build();
        Ok(Self {
            agent: config.into(),
            settings,
        })
    }

    /// Sends `call` to what `derive_url` makes of the configured address.
    pub(super) fn send(
        &self,
        call: &Call<'_>,
        derive_url: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), SendError> {
        let mut secrets = Secrets::default();
        let request = self.derive_request(call, derive_url, &mut secrets);
        let (request, host) = request.map_err(|error| secrets.hide_in(error))?;
        let outcome = match self.agent.run(request) {
            Ok(response) => judge(response),
            Err(error) => Err(SendError::again(error.to_string())),
        };
        outcome.map_err(|mut error| {
            error.message = format!("sending to {host}: {}", error.message);
            secrets.hide_in(error)
        })
    }

    /// The request, and whom it is for.
    fn derive_request<'a>(
        &self,
        call: &Call<'a>,
        derive_url: impl FnOnce(&str) -> Result<String, String>,
        secrets: &mut Secrets,
    ) -> Result<(Request<&'a [u8]>, String), SendError> {
        let address = match &self.settings.url {
            Address::Text(url) => url.clone(),
            Address::Secret(secret) => secrets.read_address(secret)?,
        };
        let again = |Wrong(message, help): Wrong| SendError::again(format!("{message}; {help}"));
        let url = derive_url(&address).map_err(SendError::again)?;
        let uri = parse_url(&url).map_err(again)?;
        check_url(&uri, &self.settings).map_err(again)?;
        let host = uri.host().unwrap_or_default().to_owned();
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header(CONTENT_TYPE, call.content_type)
            .header(
                USER_AGENT,
                concat!("lfs-wrapper/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        for (name, value) in call.headers {
            request = request.header(*name, value);
        }
        for (name, secret) in &self.settings.secret_headers {
            request = request.header(name, secrets.read(secret)?.expose());
        }
        if let Some(authorization) = read_authorization(&self.settings.auth, secrets)? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(call.body);
        let request = request.map_err(|error| SendError::again(error.to_string()))?;
        Ok((request, host))
    }
}

fn read_authorization(auth: &Auth, secrets: &mut Secrets) -> Result<Option<String>, SendError> {
    Ok(match auth {
        Auth::None => None,
        Auth::Bearer(secret) => Some(format!("Bearer {}", secrets.read(secret)?.expose())),
        Auth::Basic { user, password } => {
            let pair = format!("{user}:{}", secrets.read(password)?.expose());
            let encoded = Known::new(BASE64.encode(pair));
            secrets.0.push(encoded.clone());
            Some(format!("Basic {}", encoded.expose()))
        }
    })
}

fn check_headers(settings: &Http) -> Result<(), Wrong> {
    let names = settings.headers.iter().map(|(name, _)| name);
    for name in names.chain(settings.secret_headers.iter().map(|(name, _)| name)) {
        if HeaderName::try_from(name.as_str()).is_err() {
            let help = "give a name of letters, digits and -";
            return Err(Wrong(format!("'{name}' is no name of a header"), help));
        }
    }
    for (name, value) in &settings.headers {
        if HeaderValue::try_from(value.as_str()).is_err() {
            let message = format!("the value of the header {name} has a control character in it");
            return Err(Wrong(message, "leave it out"));
        }
    }
    Ok(())
}

/// The address is not shown: it can be a secret.
fn parse_url(url: &str) -> Result<Uri, Wrong> {
    const HELP: &str = "give one like https://host/path";
    let uri: Uri = url
        .parse()
        .map_err(|error| Wrong(format!("the url is none: {error}"), HELP))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        let message = "the url is none of http or https".to_owned();
        return Err(Wrong(message, HELP));
    }
    if uri
        .authority()
        .is_some_and(|one| one.as_str().contains('@'))
    {
        let message = "the url has a user or a password in it".to_owned();
        return Err(Wrong(message, "give user and password_file"));
    }
    Ok(uri)
}

fn check_url(uri: &Uri, settings: &Http) -> Result<(), Wrong> {
    let has_secret = settings.auth != Auth::None || !settings.secret_headers.is_empty();
    let host = uri.host().unwrap_or_default();
    let is_near = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    let is_plain = uri.scheme_str() == Some("http") && !is_near;
    if has_secret && is_plain && !settings.allow_plain_credentials {
        let message = format!("a secret would go to {host} without TLS");
        return Err(Wrong(
            message,
            "give an https address, or set allow_plain_credentials",
        ));
    }
    Ok(())
}

/// What an answer means. What the server says of the request is final; what it
/// says of credentials is not, since those can be put right meanwhile.
fn judge(mut response: Response<Body>) -> Result<(), SendError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let message = format!("{status}: redirected; set the address it redirects to as the url");
        return Err(SendError::refused(message));
    }
    let said = read_start(response.body_mut());
    let message = match said.is_empty() {
        true => status.to_string(),
        false => format!("{status}: {said}"),
    };
    let is_for_later = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    if status.is_client_error() && !is_for_later {
        return Err(SendError::refused(message));
    }
    let header = response.headers().get(RETRY_AFTER);
    let after = header.and_then(|value| parse_retry_after(value.to_str().ok()?, now_msec()));
    Err(SendError {
        retry_after: after.map(|after| after.min(RETRY_AFTER_MAX)),
        ..SendError::again(message)
    })
}

/// The first line of an answer that can be read.
fn read_start(body: &mut Body) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is not shown.
    let _ = body
        .as_reader()
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    cut(line.unwrap_or_default(), SHOWN_BYTES_MAX).to_owned()
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn parse_retry_after(text: &str, now_msec: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text.trim()).ok()?;
    let rest_msec = date.timestamp().as_millisecond().saturating_sub(now_msec);
    Some(Duration::from_millis(u64::try_from(rest_msec).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_back_is_seconds_or_a_date() {
        let table = [
            ("7", Some(7_000)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(5_000)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
        ];
        for (text, expected) in table {
            let after = parse_retry_after(text, 1_445_412_475_000);
            assert_eq!(after, expected.map(Duration::from_millis), "{text}");
        }
    }
}
