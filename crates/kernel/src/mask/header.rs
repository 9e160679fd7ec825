//! `Name: value` as HTTP has it.

use super::name::judge;
use super::pair::find_name_at_end;
use super::value::{Kind, MASK};

/// Headers that are about access and have names that say so only to those
/// who know.
const HEADERS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-auth-key",
    "x-auth-token",
    "x-registry-auth",
];

/// What can stand before the secret in such a header.
const SCHEMES: [&str; 10] = [
    "apikey",
    "aws4-hmac-sha256",
    "basic",
    "bearer",
    "digest",
    "hawk",
    "key",
    "negotiate",
    "ntlm",
    "token",
];

pub(super) fn is_scheme(word: &str) -> bool {
    SCHEMES
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

pub(super) fn is_secret_header(name: &str) -> bool {
    // passwd: begins lines of nsswitch.conf and is a user.
    let is_named = matches!(judge(name), Some(Kind::Whole | Kind::UnlessPath)) && name != "passwd";
    is_named
        || HEADERS
            .iter()
            .any(|header| name.eq_ignore_ascii_case(header))
}

/// Where the value of a secret header begins in an argument that is one, or
/// that is an option or a setting with one: `http.extraHeader=Cookie: x`.
pub(super) fn find_value(argument: &str) -> Option<usize> {
    let word = argument.split(char::is_whitespace).next()?;
    word.match_indices(':').find_map(|(colon, _)| {
        let (before, rest) = word.split_at_checked(colon)?;
        let name = find_name_at_end(before);
        let above = before.strip_suffix(name)?;
        let is_alone = above.is_empty() || above.ends_with(['=', '"', '\'']);
        // Neither a scheme, nor a mount, nor a scope of C++, nor a typed define.
        let is_header =
            !rest.starts_with(":/") && !rest.starts_with("::") && !name.starts_with('-');
        (is_alone && is_header && is_secret_header(name)).then_some(colon + 1)
    })
}

/// A header's value without its secret; a scheme stays, and so do lines below.
pub(super) fn mask_header_value(value: &str) -> String {
    let (line, below) = match value.find('\n') {
        Some(end) => value.split_at(end),
        None => (value, ""),
    };
    let text = line.trim_start();
    let blanks = line.strip_suffix(text).unwrap_or_default();
    match text.split_once(' ') {
        _ if text.is_empty() => value.to_owned(),
        Some((scheme, _)) if is_scheme(scheme) => format!("{blanks}{scheme} {MASK}{below}"),
        _ => format!("{blanks}{MASK}{below}"),
    }
}
