//! Against small HTTP servers, good and bad ones.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use lfs_wrapper_alert::channel::{Auth, Body, Channel, Kind, Method, Secret, Webhook};
use lfs_wrapper_alert::engine;
use lfs_wrapper_alert::notification::Notification;
use lfs_wrapper_model::Severity;
use serde_json::{Value, json};

use crate::support::{
    Request, make_certificates, notification, open, raised, read_request, send, serve, serve_http,
    write_private,
};

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn at(port: u16) -> Webhook {
    Webhook::at(&format!("http://127.0.0.1:{port}/hook"))
}

fn channel(webhook: Webhook) -> Channel {
    open(Kind::Webhook(webhook))
}

fn deliver(mut webhook: Webhook, path: &str, notifications: &[Notification]) -> Request {
    let (port, requests) = serve_http(TAKEN);
    let url = format!("http://127.0.0.1:{port}{path}");
    webhook.http.url = lfs_wrapper_alert::channel::Address::Text(url);
    send(&channel(webhook), notifications).unwrap();
    requests.recv().unwrap()
}

fn parse(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

#[test]
fn the_payload_is_alertmanagers() {
    let mut webhook = at(0);
    webhook.external_url = "http://127.0.0.1:9723/".to_owned();
    webhook.http.headers = vec![("X-Team".to_owned(), "lfs".to_owned())];
    let all = [
        raised("memory 85% used"),
        notification(
            2,
            engine::Kind::Resolved,
            Severity::Warning,
            "memory 70% used",
        ),
    ];
    let request = deliver(webhook, "/hook?a=b", &all);
    assert!(
        request.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert!(request.head.contains("content-type: application/json\r\n"));
    assert!(request.head.contains("x-team: lfs\r\n"));
    let alert = |status, severity, summary, ends, fingerprint| {
        json!({
            "status": status,
            "labels": {
                "alertname": "memory", "instance": "builder", "resource": "memory",
                "severity": severity,
            },
            "annotations": {
                "runbook": "Stop what uses it.", "summary": summary, "value": "85.25",
            },
            "startsAt": "2023-11-14T22:13:20.250Z",
            "endsAt": ends,
            "generatorURL": "http://127.0.0.1:9723/",
            "fingerprint": fingerprint,
        })
    };
    let mut payload = parse(&request);
    let prints: Vec<Value> = (0..2)
        .map(|place| payload["alerts"][place]["fingerprint"].take())
        .collect();
    assert_ne!(prints[0], prints[1]);
    assert_eq!(
        payload,
        json!({
            "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing",
            "receiver": "test", "groupLabels": {},
            "commonLabels": {
                "alertname": "memory", "instance": "builder", "resource": "memory",
            },
            "commonAnnotations": {"runbook": "Stop what uses it.", "value": "85.25"},
            "externalURL": "http://127.0.0.1:9723/",
            "alerts": [
                alert("firing", "error", "memory 85% used", "0001-01-01T00:00:00Z", Value::Null),
                alert("resolved", "warning", "memory 70% used", "2023-11-14T22:14:20.250Z", Value::Null),
            ],
        })
    );
}

#[test]
fn the_body_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    // The second case of RFC 4231.
    write_private(&path, "Jefe\n");
    let webhook = Webhook {
        body: Body::Template("what do ya want for nothing?".to_owned()),
        content_type: Some("text/plain".to_owned()),
        signature: Some(Secret::File(path)),
        ..at(0)
    };
    let request = deliver(webhook, "/", &[raised("x")]);
    assert_eq!(request.body, "what do ya want for nothing?");
    let expected = "x-lfs-signature: sha256=\
        5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\r\n";
    assert!(request.head.contains(expected), "{}", request.head);
}

fn built_in(name: &str, options: &[(&str, &str)]) -> Webhook {
    Webhook {
        body: Body::BuiltIn(name.to_owned()),
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..at(0)
    }
}

#[test]
fn chat_services_and_gateways_get_what_they_know() {
    let quoted = raised("memory \"85%\" <b>\nused & more");
    let slack = parse(&deliver(
        built_in("slack", &[]),
        "/",
        std::slice::from_ref(&quoted),
    ));
    let title = "[ERROR] builder: memory \"85%\" <b> used & more";
    assert_eq!(slack["text"], title);
    assert_eq!(slack["attachments"][0]["color"], "#ef6c00");
    let text = slack["attachments"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("\n    Stop what uses it."), "{text}");
    let ntfy = built_in("ntfy", &[("topic", "builds")]);
    let ntfy = parse(&deliver(ntfy, "/", std::slice::from_ref(&quoted)));
    assert_eq!(ntfy["topic"], "builds");
    assert_eq!(ntfy["title"], title);
    assert_eq!(ntfy["priority"], 4);
    let sms = built_in("sms", &[("to", "+49 1")]);
    let sms = deliver(sms, "/", std::slice::from_ref(&quoted));
    assert!(
        sms.head.contains("application/x-www-form-urlencoded"),
        "{}",
        sms.head
    );
    assert_eq!(
        sms.body,
        "to=%2B49%201&text=%5BERROR%5D%20builder%3A%20memory%20%2285%25%22%20%3Cb%3E%20used%20%26%20more"
    );
    let path = "/_matrix/client/v3/rooms/!r:host/send/m.room.message/{{ transaction }}";
    let matrix = || deliver(built_in("matrix", &[]), path, std::slice::from_ref(&quoted));
    let (first, again) = (matrix(), matrix());
    let line = first.head.lines().next().unwrap();
    assert!(
        line.starts_with("PUT /_matrix/") && !line.contains('{'),
        "{line}"
    );
    // By this the server knows what it has already.
    assert_eq!(line, again.head.lines().next().unwrap());
    let other = deliver(
        built_in("matrix", &[]),
        path,
        &[notification(2, quoted.kind, quoted.severity, "x")],
    );
    assert_ne!(line, other.head.lines().next().unwrap());
    let html = parse(&first)["formatted_body"].as_str().unwrap().to_owned();
    assert!(
        html.contains("&lt;b&gt; used &amp; more</font></strong><br>ERROR"),
        "{html}"
    );
    assert!(html.ends_with("<br>    Stop what uses it."), "{html}");
}

#[test]
fn colours_and_priorities_follow_the_severity_and_the_end() {
    let table = [
        (engine::Kind::Raised, Severity::Info, "#1976d2", 2),
        (engine::Kind::Raised, Severity::Warning, "#f9a825", 3),
        (engine::Kind::Raised, Severity::Error, "#ef6c00", 4),
        (engine::Kind::Raised, Severity::Critical, "#c62828", 5),
        (engine::Kind::Raised, Severity::Emergency, "#6a1b9a", 5),
        (engine::Kind::Resolved, Severity::Emergency, "#2e7d32", 2),
    ];
    for (kind, severity, color, priority) in table {
        let one = [notification(1, kind, severity, "x")];
        let slack = parse(&deliver(built_in("slack", &[]), "/", &one));
        assert_eq!(slack["attachments"][0]["color"], color);
        let ntfy = built_in("ntfy", &[("topic", "t")]);
        assert_eq!(parse(&deliver(ntfy, "/", &one))["priority"], priority);
    }
}

#[test]
fn a_template_of_ones_own_gets_the_whole_document() {
    let source = r#"{"m": {{ alerts[0].message|tojson }}, "l": {{ alerts[0].labels.resource|default("none")|tojson }},
        "s": "{{ state }} {{ severity }} {{ payload.status }} {{ host }} {{ options.x }}"}"#;
    let webhook = Webhook {
        body: Body::Template(source.to_owned()),
        method: Some(Method::Put),
        options: [("x".to_owned(), "y".to_owned())].into(),
        ..at(0)
    };
    let request = deliver(webhook, "/", &[raised("\"a\"\nb")]);
    assert!(request.head.starts_with("PUT / "));
    assert_eq!(
        parse(&request),
        json!({"m": "\"a\"\nb", "l": "memory", "s": "firing error firing builder y"})
    );
}

#[test]
fn the_documentations_own_template_works() {
    let text = include_str!("../../../../docs/alert-channels.md");
    let (_, rest) = text.split_once("template_text = '''\n").unwrap();
    let (source, _) = rest.split_once("'''").unwrap();
    let webhook = Webhook {
        body: Body::Template(source.to_owned()),
        ..at(0)
    };
    let request = deliver(webhook, "/", &[raised("a"), raised("b")]);
    assert_eq!(
        parse(&request),
        json!({"worst": "error", "lines": ["a", "b"]})
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let template = |source: &str| Webhook {
        body: Body::Template(source.to_owned()),
        ..at(1)
    };
    let with_token = |url: &str| {
        let mut webhook = Webhook::at(url);
        webhook.http.auth = Auth::Bearer(Secret::Env("X".to_owned()));
        webhook
    };
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let large = format!(
        "{{% for a in range(9000) %}}{}{{% endfor %}}",
        "x".repeat(1000)
    );
    let table = [
        (
            template("{{ nothing }}"),
            "the template: line 1: undefined value",
        ),
        (template("\n{% if %}"), "the template: line 2: syntax error"),
        (template("{{ 1|nofilter }}"), "unknown filter"),
        (
            template("{\"m\": \"{{ alerts[0].message }}\"}"),
            "what comes out is no JSON",
        ),
        (template(loops), "engine ran out of fuel"),
        (template(&large), "the template: "),
        (template(&"x".repeat(70_000)), "longer than 65536 bytes"),
        (template("{% include '/etc/passwd' %}"), "the template: "),
        (built_in("teams", &[]), "there is no template 'teams'"),
        (
            built_in("ntfy", &[]),
            "the template: line 1: undefined value",
        ),
        (Webhook::at("hook"), "the url is none of http or https"),
        (Webhook::at("https://h/{{ x }}"), "the url: "),
        (Webhook::at("https://u:p@h/"), "a user or a password in it"),
        (
            with_token("http://far.example/"),
            "a secret would go to far.example without TLS",
        ),
        (
            Webhook {
                http: lfs_wrapper_alert::channel::Http {
                    headers: vec![("a b".to_owned(), String::new())],
                    ..at(1).http
                },
                ..at(1)
            },
            "'a b' is no name of a header",
        ),
    ];
    for (webhook, expected) in table {
        let error = Channel::new("hook", Kind::Webhook(webhook)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("channel 'hook': ") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn what_an_answer_means() {
    let answer = |status: &str, rest: &str| format!("HTTP/1.1 {status}\r\n{rest}\r\n\r\n");
    let no_body = "Content-Length: 0";
    let table = [
        (answer("202 Accepted", no_body), None),
        (
            answer("301 Moved", "Location: /x\r\nContent-Length: 0"),
            Some((true, None, "redirected")),
        ),
        (
            answer("400 Bad", no_body),
            Some((true, None, "400 Bad Request")),
        ),
        (answer("401 No", no_body), Some((false, None, "401"))),
        (answer("403 No", no_body), Some((false, None, "403"))),
        (answer("404 No", no_body), Some((true, None, "404"))),
        (answer("408 Slow", no_body), Some((false, None, "408"))),
        (answer("422 No", no_body), Some((true, None, "422"))),
        (
            answer("429 Wait", "Retry-After: 7\r\nContent-Length: 0"),
            Some((false, Some(7), "429")),
        ),
        (
            answer("429 Wait", "Retry-After: 99999999\r\nContent-Length: 0"),
            Some((false, Some(3600), "429")),
        ),
        (answer("500 Oops", no_body), Some((false, None, "500"))),
        (
            answer("503 Later", "Retry-After: 3\r\nContent-Length: 0"),
            Some((false, Some(3), "503")),
        ),
        (
            format!(
                "{}\u{1b}[2Jwhat is\nthis????",
                answer("500 Oops", "Content-Length: 20")
            ),
            Some((false, None, "500 Internal Server Error: [2Jwhat is")),
        ),
        (
            "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
            Some((false, None, "sending to 127.0.0.1: ")),
        ),
        (
            "\0\u{1}\u{2}\u{1b}]0;x\u{7}".repeat(10_000),
            Some((false, None, "")),
        ),
        (String::new(), Some((false, None, ""))),
    ];
    for (answer, expected) in table {
        let (port, _requests) = serve_http(&answer);
        let mut webhook = at(port);
        webhook.http.timeout = Duration::from_secs(5);
        let outcome = send(&channel(webhook), &[raised("x")]);
        let Some((is_final, after, part)) = expected else {
            outcome.unwrap();
            continue;
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.is_final, is_final, "{error}");
        assert_eq!(error.retry_after, after.map(Duration::from_secs), "{error}");
        let shown = error.message.replace(" [2J", "[2J");
        assert!(shown.contains(part), "{error}");
        assert!(!error.message.contains(char::is_control), "{error}");
        assert!(error.message.len() < 600, "{error}");
    }
}

#[test]
fn who_never_ends_an_answer_is_given_up() {
    let servers: [fn(std::net::TcpStream); 4] = [
        // Reads nothing and says nothing.
        |_stream| thread::sleep(Duration::from_secs(2)),
        // Answers with a head that never ends.
        |mut stream| {
            read_request(&mut stream);
            while stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        },
        // Drips an error's body.
        |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 99999\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        },
        // Floods with one.
        |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\n");
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
        },
    ];
    for server in servers {
        let mut webhook = at(serve(server));
        webhook.http.timeout = Duration::from_millis(300);
        let error = send(&channel(webhook), &[raised("x")]).unwrap_err();
        assert!(!error.is_final, "{error}");
    }
    let mut webhook = at(crate::support::free_port());
    webhook.http.timeout = Duration::from_millis(300);
    assert!(
        !send(&channel(webhook), &[raised("x")])
            .unwrap_err()
            .is_final
    );
}

#[test]
fn a_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let config = std::sync::Arc::new(make_certificates(folder.path()));
    make_certificates(other.path());
    let port = serve(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let mut buffer = [0; 65536];
        if std::io::Read::read(&mut tls, &mut buffer).is_ok() {
            let _ = tls.write_all(TAKEN.as_bytes());
        }
    });
    let with = |folder: &tempfile::TempDir| {
        let mut webhook = Webhook::at(&format!("https://localhost:{port}/"));
        webhook.http.ca_file = Some(folder.path().join("ca.pem"));
        send(&channel(webhook), &[raised("x")])
    };
    with(&folder).unwrap();
    let error = with(&other).unwrap_err();
    assert!(error.message.contains("certificate"), "{error}");
}
