//! Where secrets are read from, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use lfs_wrapper_alert::channel::{Address, Auth, Http, Kind, Secret, Webhook};

use crate::support::{open, raised, send, serve_http, write_private};

fn webhook(port: u16, auth: Auth) -> Webhook {
    let mut webhook = Webhook::at(&format!("http://127.0.0.1:{port}/"));
    webhook.http.auth = auth;
    webhook
}

#[test]
fn a_secret_is_read_anew_each_time_and_kept_from_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let (port, requests) = serve_http("HTTP/1.1 204 No Content\r\n\r\n");
    let auth = Auth::Bearer(Secret::File(path.clone()));
    let channel = open(Kind::Webhook(webhook(port, auth)));
    let error = send(&channel, &[raised("x")]).unwrap_err();
    assert!(
        !error.is_final && error.message.contains("No such file"),
        "{error}"
    );
    for token in ["first", "second"] {
        write_private(&path, &format!("{token}\r\n"));
        send(&channel, &[raised("x")]).unwrap();
        let head = requests.recv().unwrap().head;
        assert!(
            head.contains(&format!("authorization: Bearer {token}\r\n")),
            "{head}"
        );
        assert!(!format!("{channel:?}").contains(token));
    }
    let table = [
        ("", "is empty"),
        ("\n", "is empty"),
        ("a\nb", "has a control character in it"),
        (&"x".repeat((64 << 10) + 1), "is longer than 64 KiB"),
    ];
    for (text, expected) in table {
        write_private(&path, text);
        let error = send(&channel, &[raised("x")]).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    write_private(&path, "token");
    let (port, _requests) = serve_http("HTTP/1.1 204 No Content\r\n\r\n");
    let auth = Auth::Bearer(Secret::File(path.clone()));
    let channel = open(Kind::Webhook(webhook(port, auth)));
    let table = [
        (0o600, true),
        (0o440, true),
        (0o644, false),
        (0o602, false),
        (0o601, false),
    ];
    for (mode, is_fine) in table {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let outcome = send(&channel, &[raised("x")]);
        assert_eq!(outcome.is_ok(), is_fine, "{mode:o}");
        if let Err(error) = outcome {
            assert!(error.message.contains("chmod o= "), "{error}");
        }
    }
}

#[test]
fn a_pipe_holds_nobody_up_and_a_variable_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    );
    made.unwrap();
    let table = [
        (Secret::File(path), "is not in a regular file"),
        (
            Secret::Env("LFS_TEST_NO_SUCH".to_owned()),
            "LFS_TEST_NO_SUCH with a secret is not set",
        ),
    ];
    for (secret, expected) in table {
        let channel = open(Kind::Webhook(webhook(9, Auth::Bearer(secret))));
        let error = send(&channel, &[raised("x")]).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn an_address_and_headers_can_be_secrets_too_and_are_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (url, key) = (folder.path().join("url"), folder.path().join("key"));
    let answer = "no hook T0/B0/hunter at KEY0, nor dXNlcjpLRVkw";
    let length = answer.len();
    let (port, requests) = serve_http(&format!(
        "HTTP/1.1 404 Not Found\r\nContent-Length: {length}\r\n\r\n{answer}"
    ));
    let address = format!("http://127.0.0.1:{port}/T0/B0/hunter");
    write_private(&url, &address);
    write_private(&key, "KEY0");
    let mut webhook = Webhook::at("");
    webhook.http = Http {
        url: Address::Secret(Secret::File(url.clone())),
        secret_headers: vec![("X-Api-Key".to_owned(), Secret::File(key.clone()))],
        auth: Auth::Basic {
            user: "user".to_owned(),
            password: Secret::File(key),
        },
        ..Http::at("")
    };
    let channel = open(Kind::Webhook(webhook));
    let error = send(&channel, &[raised("x")]).unwrap_err();
    let head = requests.recv().unwrap().head;
    assert!(head.starts_with("POST /T0/B0/hunter "), "{head}");
    assert!(head.contains("x-api-key: KEY0\r\n"), "{head}");
    let shown = format!("{error} {error:?} {channel:?}");
    for secret in ["hunter", "KEY0", "dXNlcjpLRVkw"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        error.is_final && error.message.contains("404 Not Found"),
        "{error}"
    );
    write_private(&url, "ftp://127.0.0.1/hunter");
    let error = send(&channel, &[raised("x")]).unwrap_err();
    assert!(error.message.contains("none of http or https"), "{error}");
    assert!(!error.message.contains("hunter"), "{error}");
}
