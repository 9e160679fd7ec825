//! How kernel text is cut: complete lines, words and whole numbers, from bytes
//! that need not be UTF-8.

/// The lines of a kernel file, without their newline. The kernel ends every
/// line with one, so a line without it was cut short and is left out: half a
/// number must not pass for a number.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
}

/// The words of a line, between runs of blanks.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

/// A number of nothing but decimal digits that fits.
pub(crate) fn parse_u64(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number of nothing but hexadecimal digits, without `0x`, that fits.
pub(crate) fn parse_hex(word: &[u8]) -> Option<u64> {
    // from_str_radix would take a sign.
    let digits = word.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(word).ok().filter(|_| digits)?;
    u64::from_str_radix(text, 16).ok()
}

/// A device or core name for people and labels; bytes that are not UTF-8 show
/// as the replacement character.
pub(crate) fn parse_name(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_lines_count() {
        let text = b"one 1\n\ntwo 2\nthree 33";
        let found: Vec<&[u8]> = lines(text).collect();
        assert_eq!(found, [b"one 1".as_slice(), b"", b"two 2"]);
    }

    #[test]
    fn hexadecimal_numbers_are_digits_that_fit() {
        assert_eq!(parse_hex(b"00fF"), Some(255));
        assert_eq!(parse_hex(b"ffffffffffffffff"), Some(u64::MAX));
        for word in ["", "+1", "-1", "0x1", "1g", "10000000000000000"] {
            assert_eq!(parse_hex(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for word in ["18446744073709551616", "", "+1", "-1", "1.5", "1k", "0x1"] {
            assert_eq!(parse_u64(word.as_bytes()), None, "{word}");
        }
    }
}
