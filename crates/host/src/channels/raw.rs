//! A channel as it stands in the document: any key of any type, with its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lfs_wrapper_model::Severity;
use serde::Deserialize;
use toml::Spanned;

use super::{Address, Auth, Http, Secret};
use crate::place::Wrong;

/// A time limit, in seconds.
const TIMEOUT_SECONDS: f64 = 10.0;

/// Every key of every type; which of them a type has is in [`Raw::refuse_others`].
macro_rules! raw {
    ($($key:ident: $kind:ty,)*) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Raw {
            $(pub(super) $key: Option<Spanned<$kind>>,)*
        }

        impl Raw {
            /// The keys that are there.
            fn given(&self) -> Vec<(&'static str, Range<usize>)> {
                let all = [$((stringify!($key), self.$key.as_ref().map(Spanned::span))),*];
                let there = all.into_iter().filter_map(|(key, span)| Some((key, span?)));
                there.map(|(key, span)| (key.trim_start_matches("r#"), span)).collect()
            }
        }
    };
}

raw! {
    r#type: String,
    enabled: bool,
    timeout_seconds: f64,
    wall: Severity,
    transport: String,
    path: PathBuf,
    address: String,
    ca_file: PathBuf,
    host: String,
    port: u16,
    tls: String,
    user: String,
    password: toml::Value,
    password_file: PathBuf,
    password_env: String,
    allow_plain_credentials: bool,
    from: String,
    to: Vec<Spanned<String>>,
    url: String,
    url_file: PathBuf,
    url_env: String,
    method: String,
    template: String,
    template_text: String,
    template_file: PathBuf,
    content_type: String,
    options: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    secret_headers: BTreeMap<String, RawSecret>,
    token: toml::Value,
    token_file: PathBuf,
    token_env: String,
    secret: toml::Value,
    secret_file: PathBuf,
    secret_env: String,
    external_url: String,
    keep_seconds: f64,
    command: Vec<String>,
}

/// Where the value of a header is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSecret {
    file: Option<Spanned<PathBuf>>,
    env: Option<Spanned<String>>,
}

/// Keys of everything that is reached by HTTP.
pub(super) const HTTP_KEYS: [&str; 14] = [
    "url",
    "url_file",
    "url_env",
    "user",
    "password_file",
    "password_env",
    "token_file",
    "token_env",
    "headers",
    "secret_headers",
    "ca_file",
    "allow_plain_credentials",
    "timeout_seconds",
    "external_url",
];

const SECRET_HELP: &str =
    "put it into a file that only the monitor can read, or into its environment";

impl Raw {
    /// A secret that stands in the document for everybody to read.
    pub(super) fn find_secret(&self) -> Option<Wrong> {
        let plain = [
            (&self.password, "password"),
            (&self.token, "token"),
            (&self.secret, "secret"),
        ];
        for (value, key) in plain {
            if let Some(value) = value {
                let message = format!(
                    "a secret in the configuration; give {key}_file or {key}_env instead of {key}"
                );
                return Some((value.span(), message, SECRET_HELP));
            }
        }
        let url = self.url.as_ref()?;
        let host = derive_host(url.get_ref())?;
        host.contains('@').then(|| {
            let message = "a user or a password in an address; give user and password_file";
            (url.span(), message.to_owned(), SECRET_HELP)
        })
    }

    /// Keys that the type does not have.
    pub(super) fn refuse_others(&self, kind: &str, known: &[&str]) -> Result<(), Wrong> {
        for (key, span) in self.given() {
            if !known.contains(&key) && !matches!(key, "type" | "enabled") {
                let message = format!("'{key}' is no key of a channel of type {kind}");
                let help = "docs/alert-channels.md has the keys of each type";
                return Err((span, message, help));
            }
        }
        Ok(())
    }

    pub(super) fn timeout(&self) -> Result<Duration, Wrong> {
        derive_seconds(self.timeout_seconds.as_ref(), TIMEOUT_SECONDS, 0.1..=300.0)
    }

    /// How a server is reached by HTTP, for a table whose key is at `place`.
    pub(super) fn derive_http(&self, place: &Range<usize>) -> Result<Http, Wrong> {
        let url = match (&self.url, pick(&self.url_file, &self.url_env)?) {
            (Some(url), None) => {
                check_url(url)?;
                Address::Text(url.get_ref().clone())
            }
            (None, Some(secret)) => Address::Secret(secret),
            (Some(url), Some(_)) => {
                let message = "two addresses".to_owned();
                return Err((url.span(), message, "give url, url_file or url_env"));
            }
            (None, None) => {
                let message = "no address to send to".to_owned();
                let help = "give url, or url_file or url_env where the address is a secret";
                return Err((place.clone(), message, help));
            }
        };
        let secrets = self.secret_headers.as_ref().map(Spanned::get_ref);
        let mut secret_headers = Vec::new();
        for (name, raw) in secrets.into_iter().flatten() {
            let secret = pick(&raw.file, &raw.env)?;
            let span = self.secret_headers.as_ref().map_or(0..0, Spanned::span);
            let missing = || {
                let message = format!("nothing for the header {name}");
                (span, message, "give { file = \"/…\" } or { env = \"…\" }")
            };
            secret_headers.push((name.clone(), secret.ok_or_else(missing)?));
        }
        Ok(Http {
            url,
            auth: self.derive_auth()?,
            headers: pairs(self.headers.as_ref()),
            secret_headers,
            ca_file: absolute(&self.ca_file)?,
            allow_plain_credentials: value_or(&self.allow_plain_credentials, false),
            timeout: self.timeout()?,
        })
    }

    fn derive_auth(&self) -> Result<Auth, Wrong> {
        let token = pick(&self.token_file, &self.token_env)?;
        let login = self.derive_login()?;
        match (token, login) {
            (None, None) => Ok(Auth::None),
            (Some(token), None) => Ok(Auth::Bearer(token)),
            (None, Some((user, password))) => Ok(Auth::Basic { user, password }),
            (Some(_), Some(_)) => {
                let span = self.user.as_ref().map_or(0..0, Spanned::span);
                let message = "two ways to sign in".to_owned();
                Err((span, message, "give a token, or user and password"))
            }
        }
    }

    /// A user and a password, both or none.
    pub(super) fn derive_login(&self) -> Result<Option<(String, Secret)>, Wrong> {
        let password = pick(&self.password_file, &self.password_env)?;
        match (&self.user, password) {
            (Some(user), Some(password)) => Ok(Some((user.get_ref().clone(), password))),
            (None, None) => Ok(None),
            (Some(user), None) => Err((
                user.span(),
                "a user without a password".to_owned(),
                "give password_file or password_env as well",
            )),
            (None, Some(_)) => {
                let file = self.password_file.as_ref().map(Spanned::span);
                let env = self.password_env.as_ref().map(Spanned::span);
                let message = "a password without a user".to_owned();
                Err((file.or(env).unwrap_or(0..0), message, "give user as well"))
            }
        }
    }
}

/// The one of the two places of a secret that is given, if any.
pub(super) fn pick(
    file: &Option<Spanned<PathBuf>>,
    env: &Option<Spanned<String>>,
) -> Result<Option<Secret>, Wrong> {
    match (file, env) {
        (None, None) => Ok(None),
        (Some(_), None) => Ok(absolute(file)?.map(Secret::File)),
        (None, Some(env)) => {
            let name = env.get_ref();
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("'{name}' is no name of a variable");
                return Err((env.span(), message, "give one like LFS_MAIL_PASSWORD"));
            }
            Ok(Some(Secret::Env(name.clone())))
        }
        (Some(_), Some(env)) => Err((
            env.span(),
            "two places of one secret".to_owned(),
            "give a file or a variable",
        )),
    }
}

/// The monitor's current folder is nobody's business.
pub(super) fn absolute(path: &Option<Spanned<PathBuf>>) -> Result<Option<PathBuf>, Wrong> {
    let Some(path) = path else {
        return Ok(None);
    };
    check_absolute(path.get_ref(), path)?;
    Ok(Some(path.get_ref().clone()))
}

pub(super) fn check_absolute<T>(path: &Path, place: &Spanned<T>) -> Result<(), Wrong> {
    if path.is_absolute() {
        return Ok(());
    }
    let message = format!("{} is not an absolute path", path.display());
    Err((place.span(), message, "let it begin with /"))
}

/// Between the scheme and the path.
fn derive_host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    rest?.split(['/', '?', '#']).next()
}

fn check_url(url: &Spanned<String>) -> Result<(), Wrong> {
    const HELP: &str = "give one like https://host/path";
    let text = url.get_ref();
    match derive_host(text) {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(()),
        _ => Err((url.span(), format!("'{text}' is no address"), HELP)),
    }
}

/// One of the words, or the first where there is none.
pub(super) fn choose<T: Copy>(
    word: &Option<Spanned<String>>,
    words: &[(&str, T)],
    default: T,
    help: &'static str,
) -> Result<T, Wrong> {
    let Some(given) = word else {
        return Ok(default);
    };
    let found = words.iter().find(|(one, _)| one == given.get_ref());
    found.map(|(_, value)| *value).ok_or_else(|| {
        (
            given.span(),
            format!("'{}' is not known here", given.get_ref()),
            help,
        )
    })
}

pub(super) fn derive_seconds(
    seconds: Option<&Spanned<f64>>,
    default: f64,
    allowed: std::ops::RangeInclusive<f64>,
) -> Result<Duration, Wrong> {
    let Some(seconds) = seconds else {
        return Ok(Duration::from_secs_f64(default));
    };
    if !allowed.contains(seconds.get_ref()) {
        let message = format!("a time of {} seconds", seconds.get_ref());
        let help = "time limits go from 0.1 to 300 seconds, keep_seconds from 1 to 604800";
        return Err((seconds.span(), message, help));
    }
    Ok(Duration::from_secs_f64(*seconds.get_ref()))
}

pub(super) fn value_or<T: Clone>(value: &Option<Spanned<T>>, default: T) -> T {
    value
        .as_ref()
        .map_or(default, |value| value.get_ref().clone())
}

pub(super) fn pairs(map: Option<&Spanned<BTreeMap<String, String>>>) -> Vec<(String, String)> {
    let map = map.map(Spanned::get_ref);
    map.into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
