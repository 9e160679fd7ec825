use std::path::Path;

use super::*;
use crate::config::Config;

fn parse(text: &str) -> Result<Vec<Channel>, String> {
    let config = Config::parse(Path::new("c.toml"), text);
    config
        .map(|config| config.channels.list())
        .map_err(|error| error.to_string())
}

#[test]
fn every_key_of_every_type_is_understood() {
    let text = r#"
[channels.console]
wall = "critical"
[channels.syslog]
enabled = false
path = "/run/log"
[channels.loghost]
type = "syslog"
address = "logs.example.org:514"
[channels.logs-tls]
type = "syslog"
transport = "tls"
address = "[::1]:6514"
ca_file = "/etc/ca.pem"
timeout_seconds = 2.5
[channels.journald]
[channels.mail]
type = "email"
host = "mail.example.org"
tls = "tls"
user = "lfs"
password_file = "/etc/lfs/password"
from = "LFS <lfs@host.example>"
to = ["root@host.example", "ops@host.example"]
[channels.chat]
type = "webhook"
url_env = "LFS_SLACK"
template = "slack"
secret_file = "/etc/lfs/secret"
[channels.chat.secret_headers]
X-Api-Key = { file = "/etc/lfs/key" }
[channels.chat.options]
topic = "builds"
[channels.alertmanager]
url = "https://am.example.org/"
token_env = "LFS_TOKEN"
keep_seconds = 600
headers = { X-Scope = "lfs" }
[channels.pager]
type = "exec"
command = ["/usr/local/bin/page", "-q"]
[channels.dashboard]
"#;
    let timeout = Duration::from_secs(10);
    let http = |url| Http {
        url,
        auth: Auth::None,
        headers: Vec::new(),
        secret_headers: Vec::new(),
        ca_file: None,
        allow_plain_credentials: false,
        timeout,
    };
    let syslog = |transport, timeout| Kind::Syslog { transport, timeout };
    let expected = [
        (
            "alertmanager",
            Kind::Alertmanager {
                http: Http {
                    auth: Auth::Bearer(Secret::Env("LFS_TOKEN".to_owned())),
                    headers: vec![("X-Scope".to_owned(), "lfs".to_owned())],
                    ..http(Address::Text("https://am.example.org/".to_owned()))
                },
                keep: Duration::from_secs(600),
                external_url: String::new(),
            },
        ),
        (
            "chat",
            Kind::Webhook(Webhook {
                http: Http {
                    secret_headers: vec![(
                        "X-Api-Key".to_owned(),
                        Secret::File("/etc/lfs/key".into()),
                    )],
                    ..http(Address::Secret(Secret::Env("LFS_SLACK".to_owned())))
                },
                method: None,
                body: Body::BuiltIn("slack".to_owned()),
                content_type: None,
                options: [("topic".to_owned(), "builds".to_owned())].into(),
                signature: Some(Secret::File("/etc/lfs/secret".into())),
                external_url: String::new(),
            }),
        ),
        (
            "console",
            Kind::Console {
                wall: Some(Severity::Critical),
                timeout,
            },
        ),
        ("dashboard", Kind::Dashboard),
        ("journald", Kind::Journald { path: None }),
        (
            "loghost",
            syslog(Transport::Tcp("logs.example.org:514".to_owned()), timeout),
        ),
        (
            "logs-tls",
            syslog(
                Transport::Tls("[::1]:6514".to_owned(), Some("/etc/ca.pem".into())),
                Duration::from_millis(2500),
            ),
        ),
        (
            "mail",
            Kind::Email(Email {
                host: "mail.example.org".to_owned(),
                port: 465,
                tls: Tls::Tls,
                ca_file: None,
                login: Some(("lfs".to_owned(), Secret::File("/etc/lfs/password".into()))),
                allow_plain_credentials: false,
                from: "LFS <lfs@host.example>".to_owned(),
                to: vec![
                    "root@host.example".to_owned(),
                    "ops@host.example".to_owned(),
                ],
                timeout,
            }),
        ),
        (
            "pager",
            Kind::Exec {
                command: vec!["/usr/local/bin/page".to_owned(), "-q".to_owned()],
                timeout,
            },
        ),
        (
            "syslog",
            syslog(Transport::Unix(Some("/run/log".into())), timeout),
        ),
    ];
    let expected = expected.map(|(name, kind)| Channel {
        name: name.to_owned(),
        is_enabled: name != "syslog",
        kind,
    });
    assert_eq!(parse(text).unwrap(), expected);
    assert_eq!(parse("").unwrap(), []);
}

const MAIL: &str = "[channels.m]\ntype = \"email\"\nhost = \"h\"\nfrom = \"a@b\"\nto = [\"c@d\"]\n";
const HOOK: &str = "[channels.h]\ntype = \"webhook\"\nurl = \"https://h/\"\n";
const AM: &str = "[channels.alertmanager]\nurl = \"http://h\"\n";

/// A beginning, what is added to it, where the error is, what it says, and what
/// to do.
const WRONG: [(&str, &str, &str, &str, &str); 42] = [
    (
        "",
        "[channels.console]\nwal = \"error\"",
        "2:1",
        "unknown key 'wal'",
        "did you mean 'wall'?",
    ),
    (
        "",
        "[channels.console]\nwall = \"eror\"",
        "2:8",
        "unknown variant `eror`",
        "",
    ),
    (
        "",
        "[channels.console]\nto = [\"a@b\"]",
        "2:6",
        "'to' is no key of a channel of type console",
        "docs/",
    ),
    (
        "",
        "[channels.mail]\nhost = \"h\"",
        "1:11",
        "channel 'mail' has no type; did you mean 'email'?",
        "the types are",
    ),
    (
        "",
        "[channels.x]\n",
        "1:11",
        "channel 'x' has no type",
        "the types are",
    ),
    (
        "",
        "[channels.x]\ntype = \"emial\"",
        "2:8",
        "unknown type 'emial'; did you mean 'email'?",
        "the types are",
    ),
    (
        "",
        "[channels.\"A b\"]\ntype = \"exec\"",
        "1:11",
        "'A b' is no name for a channel",
        "a-z",
    ),
    ("", "[channels]\nconsole = true", "2:11", "invalid type", ""),
    (
        "",
        "[channels.email]\nfrom = \"a@b\"\nto = [\"c@d\"]",
        "1:11",
        "no mail server",
        "give host",
    ),
    (
        "",
        "[channels.email]\nhost = \"h\"\nto = [\"c@d\"]",
        "1:11",
        "no sender",
        "give from",
    ),
    (
        "",
        "[channels.email]\nhost = \"h\"\nfrom = \"a@b\"",
        "1:11",
        "no recipient",
        "give to",
    ),
    (
        "",
        "[channels.email]\nhost = \"h\"\nfrom = \"a@b\"\nto = []",
        "1:11",
        "no recipient",
        "give to",
    ),
    (
        MAIL,
        "tls = \"ssl\"",
        "6:7",
        "'ssl' is not known here",
        "starttls (the default), tls or none",
    ),
    (MAIL, "port = 70000", "6:8", "invalid value", ""),
    (
        MAIL,
        "user = \"u\"",
        "6:8",
        "a user without a password",
        "password_file",
    ),
    (
        MAIL,
        "password_env = \"P\"",
        "6:16",
        "a password without a user",
        "give user",
    ),
    (
        MAIL,
        "password = \"hunter2\"",
        "6:12",
        "a secret in the configuration; give password_file or password_env",
        "only the monitor can read",
    ),
    (
        MAIL,
        "user = \"u\"\npassword_file = \"p\"",
        "7:17",
        "p is not an absolute path",
        "begin with /",
    ),
    (
        MAIL,
        "user = \"u\"\npassword_file = \"/p\"\npassword_env = \"P\"",
        "8:16",
        "two places of one secret",
        "a file or a variable",
    ),
    (
        MAIL,
        "user = \"u\"\npassword_env = \"A=B\"",
        "7:16",
        "'A=B' is no name of a variable",
        "",
    ),
    (
        MAIL,
        "timeout_seconds = 0",
        "6:19",
        "a time of 0 seconds",
        "0.1 to 300",
    ),
    (
        MAIL,
        "timeout_seconds = nan",
        "6:19",
        "a time of NaN seconds",
        "0.1 to 300",
    ),
    (
        MAIL,
        "ca_file = \"ca.pem\"",
        "6:11",
        "ca.pem is not an absolute path",
        "begin with /",
    ),
    (
        "",
        "[channels.email]\nhost = \"h\"\nfrom = \"root\"\nto = [\"c@d\"]",
        "3:8",
        "'root' is no mail address",
        "lfs@host.example",
    ),
    (
        "",
        "[channels.email]\nhost = \"h\"\nfrom = \"a@b\"\nto = [\"c@d\", \"d@e\\nBcc: x\"]",
        "4:14",
        "'d@e\u{fffd}Bcc: x' is no mail address",
        "",
    ),
    (
        "",
        "[channels.webhook]\n",
        "1:11",
        "no address to send to",
        "give url",
    ),
    (
        "",
        "[channels.webhook]\nurl = \"h/x\"",
        "2:7",
        "'h/x' is no address",
        "https://host/path",
    ),
    (
        "",
        "[channels.webhook]\nurl = \"https:///x\"",
        "2:7",
        "'https:///x' is no address",
        "https://host/path",
    ),
    (
        "",
        "[channels.webhook]\nurl = \"https://u:p@h/\"",
        "2:7",
        "a user or a password in an address; give user and password_file",
        "only the monitor",
    ),
    (
        HOOK,
        "url_file = \"/u\"",
        "3:7",
        "two addresses",
        "url, url_file or url_env",
    ),
    (
        HOOK,
        "token = 1234",
        "4:9",
        "a secret in the configuration; give token_file or token_env",
        "",
    ),
    (
        HOOK,
        "secret = \"t\"",
        "4:10",
        "a secret in the configuration; give secret_file",
        "",
    ),
    (
        HOOK,
        "token_env = \"T\"\nuser = \"u\"\npassword_env = \"P\"",
        "5:8",
        "two ways to sign in",
        "a token, or",
    ),
    (
        HOOK,
        "method = \"GET\"",
        "4:10",
        "'GET' is not known here",
        "POST or PUT",
    ),
    (
        HOOK,
        "template = \"teams\"",
        "4:12",
        "'teams' is not known here",
        "slack, ntfy, matrix, sms",
    ),
    (
        HOOK,
        "template = \"slack\"\ntemplate_text = \"x\"",
        "4:12",
        "two templates",
        "template_text or",
    ),
    (
        HOOK,
        "secret_headers = { X = {} }",
        "4:18",
        "nothing for the header X",
        "{ file",
    ),
    (
        AM,
        "keep_seconds = 0.5",
        "3:16",
        "a time of 0.5 seconds",
        "keep_seconds from 1",
    ),
    (
        AM,
        "template = \"slack\"",
        "3:12",
        "'template' is no key of a channel of type alertmanager",
        "docs/",
    ),
    (
        "",
        "[channels.syslog]\ntransport = \"tcp\"",
        "1:11",
        "no address to send to",
        "host:port",
    ),
    (
        "",
        "[channels.syslog]\naddress = \"::1:514\"",
        "2:11",
        "'::1:514' is no host with a port",
        "[::1]:514",
    ),
    (
        "",
        "[channels.exec]\ncommand = [\"page\"]",
        "2:11",
        "page is not an absolute path",
        "begin with /",
    ),
];

#[test]
fn what_is_wrong_is_shown_in_its_line_with_what_to_do() {
    for (begin, more, place, says, help) in WRONG {
        let error = parse(&format!("{begin}{more}")).unwrap_err();
        assert!(
            error.starts_with(&format!("c.toml:{place}: {says}")),
            "{error}"
        );
        assert!(
            !error.contains("hunter2") && !error.contains("u:p"),
            "{error}"
        );
        let (_, end) = error.rsplit_once('\n').unwrap();
        assert!(end.contains(help), "{error}");
    }
}

#[test]
fn keys_of_another_transport_and_too_many_channels_are_refused() {
    let table = [
        (
            "transport = \"udp\"\naddress = \"h:1\"\nca_file = \"/c\"",
            "4:11",
        ),
        ("transport = \"unix\"\naddress = \"h:1\"", "3:11"),
        (
            "transport = \"tcp\"\naddress = \"h:1\"\npath = \"/dev/log\"",
            "4:8",
        ),
    ];
    for (text, place) in table {
        let error = parse(&format!("[channels.syslog]\n{text}")).unwrap_err();
        assert!(error.starts_with(&format!("c.toml:{place}: '")), "{error}");
    }
    let many = |count: u32| {
        let one = |number| format!("[channels.c{number:02}]\ntype = \"dashboard\"\n");
        (0..count).map(one).collect::<String>()
    };
    assert_eq!(parse(&many(32)).unwrap().len(), 32);
    let error = parse(&many(33)).unwrap_err();
    assert!(
        error.starts_with("c.toml:65:11: more than 32 channels"),
        "{error}"
    );
}

#[test]
fn every_example_in_the_documentation_is_one() {
    let text = include_str!("../../../../docs/alert-channels.md");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 8, "{}", examples.len());
    for example in examples {
        let channels = parse(example).unwrap();
        assert!(!channels.is_empty(), "{example}");
    }
}
