//! Secrets known by their own form, wherever they stand.

use super::value::MASK;

/// How one issuer's secrets look.
struct Form {
    prefix: &'static str,
    /// The fewest bytes after the prefix.
    tail_min: usize,
    tail: Tail,
    /// Whether the prefix is so short that it must begin a word.
    begins_word: bool,
}

#[derive(Clone, Copy)]
enum Tail {
    Capitals,
    Alphanumeric,
    /// Letters, digits, `-` and `_`.
    Base64Url,
    /// The same with dots.
    Dotted,
}

const fn form(prefix: &'static str, tail_min: usize, tail: Tail, begins_word: bool) -> Form {
    Form {
        prefix,
        tail_min,
        tail,
        begins_word,
    }
}

const FORMS: [Form; 36] = [
    form("AGE-SECRET-KEY-1", 20, Tail::Capitals, false),
    form("AIza", 30, Tail::Base64Url, false),
    form("AKIA", 16, Tail::Capitals, true),
    form("ASIA", 16, Tail::Capitals, true),
    form("SG.", 30, Tail::Dotted, true),
    form("dckr_pat_", 16, Tail::Base64Url, false),
    form("dop_v1_", 20, Tail::Alphanumeric, false),
    form("eyJ", 20, Tail::Dotted, true),
    form("gho_", 16, Tail::Alphanumeric, false),
    form("ghp_", 16, Tail::Alphanumeric, false),
    form("ghr_", 16, Tail::Alphanumeric, false),
    form("ghs_", 16, Tail::Alphanumeric, false),
    form("ghu_", 16, Tail::Alphanumeric, false),
    form("github_pat_", 16, Tail::Base64Url, false),
    form("gldt-", 16, Tail::Base64Url, true),
    form("glpat-", 16, Tail::Base64Url, false),
    form("glptt-", 16, Tail::Base64Url, true),
    form("glrt-", 16, Tail::Base64Url, true),
    form("hf_", 30, Tail::Alphanumeric, true),
    form("hvb.", 20, Tail::Base64Url, true),
    form("hvs.", 20, Tail::Base64Url, true),
    form("npm_", 30, Tail::Alphanumeric, true),
    form("pypi-", 50, Tail::Base64Url, true),
    form("rk_live_", 10, Tail::Alphanumeric, false),
    form("shpat_", 20, Tail::Alphanumeric, true),
    form("sk-", 20, Tail::Base64Url, true),
    form("sk_live_", 10, Tail::Alphanumeric, false),
    form("sk_test_", 10, Tail::Alphanumeric, false),
    form("whsec_", 16, Tail::Alphanumeric, true),
    form("xapp-", 10, Tail::Base64Url, true),
    form("xoxa-", 10, Tail::Base64Url, false),
    form("xoxb-", 10, Tail::Base64Url, false),
    form("xoxp-", 10, Tail::Base64Url, false),
    form("xoxr-", 10, Tail::Base64Url, false),
    form("xoxs-", 10, Tail::Base64Url, false),
    form("ya29.", 20, Tail::Base64Url, true),
];

impl Tail {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => Self::Base64Url.holds(byte) || byte == b'.',
        }
    }
}

impl Form {
    /// How many bytes of `text`, which begins with the prefix, may be of the
    /// secret, and whether they are one.
    fn measure(&self, text: &str) -> (usize, bool) {
        let bytes = text.bytes().skip(self.prefix.len());
        let count = bytes.take_while(|byte| self.tail.holds(*byte)).count();
        let length = self.prefix.len() + count;
        let tail = text.get(self.prefix.len()..length).unwrap_or_default();
        // Words of a program's own have no digits, or are short.
        let fits = count >= self.tail_min && tail.bytes().any(|byte| byte.is_ascii_digit());
        // A signed token has three parts.
        let fits = fits && (self.prefix != "eyJ" || tail.matches('.').count() >= 2);
        (length, fits)
    }

    fn mask(&self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        let mut previous = None;
        while let Some(at) = rest.find(self.prefix) {
            let (before, found) = rest.split_at(at);
            previous = before.bytes().last().or(previous);
            let is_inside =
                self.begins_word && previous.is_some_and(|byte| byte.is_ascii_alphanumeric());
            masked.push_str(before);
            // What is no secret as a whole has none further in.
            let (skip, is_secret) = match is_inside {
                true => (self.prefix.len(), false),
                false => self.measure(found),
            };
            let secret = found.get(..skip).unwrap_or_default();
            masked.push_str(if is_secret { MASK } else { secret });
            previous = found.as_bytes().get(skip.saturating_sub(1)).copied();
            rest = found.get(skip..).unwrap_or_default();
        }
        masked.push_str(rest);
        masked
    }
}

/// A text without the secrets that show by their form.
pub(super) fn mask_tokens(text: &str) -> String {
    FORMS.iter().fold(text.to_owned(), |text, form| {
        if text.contains(form.prefix) {
            form.mask(&text)
        } else {
            text
        }
    })
}

const KEY_BEGINS: &str = "-----BEGIN";
const KEY_ENDS: &str = "-----END";

/// Whether an argument begins a key in its text form and does not end it: a
/// shell cut it at its blanks.
pub(super) fn begins_key(text: &str) -> bool {
    text.contains(KEY_BEGINS) && !ends_key(text)
}

/// Whether an argument holds the last line of such a key.
pub(super) fn ends_key(text: &str) -> bool {
    text.contains(KEY_ENDS)
}

/// A text without the private keys written out in it; one that does not end is
/// masked to the end.
pub(super) fn mask_keys(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, block)) = rest.split_once(KEY_BEGINS) {
        let Some((label, _)) = block
            .split_once("-----")
            .filter(|(label, _)| is_private(label))
        else {
            masked.push_str(before);
            masked.push_str(KEY_BEGINS);
            rest = block;
            continue;
        };
        masked.push_str(before);
        masked.push_str(MASK);
        let last_line = format!("{KEY_ENDS}{label}-----");
        rest = block.split_once(&last_line).map_or("", |(_, rest)| rest);
    }
    masked.push_str(rest);
    masked
}

fn is_private(label: &str) -> bool {
    label.len() < 64 && label.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms_are_masked() {
        for (text, expected) in [
            ("AKIAIOSFODNN7EXAMPLE", "***"),
            ("--id=ASIAIOSFODNN7EXAMPLE,x", "--id=***,x"),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "***"),
            ("gho_16C7e42F292c6912E7710c838347Ae178B4a", "***"),
            ("x%3Dghs_16C7e42F292c6912E7710c838347Ae178B4a", "x%3D***"),
            ("github_pat_11ABCDEFG0abcdefghij_0123456789", "***"),
            ("glpat-abcdefghij0123456789", "***"),
            ("xoxb-123456789012-abcdefABCDEF", "***"),
            ("xoxp-123456789012-abc xoxa-123456789012-abc", "*** ***"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVm",
                "***",
            ),
            ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "***"),
            ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "***"),
            ("hvs.CAESIJ0123456789abcdefghij", "***"),
        ] {
            assert_eq!(mask_tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_begins_alike_stays() {
        for text in [
            "ghp_parse_all_the_arguments_of_it",
            "task-0123456789abcdefghij01234",
            "eyJhbGciOiJIUzI1NiJ9abcdef0123",
            "npm_config_cache_folder_of_user_1",
            "AKIA",
            "glpat-",
        ] {
            assert_eq!(mask_tokens(text), text);
        }
    }

    #[test]
    fn private_keys_are_masked_and_public_ones_stay() {
        for (text, expected) in [
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
                "a *** b",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMII", "***"),
            (
                "-----BEGIN CERTIFICATE-----\nMII",
                "-----BEGIN CERTIFICATE-----\nMII",
            ),
            ("-----BEGIN PRIVATE KEY", "-----BEGIN PRIVATE KEY"),
        ] {
            assert_eq!(mask_keys(text), expected);
        }
    }
}
