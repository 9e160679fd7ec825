//! What a channel of each type is made of, from the keys it has.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::raw::{
    HTTP_KEYS, Raw, absolute, check_absolute, choose, derive_seconds, pick, value_or,
};
use super::{Body, Email, Kind, Tls, Transport, Webhook};
use crate::place::Wrong;

/// How long Alertmanager keeps an alert that it does not hear of again.
const KEEP_SECONDS: f64 = 300.0;

pub(super) fn derive_syslog(raw: &Raw, place: &Range<usize>) -> Result<Kind, Wrong> {
    const HELP: &str = "the transports are unix, udp, tcp, tls";
    let words = [("unix", 0), ("udp", 1), ("tcp", 2), ("tls", 3)];
    let default = if raw.address.is_some() { 2 } else { 0 };
    let transport = match choose(&raw.transport, &words, default, HELP)? {
        0 => {
            raw.refuse_others("syslog by unix", &["transport", "path", "timeout_seconds"])?;
            Transport::Unix(absolute(&raw.path)?)
        }
        1 => {
            raw.refuse_others(
                "syslog by udp",
                &["transport", "address", "timeout_seconds"],
            )?;
            Transport::Udp(derive_address(raw, place)?)
        }
        2 => {
            raw.refuse_others(
                "syslog by tcp",
                &["transport", "address", "timeout_seconds"],
            )?;
            Transport::Tcp(derive_address(raw, place)?)
        }
        _ => {
            let known = ["transport", "address", "ca_file", "timeout_seconds"];
            raw.refuse_others("syslog by tls", &known)?;
            Transport::Tls(derive_address(raw, place)?, absolute(&raw.ca_file)?)
        }
    };
    Ok(Kind::Syslog {
        transport,
        timeout: raw.timeout()?,
    })
}

fn derive_address(raw: &Raw, place: &Range<usize>) -> Result<String, Wrong> {
    const HELP: &str = "give address as host:port, such as logs.example.org:514 or [::1]:514";
    let Some(address) = &raw.address else {
        return Err((place.clone(), "no address to send to".to_owned(), HELP));
    };
    let text = address.get_ref();
    let is_known = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
        let is_host = is_bracketed || (!host.is_empty() && !host.contains([':', '[', ']']));
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match is_known {
        true => Ok(text.clone()),
        false => Err((
            address.span(),
            format!("'{text}' is no host with a port"),
            HELP,
        )),
    }
}

pub(super) fn derive_email(raw: &Raw, place: &Range<usize>) -> Result<Email, Wrong> {
    let known = [
        "host",
        "port",
        "tls",
        "ca_file",
        "user",
        "password_file",
        "password_env",
        "allow_plain_credentials",
        "from",
        "to",
        "timeout_seconds",
    ];
    raw.refuse_others("email", &known)?;
    let (host, from, to) = derive_people(raw, place)?;
    let words = [
        ("none", Tls::None),
        ("starttls", Tls::StartTls),
        ("tls", Tls::Tls),
    ];
    let help = "tls is starttls (the default), tls or none";
    let tls = choose(&raw.tls, &words, Tls::StartTls, help)?;
    let port = match tls {
        Tls::None => 25,
        Tls::StartTls => 587,
        Tls::Tls => 465,
    };
    Ok(Email {
        host,
        port: value_or(&raw.port, port),
        tls,
        ca_file: absolute(&raw.ca_file)?,
        login: raw.derive_login()?,
        allow_plain_credentials: value_or(&raw.allow_plain_credentials, false),
        from,
        to,
        timeout: raw.timeout()?,
    })
}

/// The mail server, the sender and the recipients.
fn derive_people(raw: &Raw, place: &Range<usize>) -> Result<(String, String, Vec<String>), Wrong> {
    let missing = |what: &str, help| (place.clone(), format!("no {what}"), help);
    let host = raw
        .host
        .as_ref()
        .ok_or_else(|| missing("mail server", "give host, such as mail.example.org"))?;
    let from = raw
        .from
        .as_ref()
        .ok_or_else(|| missing("sender", "give from, such as lfs@host.example"))?;
    let to = raw.to.as_ref().map(|to| to.get_ref().as_slice());
    let to = to.unwrap_or_default();
    if to.is_empty() {
        return Err(missing(
            "recipient",
            "give to, such as [\"root@host.example\"]",
        ));
    }
    for address in [from].into_iter().chain(to) {
        check_mail_address(address)?;
    }
    let to = to.iter().map(|to| to.get_ref().clone());
    Ok((host.get_ref().clone(), from.get_ref().clone(), to.collect()))
}

/// Only what is surely none; the rest is the mail server's to know.
fn check_mail_address(address: &Spanned<String>) -> Result<(), Wrong> {
    let text = address.get_ref();
    let is_plain = text.is_ascii() && !text.contains(char::is_control);
    let has_both = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if is_plain && has_both {
        return Ok(());
    }
    let message = format!("'{}' is no mail address", lfs_wrapper_model::visible(text));
    let help = "give one like lfs@host.example or LFS <lfs@host.example>";
    Err((address.span(), message, help))
}

pub(super) fn derive_webhook(raw: &Raw, place: &Range<usize>) -> Result<Webhook, Wrong> {
    let own = [
        "method",
        "template",
        "template_text",
        "template_file",
        "content_type",
        "options",
        "secret_file",
        "secret_env",
    ];
    raw.refuse_others("webhook", &[&own[..], &HTTP_KEYS].concat())?;
    let words = [("POST", "POST"), ("PUT", "PUT")];
    let method = choose(&raw.method, &words, "", "method is POST or PUT")?;
    let options = raw
        .options
        .as_ref()
        .map(|options| options.get_ref().clone());
    Ok(Webhook {
        http: raw.derive_http(place)?,
        method: (!method.is_empty()).then(|| method.to_owned()),
        body: derive_body(raw)?,
        content_type: raw.content_type.as_ref().map(|one| one.get_ref().clone()),
        options: options.unwrap_or_default(),
        signature: pick(&raw.secret_file, &raw.secret_env)?,
        external_url: value_or(&raw.external_url, String::new()),
    })
}

fn derive_body(raw: &Raw) -> Result<Body, Wrong> {
    const HELP: &str =
        "the templates are slack, ntfy, matrix, sms; give others as template_text or template_file";
    match (&raw.template, &raw.template_text, &raw.template_file) {
        (None, None, None) => Ok(Body::Alertmanager),
        (Some(name), None, None) => {
            let words = ["slack", "ntfy", "matrix", "sms"].map(|word| (word, word));
            choose(&raw.template, &words, "", HELP)?;
            Ok(Body::BuiltIn(name.get_ref().clone()))
        }
        (None, Some(text), None) => Ok(Body::Text(text.get_ref().clone())),
        (None, None, Some(path)) => {
            check_absolute(path.get_ref(), path)?;
            Ok(Body::File(path.get_ref().clone()))
        }
        (name, text, _) => {
            let first = name.as_ref().or(text.as_ref()).map_or(0..0, Spanned::span);
            let help = "give template, template_text or template_file";
            Err((first, "two templates".to_owned(), help))
        }
    }
}

pub(super) fn derive_alertmanager(raw: &Raw, place: &Range<usize>) -> Result<Kind, Wrong> {
    raw.refuse_others(
        "alertmanager",
        &[&["keep_seconds"][..], &HTTP_KEYS].concat(),
    )?;
    Ok(Kind::Alertmanager {
        http: raw.derive_http(place)?,
        keep: derive_seconds(raw.keep_seconds.as_ref(), KEEP_SECONDS, 1.0..=604_800.0)?,
        external_url: value_or(&raw.external_url, String::new()),
    })
}

pub(super) fn derive_exec(raw: &Raw, place: &Range<usize>) -> Result<Kind, Wrong> {
    const HELP: &str = "give command as a program's absolute path, and its arguments";
    raw.refuse_others("exec", &["command", "timeout_seconds"])?;
    let Some(command) = &raw.command else {
        return Err((place.clone(), "no program to run".to_owned(), HELP));
    };
    match command.get_ref().first() {
        Some(program) => check_absolute(Path::new(program), command)?,
        None => return Err((command.span(), "no program to run".to_owned(), HELP)),
    }
    Ok(Kind::Exec {
        command: command.get_ref().clone(),
        timeout: raw.timeout()?,
    })
}
