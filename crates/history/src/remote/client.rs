//! One request to an endpoint, and what its answer means.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use jiff::fmt::rfc2822;
use lfs_wrapper_model::now_msec;
use ureq::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT,
};
use ureq::http::{Response, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Timeout};

use super::secrets::{HEADER_CHARS_MIN, hide, hide_credentials};
use super::settings::{Credentials, RemoteWrite, SettingsError};
use super::step::Answer;

/// No answer is read further.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// As many characters of an answer are shown.
const SHOWN_MAX: usize = 300;
/// A file with a secret has no more.
const SECRET_BYTES_MAX: u64 = 64 << 10;
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Sends to one endpoint.
pub(super) struct Client {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    credentials: Credentials,
}

/// What became of a request, and what to say of it.
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// Empty where it was taken.
    pub(super) message: String,
}

impl Client {
    pub(super) fn new(settings: &RemoteWrite) -> Result<Self, SettingsError> {
        settings.check()?;
        let mut tls = TlsConfig::builder();
        if let Some(path) = &settings.ca_file {
            let roots = read_roots(path).map_err(|message| SettingsError::File {
                name: settings.name.clone(),
                path: path.clone(),
                message,
            })?;
            tls = tls.root_certs(roots);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(settings.timeout))
            .timeout_connect(Some(settings.timeout.min(CONNECT_MAX)))
            .max_idle_connections(1)
            .tls_config(tls.build())
            .build();
        Ok(Self {
            agent: config.into(),
            url: settings.url.clone(),
            headers: settings.headers.clone(),
            credentials: settings.credentials.clone(),
        })
    }

    /// Sends a body, compressed with snappy.
    pub(super) fn send(&self, body: &[u8]) -> Outcome {
        let (authorization, mut secrets) = match self.read_authorization() {
            Ok(read) => read,
            Err(message) => return failed(false, None, message),
        };
        let values = self.headers.iter().map(|header| &header.1);
        let is_long = |value: &&String| value.chars().count() >= HEADER_CHARS_MIN;
        secrets.extend(values.filter(is_long).cloned());
        let mut request = self
            .agent
            .post(&self.url)
            .header(CONTENT_ENCODING, "snappy")
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .header(
                USER_AGENT,
                concat!("lfs-wrapper/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        match request.send(body) {
            Ok(response) => judge(response, &secrets),
            Err(error) => failed(!never_arrived(&error), None, error.to_string()),
        }
    }

    /// What the header says, and which parts of it must not be shown.
    fn read_authorization(&self) -> Result<(Option<String>, Vec<String>), String> {
        let read = |path: &Path| {
            let secret = read_secret(path);
            secret.map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        Ok(match &self.credentials {
            Credentials::None => (None, Vec::new()),
            Credentials::BearerFile(path) => {
                let token = read(path)?;
                (Some(format!("Bearer {token}")), vec![token])
            }
            Credentials::Basic {
                user,
                password_file,
            } => {
                let password = read(password_file)?;
                let pair = encode_base64(format!("{user}:{password}").as_bytes());
                (Some(format!("Basic {pair}")), vec![pair, password])
            }
        })
    }
}

fn failed(is_unclear: bool, after: Option<Duration>, message: String) -> Outcome {
    Outcome {
        answer: Answer::Failed { is_unclear, after },
        message,
    }
}

/// What an answer means. What the endpoint says of a request's content is final;
/// what it says of addresses and credentials is not, since those can be put right.
fn judge(mut response: Response<Body>, secrets: &[String]) -> Outcome {
    let status = response.status();
    let said = shorten(&hide(&read_line(response.body_mut()), secrets));
    if status.is_success() {
        return Outcome {
            answer: Answer::Taken,
            message: String::new(),
        };
    }
    let header = |name| response.headers().get(name)?.to_str().ok();
    let message = match header(LOCATION).filter(|_| status.is_redirection()) {
        Some(place) => {
            let place = shorten(&hide(&hide_credentials(place), secrets));
            format!("{status}: redirected to {place}; set that as the url")
        }
        None if said.is_empty() => status.to_string(),
        None => format!("{status}: {said}"),
    };
    let is_refused = matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY
    );
    if is_refused {
        let answer = Answer::Refused;
        return Outcome { answer, message };
    }
    // Only where the endpoint itself has failed half-way can it have taken it.
    let is_unclear = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    let after = header(RETRY_AFTER).and_then(|text| parse_retry_after(text, now_msec()));
    failed(is_unclear, after, message)
}

/// The first line of an answer; reads the rest too, so that the connection can be
/// used again.
fn read_line(body: &mut Body) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is not shown.
    let _ = body
        .as_reader()
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// As much of a text as is shown.
fn shorten(text: &str) -> String {
    let visible = text.chars().filter(|character| !character.is_control());
    visible.take(SHOWN_MAX).collect()
}

/// Whether the endpoint cannot have seen anything of the request.
fn never_arrived(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
        ),
        _ => false,
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn parse_retry_after(text: &str, now_msec: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text.trim()).ok()?;
    let rest_msec = date.timestamp().as_millisecond().saturating_sub(now_msec);
    Some(Duration::from_millis(u64::try_from(rest_msec).unwrap_or(0)))
}

fn read_secret(path: &Path) -> io::Result<String> {
    let mut secret = String::new();
    fs::File::open(path)?
        .take(SECRET_BYTES_MAX)
        .read_to_string(&mut secret)?;
    Ok(secret.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_roots(path: &Path) -> Result<RootCerts, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("no certificate (PEM) in it".to_owned());
    }
    Ok(certificates.into())
}

/// RFC 4648, with padding.
fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let byte = |place: usize| u32::from(part.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let digit = DIGITS.get(usize::try_from(digit).unwrap_or(0)).copied();
            let is_padding = place > u32::try_from(part.len()).unwrap_or(3);
            text.push(if is_padding {
                '='
            } else {
                char::from(digit.unwrap_or(b'='))
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let said = |path: &Path| {
            let settings = RemoteWrite {
                ca_file: Some(path.to_owned()),
                ..RemoteWrite::new("far", "https://localhost/")
            };
            let error = Client::new(&settings).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(said(&path).contains("No such file"), "{}", said(&path));
        fs::write(&path, "nothing").unwrap();
        assert!(said(&path).contains("no certificate (PEM) in it"));
    }

    #[test]
    #[ignore = "needs openssl and python3"]
    fn an_endpoint_is_trusted_when_its_certificate_is_signed_by_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .arg("-ec")
            .arg(CERTIFICATES)
            .current_dir(&folder)
            .output();
        assert!(made.unwrap().status.success());
        let server = Command::new("python3")
            .args(["-c", SERVER])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn();
        let mut server = server.unwrap();
        let mut port = String::new();
        let output = server.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let answer = |ca_file| {
            let settings = RemoteWrite {
                ca_file,
                ..RemoteWrite::new("far", &format!("https://127.0.0.1:{}/", port.trim()))
            };
            let outcome = Client::new(&settings).unwrap().send(b"x");
            (outcome.answer, outcome.message)
        };
        let unknown = answer(None);
        let known = answer(Some(folder.path().join("ca.pem")));
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(matches!(unknown.0, Answer::Failed { .. }));
        assert!(unknown.1.contains("certificate"), "{}", unknown.1);
        assert_eq!(known, (Answer::Taken, String::new()));
    }

    const CERTIFICATES: &str = "
        key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca -days 1
        openssl req $key -keyout key.pem -out request.pem -subj /CN=endpoint
        echo subjectAltName=IP:127.0.0.1 >extra
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
            -out certificate.pem -days 1 -extfile extra";

    const SERVER: &str = "
import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('certificate.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()";

    #[test]
    fn base64_is_padded() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("a:\u{ff}?", "YTrDvz8="),
        ];
        for (text, expected) in table {
            assert_eq!(encode_base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn when_to_come_back_is_seconds_or_a_date() {
        let table = [
            ("7", Some(7_000)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(5_000)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(
                parse_retry_after(text, 1_445_412_475_000),
                expected,
                "{text}"
            );
        }
    }
}
