//! What an endpoint needs to be told.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri};

use super::secrets::hide_credentials;
use crate::labels::{METRIC_NAME, is_label_name};
use crate::source::Matcher;

/// Headers that remote write sets itself.
const OWN_HEADERS: [&str; 8] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "x-prometheus-remote-write-version",
];

/// An endpoint of remote write.
#[derive(Clone, Debug)]
pub struct RemoteWrite {
    /// Under which its position is kept and its figures are shown. Another name
    /// is another endpoint, which begins anew.
    pub name: String,
    /// `http` or `https`; without credentials.
    pub url: String,
    /// Besides those of remote write itself.
    pub headers: Vec<(String, String)>,
    /// How to sign in.
    pub credentials: Credentials,
    /// Certificates (PEM) of those who may sign the endpoint's; otherwise, those
    /// that Mozilla trusts.
    pub ca_file: Option<PathBuf>,
    /// Whether credentials may go in clear text to another machine.
    pub allow_plain_credentials: bool,
    /// Labels for each series that has no label of the same name.
    pub external_labels: Vec<(String, String)>,
    /// A series is sent where all matchers of one of these match; all series
    /// where there are none.
    pub keep: Vec<Vec<Matcher>>,
    /// Where a new endpoint begins.
    pub start: Start,
    /// A request holds as many samples, and so does a batch, unless a single
    /// moment has more.
    pub samples_max: usize,
    /// How often to look for new samples.
    pub every: Duration,
    /// How long a request may take altogether.
    pub timeout: Duration,
    /// The first pause after a failure; each further one is twice as long.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How often to send what metrics are; never where it is `None`.
    pub metadata_every: Option<Duration>,
}

/// How to sign in. Files are read for each request, so that they may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A file with a bearer token.
    BearerFile(PathBuf),
    /// A user, and a file with the password.
    Basic {
        /// Without a colon.
        user: String,
        /// The file with the password.
        password_file: PathBuf,
    },
}

/// Where a new endpoint begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what is sampled from now on; what is imported is not.
    #[default]
    Now,
    /// With the oldest samples that are kept.
    Beginning,
}

/// Why an endpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The address.
    #[error("remote write '{name}': url '{url}': {message}")]
    Url {
        /// The endpoint.
        name: String,
        /// Its address, without credentials.
        url: String,
        /// What is wrong with it.
        message: String,
    },
    /// Secrets in clear text.
    #[error(
        "remote write '{name}': credentials would go to {host} in clear text; use https, or \
         allow it with allow_plain_credentials"
    )]
    PlainCredentials {
        /// The endpoint.
        name: String,
        /// The other machine.
        host: String,
    },
    /// One of the headers.
    #[error("remote write '{name}': header '{header}': {message}")]
    Header {
        /// The endpoint.
        name: String,
        /// The header.
        header: String,
        /// What is wrong with it.
        message: String,
    },
    /// One of the external labels.
    #[error(
        "remote write '{name}': '{label}' is no name for an external label; expected letters, \
         digits and _"
    )]
    Label {
        /// The endpoint.
        name: String,
        /// The label.
        label: String,
    },
    /// A file that is needed.
    #[error("remote write '{name}': cannot use {path}: {message}")]
    File {
        /// The endpoint.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A user's name.
    #[error(
        "remote write '{name}': the user's name has a colon, which basic authentication cannot carry"
    )]
    User {
        /// The endpoint.
        name: String,
    },
}

impl RemoteWrite {
    /// An endpoint with everything else as usual.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            credentials: Credentials::None,
            ca_file: None,
            allow_plain_credentials: false,
            external_labels: Vec::new(),
            keep: Vec::new(),
            start: Start::Now,
            samples_max: 5_000,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            pause_min: Duration::from_millis(30),
            pause_max: Duration::from_secs(30),
            metadata_every: Some(Duration::from_secs(600)),
        }
    }

    /// Whether all this can be used; looks at no file.
    pub fn check(&self) -> Result<(), SettingsError> {
        let host = self.check_url()?;
        let has_secrets = self.credentials != Credentials::None;
        let is_plain = !self.url.to_ascii_lowercase().starts_with("https:");
        if has_secrets && is_plain && !self.allow_plain_credentials && !is_loopback(&host) {
            let name = self.name.clone();
            return Err(SettingsError::PlainCredentials { name, host });
        }
        if let Credentials::Basic { user, .. } = &self.credentials
            && user.contains(':')
        {
            let name = self.name.clone();
            return Err(SettingsError::User { name });
        }
        self.headers.iter().try_for_each(|(header, value)| {
            self.check_header(header, value)
                .map_err(|message| SettingsError::Header {
                    name: self.name.clone(),
                    header: header.clone(),
                    message,
                })
        })?;
        let is_label = |label: &str| is_label_name(label) && label != METRIC_NAME;
        let mut labels = self.external_labels.iter().map(|label| &label.0);
        match labels.find(|label| !is_label(label)) {
            Some(label) => Err(SettingsError::Label {
                name: self.name.clone(),
                label: label.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_url(&self) -> Result<String, SettingsError> {
        let error = |message: String| SettingsError::Url {
            name: self.name.clone(),
            url: hide_credentials(&self.url),
            message,
        };
        let url: Uri = self
            .url
            .parse()
            .map_err(|_| error("expected a URL".to_owned()))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(error("expected http:// or https://".to_owned()));
        }
        let authority = url.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            let message = "credentials do not belong there; put them into a file";
            return Err(error(message.to_owned()));
        }
        match url.host() {
            None | Some("") => Err(error("expected the name of a host".to_owned())),
            Some(host) => Ok(host.to_owned()),
        }
    }

    fn check_header(&self, header: &str, value: &str) -> Result<(), String> {
        let name = HeaderName::from_bytes(header.as_bytes());
        let name = name.map_err(|_| "no name for a header".to_owned())?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err("remote write sets it itself".to_owned());
        }
        HeaderValue::from_str(value).map_err(|_| "its value cannot be sent".to_owned())?;
        Ok(())
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut RemoteWrite)) -> String {
        let mut settings = RemoteWrite::new("far", "http://example.org/write");
        change(&mut settings);
        let checked = settings.check();
        checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    fn with_token(url: &str) -> String {
        checked(|settings| {
            url.clone_into(&mut settings.url);
            settings.credentials = Credentials::BearerFile("/token".into());
        })
    }

    #[test]
    fn secrets_do_not_leave_the_machine_in_clear_text() {
        for url in [
            "https://example.org/w",
            "http://localhost:9090/w",
            "http://127.0.0.5/w",
            "http://[::1]:1/w",
        ] {
            assert_eq!(with_token(url), "fine");
        }
        for url in [
            "http://example.org/w",
            "http://10.0.0.1/w",
            "http://localhost.example.org/",
        ] {
            assert!(with_token(url).contains("in clear text"), "{url}");
        }
        let allowed = checked(|settings| {
            settings.credentials = Credentials::BearerFile("/token".into());
            settings.allow_plain_credentials = true;
        });
        assert_eq!(allowed, "fine");
    }

    #[test]
    fn what_cannot_work_is_said() {
        type Change = fn(&mut RemoteWrite);
        let table: [(Change, &str); 9] = [
            (|_| {}, "fine"),
            (
                |one| one.url = "ftp://a/b".into(),
                "expected http:// or https://",
            ),
            (|one| one.url = "a b".into(), "expected a URL"),
            (
                |one| one.url = "https://me:p^ss@a/b".into(),
                "url 'https://…@a/b': expected a URL",
            ),
            (
                |one| one.url = "https://me:secret@a/b".into(),
                "url 'https://…@a/b': credentials",
            ),
            (
                |one| one.headers = vec![("Content-Type".into(), "x".into())],
                "sets it itself",
            ),
            (
                |one| one.headers = vec![("X-Scope-OrgID".into(), "a\n".into())],
                "cannot be sent",
            ),
            (
                |one| one.external_labels = vec![("a-b".into(), "x".into())],
                "'a-b' is no name",
            ),
            (
                |one| {
                    one.url = "https://a".into();
                    let password_file = "/p".into();
                    let user = "a:b".into();
                    one.credentials = Credentials::Basic {
                        user,
                        password_file,
                    };
                },
                "has a colon",
            ),
        ];
        for (change, expected) in table {
            let found = checked(change);
            assert!(found.contains(expected), "{found}");
        }
    }
}
