//! Against aiosmtpd, and against servers that are bad at it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, Email, Kind, Secret, SmtpTls};
use lfs_wrapper_alert::engine;
use lfs_wrapper_model::Severity;

use crate::support::{
    Process, free_port, make_certificates, notification, open, raised, send, serve, wait_for,
    wait_for_text, write_private,
};

const NEEDS: &str = "python3 (or the program in LFS_TEST_PYTHON) with aiosmtpd";

#[derive(serde::Deserialize)]
struct Mail {
    from: String,
    to: Vec<String>,
    content: String,
    tls: bool,
    user: String,
}

impl Mail {
    /// The value of a header, unfolded; empty where it is not there.
    fn header(&self, name: &str) -> String {
        let (head, _) = self.content.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ");
        let found = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(one, _)| one.eq_ignore_ascii_case(name));
        found
            .next()
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    }
}

fn start_server(mode: &str) -> (Process, u16) {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/channels/smtp-server.py");
    let python = std::env::var("LFS_TEST_PYTHON").unwrap_or("python3".to_owned());
    let mut command = Command::new(python);
    command
        .arg(script)
        .arg(folder.path())
        .args([mode, &port.to_string()])
        .stderr(Stdio::null());
    let mut server = Process::start(&mut command, folder);
    wait_for(NEEDS, || {
        assert!(server.child.try_wait().unwrap().is_none(), "needs {NEEDS}");
        server.path("ready").exists().then_some(())
    });
    (server, port)
}

fn read_mails(server: &Process) -> Vec<Mail> {
    let text = std::fs::read_to_string(server.path("mails")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn settings(port: u16, tls: SmtpTls, ca_file: Option<PathBuf>) -> Email {
    Email {
        port,
        tls,
        ca_file,
        timeout: Duration::from_secs(20),
        ..Email::at(
            "127.0.0.1",
            "LFS <lfs@builder.example>",
            &["root@builder.example"],
        )
    }
}

#[test]
#[ignore = "needs python3 with aiosmtpd"]
fn mail_goes_by_starttls_and_tls_with_a_password() {
    for (mode, tls) in [("starttls", SmtpTls::StartTls), ("tls", SmtpTls::Tls)] {
        let (server, port) = start_server(mode);
        let secret = server.path("password");
        write_private(&secret, "se cret\n");
        let mut email = settings(port, tls, Some(server.path("ca.pem")));
        email.login = Some(("lfs".to_owned(), Secret::File(secret.clone())));
        let channel = open(Kind::Email(email.clone()));
        send(&channel, &[raised("memory 85.2% used")]).unwrap();
        let mails = read_mails(&server);
        let [mail] = mails.as_slice() else {
            panic!("{} mails", mails.len());
        };
        assert!(mail.tls && mail.user == "lfs", "{mode}");
        assert_eq!(mail.from, "lfs@builder.example");
        // The wrong password is told without the password, and tried again: it
        // may be put right.
        write_private(&secret, "wr ong");
        let error = send(&channel, &[raised("x")]).unwrap_err();
        assert!(
            !error.is_final && error.message.contains("signing in as lfs: 535"),
            "{error}"
        );
        assert!(!format!("{error:?} {channel:?}").contains("wr ong"));
        // A certificate that nobody signed whom we trust.
        let other = tempfile::tempdir().unwrap();
        make_certificates(other.path());
        email.ca_file = Some(other.path().join("ca.pem"));
        let error = send(&open(Kind::Email(email)), &[raised("x")]).unwrap_err();
        assert!(error.message.contains("certificate"), "{error}");
    }
}

#[test]
#[ignore = "needs python3 with aiosmtpd"]
fn a_server_without_starttls_gets_nothing_where_it_is_wanted() {
    let (server, port) = start_server("none");
    let ca_file = server.path("ca.pem");
    let channel = open(Kind::Email(settings(
        port,
        SmtpTls::StartTls,
        Some(ca_file),
    )));
    let error = send(&channel, &[raised("x")]).unwrap_err();
    assert!(error.message.contains("offers no STARTTLS"), "{error}");
    assert!(read_mails(&server).is_empty());
}

#[test]
#[ignore = "needs python3 with aiosmtpd"]
fn mails_of_one_alert_are_one_thread_and_say_how_bad_it_is() {
    let (server, port) = start_server("none");
    let channel = open(Kind::Email(settings(port, SmtpTls::None, None)));
    let life = [
        (engine::Kind::Raised, Severity::Warning, "memory 81% used"),
        (
            engine::Kind::Escalated,
            Severity::Critical,
            "memory 96% used",
        ),
        (engine::Kind::Nodata, Severity::Critical, "memory"),
        (
            engine::Kind::Resolved,
            Severity::Critical,
            "memory 12% used",
        ),
    ];
    for (place, (kind, severity, text)) in (1_i64..).zip(life) {
        let mut one = notification(7, kind, severity, text);
        one.event = place;
        send(&channel, &[one]).unwrap();
    }
    let mails = read_mails(&server);
    let subjects: Vec<String> = mails.iter().map(|mail| mail.header("Subject")).collect();
    assert_eq!(
        subjects,
        [
            "[WARNING] builder: memory 81% used",
            "[CRITICAL] builder: memory 96% used",
            "[CRITICAL] builder: no data: memory",
            "[RESOLVED] builder: memory 12% used",
        ]
    );
    let root = mails[0].header("Message-ID");
    assert_eq!(root, "<alert-7.1700000000250@builder>");
    assert_eq!(mails[0].header("In-Reply-To"), "");
    for mail in &mails[1..] {
        assert_eq!(mail.header("In-Reply-To"), root);
        assert_eq!(mail.header("References"), root);
        assert_ne!(mail.header("Message-ID"), root);
    }
    let headers = [
        "X-Lfs-Severity",
        "X-Lfs-Kind",
        "X-Lfs-Rule",
        "Importance",
        "Date",
    ];
    assert_eq!(
        headers.map(|name| mails[1].header(name)),
        [
            "critical",
            "escalated",
            "memory",
            "high",
            "Tue, 14 Nov 2023 22:14:20 +0000"
        ]
    );
    assert_eq!(mails[3].header("Importance"), "");
}

#[test]
#[ignore = "needs python3 with aiosmtpd"]
fn a_mail_of_several_alerts_lists_the_worst_first_and_escapes_what_it_quotes() {
    let (server, port) = start_server("none");
    let channel = open(Kind::Email(settings(port, SmtpTls::None, None)));
    let all = [
        notification(1, engine::Kind::Raised, Severity::Warning, "memory one"),
        notification(2, engine::Kind::Resolved, Severity::Emergency, "memory two"),
        notification(
            3,
            engine::Kind::Raised,
            Severity::Error,
            "memory <b>\u{1b}[2J\r\nBcc: x\n.\n",
        ),
        notification(
            1,
            engine::Kind::Deescalated,
            Severity::Info,
            "memory one again",
        ),
    ];
    send(&channel, &all).unwrap();
    let mails = read_mails(&server);
    let mail = &mails[0];
    assert_eq!(mail.header("Bcc"), "");
    assert!(
        mail.header("Subject")
            .starts_with("[ERROR] builder: 3 alerts, memory <b> [2J")
    );
    assert!(
        mail.header("Content-Type")
            .starts_with("multipart/alternative")
    );
    let text = mail.content.replace("=\r\n", "");
    let places: Vec<usize> = [
        "ERROR memory",
        "INFO memory one again",
        "RESOLVED memory two",
    ]
    .iter()
    .map(|part| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part} in {text}"))
    })
    .collect();
    assert!(places.is_sorted(), "{text}");
    assert!(
        text.contains("&lt;b&gt;") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
#[ignore = "needs python3 with aiosmtpd"]
fn who_was_refused_is_told_and_who_has_it_gets_it_once() {
    let (server, port) = start_server("none");
    let mut email = settings(port, SmtpTls::None, None);
    email.to = ["a@x.example", "nobody@x.example"]
        .map(str::to_owned)
        .to_vec();
    let error = send(&open(Kind::Email(email.clone())), &[raised("one")]).unwrap_err();
    assert!(
        error.is_final && error.message.contains("nobody@x.example: 550"),
        "{error}"
    );
    email.to = ["a@x.example", "later@x.example"]
        .map(str::to_owned)
        .to_vec();
    let channel = open(Kind::Email(email));
    for _ in 0..2 {
        let error = send(&channel, &[raised("two")]).unwrap_err();
        assert!(
            !error.is_final && error.message.contains("later@x.example: 451"),
            "{error}"
        );
    }
    std::fs::write(server.path("open"), "").unwrap();
    send(&channel, &[raised("two")]).unwrap();
    wait_for_text(&server.path("mails"), "later@");
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    for mail in read_mails(&server) {
        for to in mail.to {
            *got.entry(to).or_default() += 1;
        }
    }
    // Once for 'one' and once for 'two'.
    let got: Vec<(&str, usize)> = got
        .iter()
        .map(|(to, count)| (to.as_str(), *count))
        .collect();
    assert_eq!(got, [("a@x.example", 2), ("later@x.example", 1)]);
}

/// A server that says these lines, one for each that it hears; what is empty it
/// keeps to itself.
fn serve_lines(lines: &[&str]) -> u16 {
    let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        for line in &lines {
            let mut heard = String::new();
            if stream.write_all(line.as_bytes()).is_err()
                || reader.read_line(&mut heard).unwrap_or(0) == 0
            {
                return;
            }
            while line.starts_with("354") && !heard.ends_with("\r\n.\r\n") {
                if reader.read_line(&mut heard).unwrap_or(0) == 0 {
                    return;
                }
            }
        }
        thread::sleep(Duration::from_secs(1));
    })
}

#[test]
fn what_a_bad_server_says_ends_in_time_with_what_it_said() {
    let long = "2".repeat(1 << 20);
    let endless = "250-x\r\n".repeat(10_000);
    let table: [(&[&str], bool, &str); 11] = [
        (&[""], false, "time limit"),
        (
            &["HTTP/1.1 400 Bad Request\r\n"],
            false,
            "does not speak SMTP: 'HTTP/1.1 400",
        ),
        (&["\u{1b}[2J\0\r\n"], false, "does not speak SMTP: ' [2J '"),
        (&[&long], false, "does not speak SMTP"),
        (&["220 hi\r\n", &endless], false, "more than 100 lines"),
        (&["554 go away\r\n"], false, "the greeting: 554 go away"),
        (&["421 busy\r\n"], false, "the greeting: 421 busy"),
        (
            &["220 hi\r\n", "250-   \r\n250 x\r\n", "550 not you\r\n"],
            true,
            "the sender was refused: 550",
        ),
        (
            &["220 hi\r\n", "250 x\r\n", "451 later\r\n"],
            false,
            "the sender was refused: 451",
        ),
        (
            &["220 hi\r\n", "250 x\r\n", "250 x\r\n", "550 no user\r\n"],
            true,
            "root@builder.example: 550 no user",
        ),
        (
            &[
                "220 hi\r\n",
                "250 x\r\n",
                "250 x\r\n",
                "250 x\r\n",
                "354 go\r\n",
                "554 spam\r\n",
            ],
            true,
            "the content was refused: 554 spam",
        ),
    ];
    for (lines, is_final, expected) in table {
        let mut email = settings(serve_lines(lines), SmtpTls::None, None);
        email.timeout = Duration::from_millis(500);
        let error = send(&open(Kind::Email(email)), &[raised("x")]).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.is_final, is_final, "{error}");
        assert!(!error.message.contains(char::is_control), "{error}");
    }
}

#[test]
fn a_server_that_knows_login_only_is_signed_in_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    write_private(&path, "p");
    let lines = [
        "220 hi\r\n",
        "250 AUTH=LOGIN CRAM-MD5\r\n",
        "334 VXNlcm5hbWU6\r\n",
        "334 UGFzc3dvcmQ6\r\n",
        "235 in\r\n",
        "250 x\r\n",
        "250 x\r\n",
        "354 go\r\n",
        "250 taken\r\n",
    ];
    let mut email = settings(serve_lines(&lines), SmtpTls::None, None);
    email.login = Some(("lfs".to_owned(), Secret::File(path)));
    send(&open(Kind::Email(email.clone())), &[raised("x")]).unwrap();
    email.port = serve_lines(&["220 hi\r\n", "250 AUTH CRAM-MD5\r\n"]);
    let error = send(&open(Kind::Email(email)), &[raised("x")]).unwrap_err();
    assert!(error.message.contains("neither PLAIN nor LOGIN"), "{error}");
}

/// Each byte comes in time, and all of them never do.
#[test]
fn a_server_that_drips_is_given_up() {
    let port = serve(|mut stream| {
        while stream.write_all(b"2").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut email = settings(port, SmtpTls::None, None);
    email.timeout = Duration::from_millis(300);
    let error = send(&open(Kind::Email(email)), &[raised("x")]).unwrap_err();
    assert!(error.message.contains("time limit"), "{error}");
}

#[test]
fn a_password_that_a_server_repeats_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    write_private(&path, "hunter22");
    // "\0lfs\0hunter22" in base64.
    let answer = "535 no: hunter22 AGxmcwBodW50ZXIyMg== aHVudGVyMjI=\r\n";
    let port = serve_lines(&["220 hi\r\n", "250-x\r\n250 AUTH LOGIN PLAIN\r\n", answer]);
    let mut email = settings(port, SmtpTls::None, None);
    email.login = Some(("lfs".to_owned(), Secret::File(path)));
    let error = send(&open(Kind::Email(email)), &[raised("x")]).unwrap_err();
    assert!(
        error.message.ends_with("signing in as lfs: 535 no: … … …"),
        "{error}"
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let secret = || Some(("u".to_owned(), Secret::Env("NONE".to_owned())));
    let good = || Email::at("mail.example", "a@b.example", &["c@d.example"]);
    let table: [(Email, &str); 6] = [
        (
            Email {
                to: Vec::new(),
                ..good()
            },
            "nobody gets the mail",
        ),
        (
            Email {
                host: String::new(),
                ..good()
            },
            "no mail server",
        ),
        (
            Email {
                from: "root".to_owned(),
                ..good()
            },
            "'root' is no mail address",
        ),
        (
            Email {
                to: vec!["a@b.example\r\nRCPT TO:<c@d>".to_owned()],
                ..good()
            },
            "is no mail address",
        ),
        (
            Email {
                tls: SmtpTls::None,
                login: secret(),
                ..good()
            },
            "the password would go to mail.example without TLS",
        ),
        (
            Email {
                ca_file: Some("/nowhere".into()),
                ..good()
            },
            "reading /nowhere",
        ),
    ];
    for (email, expected) in table {
        let error = Channel::new("mail", Kind::Email(email))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
