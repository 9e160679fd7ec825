//! Whether the name of an option, a variable, a field or a header says that
//! its value is a secret.

use super::value::Kind;

/// Names that no rule below finds.
const EXACT: [(&str, Kind); 16] = [
    ("kbuild_sign_pin", Kind::Whole),
    ("_auth", Kind::Whole),
    ("dbpass", Kind::Whole),
    ("ftppass", Kind::Whole),
    ("httppass", Kind::Whole),
    ("jwt", Kind::UnlessPath),
    ("keypass", Kind::Whole),
    ("masterauth", Kind::Whole),
    ("proxypass", Kind::Whole),
    ("rediscli_auth", Kind::Whole),
    ("requirepass", Kind::Whole),
    ("rootpass", Kind::Whole),
    ("smbpass", Kind::Whole),
    ("sshpass", Kind::Whole),
    ("storepass", Kind::Whole),
    ("userpass", Kind::Whole),
];

/// Parts of a name that make it the name of a secret.
const PARTS: [&str; 8] = [
    "passphrase",
    "passw",
    "passwd",
    "secret",
    "secrets",
    "token",
    "bearer",
    "otp",
];

/// The same where they begin or end a part: `sslpassword`, `authtoken`.
const PART_STARTS: [&str; 2] = ["passwor", "passphrase"];
const PART_ENDS: [&str; 8] = [
    "password",
    "passphrase",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "clientsecret",
];

/// What stands before `key` where a key is a secret. A key alone is most often
/// the name of something, or a file.
const KEYS_OF: [&str; 16] = [
    "access",
    "account",
    "admin",
    "api",
    "app",
    "application",
    "auth",
    "deploy",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "shared",
    "subscription",
];

/// What such a name ends in when its value is something else about the secret.
const NOT_THE_SECRET: [&str; 48] = [
    "alg",
    "algorithm",
    "bucket",
    "cmd",
    "command",
    "count",
    "dir",
    "directory",
    "endpoint",
    "env",
    "expiration",
    "expires",
    "expiry",
    "fd",
    "field",
    "file",
    "filename",
    "files",
    "format",
    "header",
    "helper",
    "id",
    "ids",
    "issuer",
    "len",
    "length",
    "limit",
    "location",
    "max",
    "min",
    "mode",
    "name",
    "names",
    "num",
    "path",
    "plugin",
    "policy",
    "prefix",
    "prog",
    "program",
    "prompt",
    "required",
    "size",
    "stdin",
    "timeout",
    "ttl",
    "type",
    "url",
];

/// What a switch begins with: no value follows it as the next argument.
const SWITCH_STARTS: [&str; 18] = [
    "allow", "ask", "change", "disable", "enable", "generate", "get", "hide", "list", "no",
    "print", "prompt", "require", "reset", "show", "skip", "with", "without",
];

/// Fields of an address that carry a signature or a session and have names
/// that mean nothing elsewhere.
const QUERY_FIELDS: [&str; 11] = [
    "auth",
    "code",
    "key",
    "pass",
    "pwd",
    "session",
    "sid",
    "sig",
    "signature",
    "x-amz-signature",
    "x-goog-signature",
];

/// The most bytes of a name that count; longer ones are text with a sign in it.
pub(super) const NAME_BYTES_MAX: usize = 128;

/// The words of a name in small letters: `X-Api-Key`, `apiKey` and `API_KEY`
/// are the same. Digits at the end of one do not count.
fn split(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut previous = ' ';
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let next_is_small = characters.peek().is_some_and(char::is_ascii_lowercase);
        let begins =
            character.is_ascii_uppercase() && (!previous.is_ascii_uppercase() || next_is_small);
        if begins || !character.is_ascii_alphanumeric() {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (character.is_ascii_alphanumeric(), parts.last_mut()) {
            part.push(character.to_ascii_lowercase());
        }
        previous = character;
    }
    for part in &mut parts {
        part.truncate(
            part.trim_end_matches(|end: char| end.is_ascii_digit())
                .len(),
        );
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn is_secret_part(part: &str) -> bool {
    PARTS.contains(&part)
        || PART_STARTS.iter().any(|start| part.starts_with(start))
        || PART_ENDS.iter().any(|end| part.ends_with(end))
}

/// What kind of secret the value behind a name is; `None` for no secret.
pub(super) fn judge(name: &str) -> Option<Kind> {
    let bare = name.trim_start_matches('-');
    if bare.is_empty() || bare.len() > NAME_BYTES_MAX {
        return None;
    }
    let exact = |(known, _): &&(&str, Kind)| bare.eq_ignore_ascii_case(known);
    if let Some((_, kind)) = EXACT.iter().find(exact) {
        return Some(*kind);
    }
    let parts = split(bare);
    let last = parts.last()?.as_str();
    let before = parts.iter().rev().nth(1).map(String::as_str);
    if NOT_THE_SECRET.contains(&last) {
        return None;
    }
    if parts.iter().any(|part| is_secret_part(part)) {
        return Some(Kind::Whole);
    }
    let is_key = parts
        .iter()
        .zip(parts.iter().skip(1))
        .any(|(of, key)| key == "key" && KEYS_OF.contains(&of.as_str()));
    match (last, before) {
        _ if is_key => Some(Kind::UnlessPath),
        ("credential" | "credentials", _) => Some(Kind::UnlessPath),
        // PWD and OLDPWD are where a shell is.
        ("pwd", Some(_)) => Some(Kind::UnlessPath),
        ("pass", _) => Some(Kind::UnlessCount),
        ("auth", _) => Some(Kind::AfterColon),
        _ => None,
    }
}

/// The same for a field in the address of a page.
pub(super) fn judge_field(name: &str) -> Option<Kind> {
    let known = QUERY_FIELDS
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field));
    if known {
        Some(Kind::Whole)
    } else {
        judge(name)
    }
}

/// The kind of the argument that follows an option; `None` where none does, or
/// it is no secret.
pub(super) fn judge_option(option: &str) -> Option<Kind> {
    let bare = option.strip_prefix('-')?.trim_start_matches('-');
    let begins = split(bare).into_iter().next()?;
    if SWITCH_STARTS.contains(&begins.as_str()) {
        return None;
    }
    // openssl(1) names a source, ffmpeg(1) counts; `--pass` is rclone's.
    if option == "-pass" {
        return Some(Kind::PassSource);
    }
    if is_of_a_compiler(option) {
        return None;
    }
    judge(bare)
}

/// Whether a name stands in what a compiler, linker or perl takes in one word:
/// `-Isrc/token`, `-DUSE_TOKEN`, `-ltoken`, `-otoken.c`, `-Mauth::token`.
fn is_of_a_compiler(option: &str) -> bool {
    let Some(name) = option
        .strip_prefix('-')
        .filter(|name| !name.starts_with('-'))
    else {
        // Of the long ones, these name something else that has a value.
        return matches!(option, "--extern" | "--defsym");
    };
    let has_mark = name.contains(['/', '.', ':', '_']);
    let library = name.strip_prefix('l').filter(|rest| !rest.contains('-'));
    let of_linker = library.is_some_and(|rest| judge(rest).is_some());
    has_mark || of_linker || name.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiler_takes_announces_no_secret() {
        let compilers = [
            "-Isrc/token",
            "-I../passwd",
            "-ltoken",
            "-DUSE_TOKEN",
            "-UPASSWORD",
            "-otoken.c",
            "-Mauth::token",
            "-itoken.patch",
            "--extern",
            "--defsym",
            "-Wl,--token",
        ];
        for option in compilers {
            assert_eq!(judge_option(option), None, "{option}");
        }
        for option in [
            "-password",
            "-token",
            "--token",
            "--db-password",
            "-ldap-password",
        ] {
            assert!(judge_option(option).is_some(), "{option}");
        }
    }

    #[test]
    fn names_are_judged_by_their_words() {
        let whole = [
            "password",
            "--password",
            "PGPASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "sslpassword",
            "TOKEN",
            "FOO_TOKEN",
            "authToken",
            "_authToken",
            "clientSecret",
            "client-secret",
            "token2",
            "passphrase",
            "oauth2-bearer",
            "restic_password",
            "SSHPASS",
            "X-Auth-Token",
        ];
        for name in whole {
            assert_eq!(judge(name), Some(Kind::Whole), "{name}");
        }
        for name in [
            "X-Api-Key",
            "apiKey",
            "APIKey",
            "secret_key",
            "aws_secret_access_key",
        ] {
            assert!(judge(name).is_some(), "{name}");
        }
        let open = [
            "",
            "-",
            "PWD",
            "OLDPWD",
            "path",
            "key",
            "token_file",
            "password-stdin",
            "TOKEN_MAX",
            "passphrase-fd",
            "compass",
            "passes",
            "libsecret",
            "SSH_ASKPASS",
            "getpass",
            "tokenizer",
            "passwdqc",
            "max-pass-size",
            "key-file",
            "access_key_id",
            "bypass",
            "keyring",
        ];
        for name in open {
            assert_eq!(judge(name), None, "{name}");
        }
    }

    #[test]
    fn switches_take_no_argument() {
        for option in [
            "--no-password",
            "--with-token",
            "--ask-pass",
            "--password-stdin",
            "-p",
            "-",
        ] {
            assert_eq!(judge_option(option), None, "{option}");
        }
    }
}
