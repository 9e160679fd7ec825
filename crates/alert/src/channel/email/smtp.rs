//! One conversation with a mail server (RFC 5321), within one time limit.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::Address;
use rustls::ClientConfig;

use super::SmtpTls;
use crate::channel::SendError;
use crate::channel::net::{Deadline, Stream, Timed, start_tls};
use crate::channel::secret::Known;
use crate::channel::text::{cut, plain};

/// The longest line of an answer (RFC 5321, section 4.5.3.1.5, has 512).
const LINE_BYTES_MAX: u64 = 4096;

/// As many lines an answer may have.
const LINES_MAX: usize = 100;

/// As much of an answer is shown.
const SHOWN_BYTES_MAX: usize = 300;

/// What is delivered to whom, by which server.
pub(super) struct Order<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) mode: SmtpTls,
    /// There where the mode needs it.
    pub(super) tls: Option<&'a Arc<ClientConfig>>,
    pub(super) own_name: &'a str,
    pub(super) login: Option<(&'a str, &'a Known)>,
    pub(super) from: &'a Address,
    pub(super) to: &'a [Address],
    /// Lines end in CR LF.
    pub(super) content: &'a [u8],
}

/// Who did not get it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// May get it at another try.
    pub(super) later: Vec<Address>,
    /// Would be refused again.
    pub(super) refused: Vec<Address>,
    /// What the server said of them.
    pub(super) said: Vec<String>,
}

/// What a server said.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl Answer {
    fn text(&self) -> String {
        let text = plain(&self.lines.join(" "));
        format!("{} {}", self.code, cut(&text, SHOWN_BYTES_MAX))
    }

    fn is_good(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// 5xx: it would be refused again.
    fn is_final(&self) -> bool {
        self.code >= 500
    }

    fn has(&self, extension: &str) -> bool {
        self.find(extension).is_some()
    }

    /// What follows the word on its line of the answer to EHLO.
    fn find(&self, extension: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (word, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            word.eq_ignore_ascii_case(extension).then_some(rest)
        })
    }
}

/// An error of the connection is not final, and neither is what a server says
/// before it knows of a mail: a password can be put right.
pub(super) fn deliver(order: &Order<'_>, deadline: Deadline) -> Result<Outcome, SendError> {
    let mut session = open(order, deadline).map_err(SendError::again)?;
    let lost = |error: String| SendError::again(error);
    let judge = |step: &str, answer: Answer| match answer.is_good() {
        true => Ok(()),
        false => Err(refuse(step, &answer)),
    };
    let mail = format!("MAIL FROM:<{}>", order.from);
    judge("sender", session.ask(&mail).map_err(lost)?)?;
    let mut outcome = Outcome::default();
    for to in order.to {
        let answer = session.ask(&format!("RCPT TO:<{to}>")).map_err(lost)?;
        if !answer.is_good() {
            let list = match answer.is_final() {
                true => &mut outcome.refused,
                false => &mut outcome.later,
            };
            list.push(to.clone());
            outcome.said.push(format!("{to}: {}", answer.text()));
        }
    }
    if outcome.later.len() + outcome.refused.len() < order.to.len() {
        judge("content", session.ask("DATA").map_err(lost)?)?;
        session.write(&stuff_dots(order.content)).map_err(lost)?;
        judge("content", session.read().map_err(lost)?)?;
    }
    // It has the mail, whether or not it says good-bye.
    let _ = session.write(b"QUIT\r\n");
    Ok(outcome)
}

fn refuse(step: &str, answer: &Answer) -> SendError {
    let message = format!("the {step} was refused: {}", answer.text());
    match answer.is_final() {
        true => SendError::refused(message),
        false => SendError::again(message),
    }
}

/// Up to where a mail can be handed over.
fn open(order: &Order<'_>, deadline: Deadline) -> Result<Session, String> {
    let connected = Timed::connect(order.host, order.port, deadline);
    let timed = connected.map_err(|error| error.to_string())?;
    let mut session = match (order.mode, order.tls) {
        (SmtpTls::Tls, Some(config)) => Session::secured(order.host, timed, config)?,
        _ => Session::of(Stream::Plain(timed)),
    };
    session.read()?.expect_good("the greeting")?;
    let mut able = session.greet(order.own_name)?;
    if let (SmtpTls::StartTls, Some(config)) = (order.mode, order.tls) {
        if !able.has("STARTTLS") {
            return Err("the server offers no STARTTLS; set tls to tls or none".to_owned());
        }
        session.ask("STARTTLS")?.expect_good("STARTTLS")?;
        session = session.secure(order.host, config)?;
        able = session.greet(order.own_name)?;
    }
    if let Some((user, password)) = order.login {
        session.sign_in(able.find("AUTH").unwrap_or_default(), user, password)?;
    }
    Ok(session)
}

impl Answer {
    fn expect_good(self, what: &str) -> Result<Self, String> {
        match self.is_good() {
            true => Ok(self),
            false => Err(format!("{what}: {}", self.text())),
        }
    }
}

struct Session {
    reader: BufReader<Stream>,
}

impl Session {
    fn of(stream: Stream) -> Self {
        Self {
            reader: BufReader::new(stream),
        }
    }

    fn secured(host: &str, timed: Timed, config: &Arc<ClientConfig>) -> Result<Self, String> {
        let stream = start_tls(config, host, timed);
        Ok(Self::of(stream.map_err(|error| format!("TLS: {error}"))?))
    }

    fn secure(self, host: &str, config: &Arc<ClientConfig>) -> Result<Self, String> {
        // Whatever came before TLS may be anybody's (CVE-2011-0411).
        if !self.reader.buffer().is_empty() {
            return Err("the server spoke before TLS began".to_owned());
        }
        match self.reader.into_inner() {
            Stream::Plain(timed) => Self::secured(host, timed, config),
            Stream::Tls(_) => Err("TLS inside TLS".to_owned()),
        }
    }

    fn greet(&mut self, own_name: &str) -> Result<Answer, String> {
        self.ask(&format!("EHLO {own_name}"))?.expect_good("EHLO")
    }

    /// RFC 4954, by PLAIN (RFC 4616), or LOGIN where there is no PLAIN.
    fn sign_in(&mut self, ways: &str, user: &str, password: &Known) -> Result<(), String> {
        let offers = |way: &str| {
            ways.split([' ', '='])
                .any(|one| one.eq_ignore_ascii_case(way))
        };
        let password = password.expose();
        let last = if offers("PLAIN") {
            let both = BASE64.encode(format!("\0{user}\0{password}"));
            self.ask(&format!("AUTH PLAIN {both}"))?
        } else if offers("LOGIN") {
            self.ask("AUTH LOGIN")?.expect_good("signing in")?;
            self.ask(&BASE64.encode(user))?.expect_good("signing in")?;
            self.ask(&BASE64.encode(password))?
        } else {
            let ways = cut(ways, SHOWN_BYTES_MAX);
            return Err(format!(
                "the server offers neither PLAIN nor LOGIN to sign in with, but '{ways}'"
            ));
        };
        // 334 would be one question more.
        match last.code {
            235 => Ok(()),
            _ => Err(format!("signing in as {user}: {}", last.text())),
        }
    }

    fn ask(&mut self, command: &str) -> Result<Answer, String> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.read()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stream = self.reader.get_mut();
        let written = stream.write_all(bytes).and_then(|()| stream.flush());
        written.map_err(|error| error.to_string())
    }

    fn read(&mut self) -> Result<Answer, String> {
        let mut lines = Vec::new();
        while lines.len() < LINES_MAX {
            let line = self.read_line().map_err(|error| error.to_string())?;
            let (code, is_last, text) = parse_line(&line)
                .ok_or_else(|| format!("the server does not speak SMTP: '{}'", shown(&line)))?;
            lines.push(text.to_owned());
            if is_last {
                return Ok(Answer { code, lines });
            }
        }
        Err(format!("an answer of more than {LINES_MAX} lines"))
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            let message = "the server closed the connection";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn shown(line: &str) -> String {
    plain(cut(line, SHOWN_BYTES_MAX))
}

/// `250-text` goes on, `250 text` ends.
fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3)?.parse().ok()?;
    let rest = line.get(3..)?;
    let is_last = !rest.starts_with('-');
    let is_known = rest.is_empty() || rest.starts_with([' ', '-']);
    ((200..600).contains(&code) && is_known).then(|| (code, is_last, rest.get(1..).unwrap_or("")))
}

/// A dot at the beginning of a line is doubled; one alone ends the mail
/// (RFC 5321, section 4.5.2).
fn stuff_dots(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

/// `text` without the password, in whatever form the server got it.
pub(super) fn hide_password(text: &str, user: &str, password: &Known) -> String {
    let encoded = [
        BASE64.encode(format!("\0{user}\0{}", password.expose())),
        BASE64.encode(password.expose()),
    ];
    let hide = |text: String, secret: String| Known::new(secret).hide_in(&text);
    encoded.into_iter().fold(password.hide_in(text), hide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_mail_ends_it() {
        let table: [(&str, &str); 4] = [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..b\r\n", "..\r\n...b\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ];
        for (content, expected) in table {
            let stuffed = stuff_dots(content.as_bytes());
            assert_eq!(String::from_utf8_lossy(&stuffed), expected, "{content}");
        }
    }

    #[test]
    fn lines_of_answers_go_on_or_end() {
        let table = [
            ("250-SIZE 1", Some((250, false, "SIZE 1"))),
            ("250 ok", Some((250, true, "ok"))),
            ("354", Some((354, true, ""))),
            ("250-   ", Some((250, false, "   "))),
            ("2500", None),
            ("HTTP/1.1 400", None),
            ("", None),
            ("é250", None),
            ("999 x", None),
        ];
        for (line, expected) in table {
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }
}
