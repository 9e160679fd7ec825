//! Keeping secrets out of what is logged and shown.

/// What stands for a secret.
const HIDDEN: &str = "…";

/// A header's value that is shorter is hardly a secret, and may be in any text.
pub(super) const HEADER_CHARS_MIN: usize = 6;

/// Replaces these secrets wherever a text has them.
pub(super) fn hide(text: &str, secrets: &[String]) -> String {
    // The longest first: one may be a part of another.
    let mut secrets: Vec<&String> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), HIDDEN);
    }
    text
}

/// The address without who signs in there and how, also where it is no URL.
pub(super) fn hide_credentials(url: &str) -> String {
    let Some((before, rest)) = url.rsplit_once('@') else {
        return url.to_owned();
    };
    let is_scheme = |text: &&str| text.chars().all(|one| one.is_ascii_alphanumeric());
    let scheme = before.split_once("://").map(|parts| parts.0);
    match scheme.filter(is_scheme) {
        Some(scheme) => format!("{scheme}://{HIDDEN}@{rest}"),
        None => format!("{HIDDEN}@{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_passwords_whatever_else_is_wrong_with_them() {
        let table = [
            ("https://host/w", "https://host/w"),
            ("https://me:secret@host/w", "https://…@host/w"),
            ("https://me:p^ss@host/w", "https://…@host/w"),
            ("https://me:a@b@host/w", "https://…@host/w"),
            ("htps://me:secret@host/", "htps://…@host/"),
            ("me:secret@host/w", "…@host/w"),
            ("me:://secret@host", "…@host"),
        ];
        for (url, expected) in table {
            assert_eq!(hide_credentials(url), expected);
        }
    }

    #[test]
    fn the_longest_secret_goes_first() {
        let secrets = ["token", "", "Bearer token"].map(str::to_owned);
        assert_eq!(hide("a Bearer token, token b", &secrets), "a …, … b");
    }
}
