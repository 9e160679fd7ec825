//! What patterns match, beside what they match in Go.

use super::super::{PatternError, Patterns};
use super::*;

#[track_caller]
fn is_match(pattern: &str, text: &str) -> bool {
    let compiled = Patterns::default().compile(pattern);
    let compiled = compiled.map_err(|error| format!("{pattern}: {error}"));
    compiled.unwrap().is_match(text)
}

#[test]
fn patterns_match_what_they_match_in_go() {
    for (pattern, matches, others) in [
        ("a.b|c", &["a\nb", "c"][..], &["xa.b", "cc"][..]),
        ("\\w+", &["abc_1"], &["größe"]),
        ("\\W", &["ö", "-"], &["o"]),
        ("\\d", &["3"], &["٣"]),
        ("[^\\d]", &["٣"], &["3"]),
        ("[\\D]+", &["٣a"], &["3"]),
        ("\\s", &[" ", "\t"], &["\u{b}", "\u{a0}"]),
        (".*\\bt.*", &["été", "a t"], &["at"]),
        (".*\\B.", &["éé", "ab"], &["aé", "é b"]),
        ("a\\<b", &["a<b"], &["ab"]),
        ("a\\>b\\_\\-", &["a>b_-"], &[]),
        ("\\Qa.b\\E+", &["a.b", "a.bb"], &["axb"]),
        ("[[a]bc", &["[bc", "abc"], &["bbc"]),
        ("[]a]", &["]", "a"], &["b"]),
        ("[^]a]", &["b"], &["]", "a"]),
        ("[a-]+[-z][a-c-e]", &["a-zb", "-z-", "-z-"], &["a-bd"]),
        ("[a&&b~~]+", &["&~ab"], &["c"]),
        ("[+--]", &["+", ",", "-"], &["."]),
        ("[[:alpha:]_[:^digit:]]+", &["ab_é"], &["3"]),
        ("\\141bc\\0\\12", &["abc\0\n"], &[]),
        ("\\x41\\x{e4}\\x{1F600}", &["Aä😀"], &[]),
        ("[\\x41-\\103]", &["B"], &["D"]),
        ("\\pL\\p{Greek}\\PL\\p{^Greek}", &["éα1a"], &["1αaα"]),
        ("[\\pN\\P{L}]", &["1", "-"], &["a"]),
        ("a{b}c{,2}{", &["a{b}c{,2}{"], &[]),
        ("a{2}{x}\\p{Greek}", &["aa{x}α"], &[]),
        ("a{01}b", &["a{01}b"], &[]),
        ("a{1,3}?b{2,}", &["aabbb"], &["ab"]),
        ("(?i)größe\\w", &["GRÖßEK", "GRÖßE\u{212a}"], &["GRÖSSEK"]),
        ("(?i:A)b", &["ab", "Ab"], &["aB"]),
        ("(?P<x>a)(?<y>b)(?:c)", &["abc"], &[]),
        ("(?-s).", &["a"], &["\n"]),
        ("", &[""], &["a"]),
        ("a||b", &["", "a", "b"], &["ab"]),
        ("|a+", &["", "aa"], &[]),
        ("^a$", &["a"], &["aa"]),
        ("\\Aa\\z", &["a"], &[]),
        ("\\a\\f\\n\\r\\t\\v", &["\u{7}\u{c}\n\r\t\u{b}"], &[]),
    ] {
        for text in matches {
            assert!(is_match(pattern, text), "{pattern} {text:?}");
        }
        for text in others {
            assert!(!is_match(pattern, text), "{pattern} {text:?}");
        }
    }
}

#[test]
fn what_go_refuses_is_refused() {
    for (pattern, message) in [
        ("a)|(b", "unexpected ): `a)|(b`"),
        ("(a", "missing closing ): `(a`"),
        ("\\Qa.b", "missing closing ): `\\Qa.b`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a+?*", "invalid nested repetition operator: `+?*`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("(+)", "missing argument to repetition operator: `+`"),
        ("\\u0061bc", "invalid escape sequence: `\\u`"),
        ("\\C", "invalid escape sequence: `\\C`"),
        ("\\Z", "invalid escape sequence: `\\Z`"),
        ("\\1", "invalid escape sequence: `\\1`"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("\\x{110000}", "invalid escape sequence: `\\x`"),
        ("\\x+1", "invalid escape sequence: `\\x`"),
        ("\\é", "invalid escape sequence: `\\é`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[a", "missing closing ]: `[a`"),
        ("[]", "missing closing ]: `[]`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[a-\\d]", "invalid escape sequence: `\\d`"),
        ("[\\b]", "invalid escape sequence: `\\b`"),
        (
            "[[:letter:]]",
            "invalid character class range: `[:letter:]`",
        ),
        (
            "\\p{scx=Greek}",
            "invalid character class range: `\\p{scx=Greek}`",
        ),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x)a`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=a)`"),
        ("(?<1-2>a)", "invalid named capture: `(?<1-2>a)`"),
    ] {
        let error = Patterns::default().compile(pattern).unwrap_err();
        assert_eq!(error, PatternError::Wrong(message.to_owned()), "{pattern}");
    }
}

#[test]
fn a_choice_between_texts_is_known_as_such() {
    let texts = |pattern| translate(pattern).unwrap().texts;
    let wanted = ["a.b", "c[", ""].map(str::to_owned).to_vec();
    assert_eq!(texts("a\\.b|\\Qc[\\E|"), Some(wanted));
    for pattern in ["a.b", "a|b+", "(a|b)", "^a", "[a]", "\\d", "(?i)a"] {
        assert_eq!(texts(pattern), None, "{pattern}");
    }
}
