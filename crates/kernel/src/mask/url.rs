//! Passwords in addresses: `https://user:secret@host/`.

use super::value::MASK;

/// `user:secret@host` without the secret; the user and the host stay.
pub(super) fn mask_authority(text: &str) -> String {
    let Some(end) = find_user_end(text) else {
        return text.to_owned();
    };
    let (user, host) = text.split_at(end);
    match user.split_once(':') {
        Some((name, secret)) if !secret.is_empty() => format!("{name}:{MASK}{host}"),
        _ => text.to_owned(),
    }
}

/// Where the `@` stands that ends user and password. People forget to encode
/// passwords: `@` can be in one, and even `/`, which nobody could tell from a
/// path if it were not that a port has only digits.
fn find_user_end(text: &str) -> Option<usize> {
    let stop =
        |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>');
    let text = text.get(..text.find(stop).unwrap_or(text.len()))?;
    let authority = text.get(..text.find(['/', '?', '#']).unwrap_or(text.len()))?;
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    let (host, port) = authority.split_once(':')?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    // Several hosts with ports are a list, and brackets are IPv6.
    if is_port || host.starts_with('[') || port.contains([',', ':']) {
        return None;
    }
    text.rfind('@')
}

/// A text without the passwords of the addresses in it.
pub(super) fn mask_urls(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, address)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        // The next address in a list is not a part of this one.
        let end = address.find("://").unwrap_or(address.len());
        let (this, next) = address.split_at(end);
        masked.push_str(&mask_authority(this));
        rest = next;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_of_an_address_goes() {
        for (text, expected) in [
            ("https://u:p@host/a@b", "https://u:***@host/a@b"),
            ("https://u:p@ss@host/", "https://u:***@host/"),
            ("https://u:p/ss@host/", "https://u:***@host/"),
            ("https://:p@host", "https://:***@host"),
            ("https://u@host/x", "https://u@host/x"),
            ("https://u:@host/x", "https://u:@host/x"),
            ("https://host:8080/@scope/x", "https://host:8080/@scope/x"),
            ("https://host/@scope:x", "https://host/@scope:x"),
            ("http://[::1]:80/@x", "http://[::1]:80/@x"),
            ("mongodb://u:p@a:1,b:2/db", "mongodb://u:***@a:1,b:2/db"),
            ("a://u:p@h,b://v:q@i", "a://u:***@h,b://v:***@i"),
            (
                "jdbc:x://u:p@h 'b://v:q@i'",
                "jdbc:x://u:***@h 'b://v:***@i'",
            ),
            ("://", "://"),
        ] {
            assert_eq!(mask_urls(text), expected);
        }
    }
}
