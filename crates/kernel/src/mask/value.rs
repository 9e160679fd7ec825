//! What becomes of a value once it is known what it is.

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// What kind of value holds a secret, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of it.
    Whole,
    /// All of it, unless it is the path of a file.
    UnlessPath,
    /// All of it, unless it counts: builds have a pass 1 and a pass 2.
    UnlessCount,
    /// What follows the first colon: `user:secret`.
    AfterColon,
    /// What follows the first per cent sign: `user%secret`.
    AfterPercent,
    /// What stands between the colon and the last `@`: `user:secret@host`.
    Authority,
    /// Name and value: a cookie without `=` is the name of a file.
    Cookie,
    /// A source as openssl(1) has it: only `pass:` and keys hold the secret.
    PassSource,
    /// What follows the colon of a header that is about access.
    Header,
    /// The first word of such a header's value: a scheme, or the secret.
    Scheme,
    /// Commands for a shell.
    Script,
}

/// `before` the secret stays as it is, the rest does not.
fn mask_after(value: &str, separator: char) -> String {
    match value.split_once(separator) {
        Some((before, secret)) if !secret.is_empty() => format!("{before}{separator}{MASK}"),
        _ => value.to_owned(),
    }
}

/// Words that switch something on or off, and so are never a secret.
const SWITCHES: [&str; 11] = [
    "auto", "disabled", "enabled", "false", "n", "no", "none", "off", "on", "true", "yes",
];

/// Whether a value only switches something.
pub(super) fn is_switch(value: &str) -> bool {
    SWITCHES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A decimal or hexadecimal number, with the suffixes of C.
pub(super) fn is_number(value: &str) -> bool {
    let value = value.trim_end_matches(['u', 'U', 'l', 'L']);
    let (digits, is_digit): (_, fn(&u8) -> bool) = match value.strip_prefix("0x") {
        Some(digits) => (digits, u8::is_ascii_hexdigit),
        None => (value.trim_start_matches('-'), u8::is_ascii_digit),
    };
    !digits.is_empty() && digits.bytes().all(|byte| is_digit(&byte))
}

fn is_path(value: &str) -> bool {
    let ends = [".pem", ".key", ".crt", ".pub", ".json", ".x509", ".gpg"];
    ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start))
        || ends.iter().any(|end| value.ends_with(end))
}

/// Where openssl(1) reads a secret from, if it is not on the command line.
fn is_source(value: &str) -> bool {
    value == "stdin"
        || ["file:", "env:", "fd:"]
            .iter()
            .any(|source| value.starts_with(source))
}

fn is_count(value: &str) -> bool {
    value.len() <= 2 && is_number(value)
}

/// A value without its secret. Addresses, headers and scripts have readers of
/// their own: here they are masked whole.
pub(super) fn mask_value(kind: Kind, value: &str) -> String {
    let keep = match kind {
        Kind::UnlessPath => is_path(value),
        Kind::UnlessCount => is_count(value),
        Kind::Cookie => !value.contains('='),
        Kind::PassSource => is_count(value) || is_source(value),
        Kind::AfterColon => return mask_after(value, ':'),
        Kind::AfterPercent => return mask_after(value, '%'),
        Kind::Whole | Kind::Authority | Kind::Header | Kind::Scheme | Kind::Script => false,
    };
    if keep || value.is_empty() {
        return value.to_owned();
    }
    match value.strip_prefix("pass:") {
        Some(secret) if !secret.is_empty() && kind == Kind::PassSource => format!("pass:{MASK}"),
        _ => MASK.to_owned(),
    }
}
