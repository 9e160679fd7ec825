//! Command lines made safe to keep and to show: what looks like a secret
//! becomes `***`. Where it is not clear, more is masked rather than less.
//!
//! A secret that nothing announces (no option, no name, no known form) stays:
//! `echo hunter2 | login` says nothing about its second word.

mod command;
mod field;
mod header;
mod name;
mod pair;
mod programs;
mod shell;
mod token;
mod url;
mod value;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod ordinary;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod places;
#[cfg(test)]
mod properties;

use command::Command;

/// The most bytes one masked command line has, each argument counted with one
/// byte for what stands between it and the next.
pub const MASKED_BYTES_MAX: usize = 4096;

/// What stands for the rest of a command line that is longer.
const CUT: &str = "…";

/// The arguments of one process without their secrets. Bytes that are not
/// UTF-8 show as the replacement character; control characters stay. What
/// exceeds [`MASKED_BYTES_MAX`] is cut and ends in `…`.
///
/// Give whole arguments: half a secret is not always known as one.
pub fn mask_arguments<A: AsRef<[u8]>>(arguments: impl IntoIterator<Item = A>) -> Vec<String> {
    let mut command = Command::default();
    let mut masked = Vec::new();
    let mut room = MASKED_BYTES_MAX - CUT.len() - 1;
    for argument in arguments {
        let mut text = command.mask(&String::from_utf8_lossy(argument.as_ref()));
        if text.len() < room {
            room -= text.len() + 1;
            masked.push(text);
            continue;
        }
        text.truncate(text.floor_char_boundary(room));
        text.push_str(CUT);
        masked.push(text);
        break;
    }
    masked
}

/// The same for `/proc/PID/cmdline`: arguments with a NUL after each, or what
/// a process wrote over them. The NULs that a shorter title leaves at the end
/// are no arguments; a kernel thread has none at all.
pub fn mask_command_line(raw: &[u8]) -> Vec<String> {
    let end = raw.iter().rposition(|byte| *byte != 0);
    let Some(end) = end else {
        return Vec::new();
    };
    let text = raw.get(..=end).unwrap_or_default();
    mask_arguments(text.split(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_command_line_is_cut_at_its_nuls() {
        let cases: [(&[u8], &[&str]); 8] = [
            (b"", &[]),
            (b"\0\0", &[]),
            (b"ls\0-l\0", &["ls", "-l"]),
            (b"ls\0-l", &["ls", "-l"]),
            (b"printf\0\0x\0", &["printf", "", "x"]),
            (b"a\xffb\0\x1b[1m\0", &["a\u{fffd}b", "\u{1b}[1m"]),
            (b"tool --password=x  \0\0\0\0", &["tool --password=***  "]),
            (b"mysql -u root -psecret1 db", &["mysql -u root -p*** db"]),
        ];
        for (raw, expected) in cases {
            assert_eq!(mask_command_line(raw), expected, "{raw:?}");
        }
    }

    fn count_bytes(masked: &[String]) -> usize {
        masked.iter().map(|text| text.len() + 1).sum()
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for character in ["x", "ü", "€", "😀"] {
            let long = character.repeat(5000);
            let masked = mask_arguments([b"cc".as_slice(), long.as_bytes(), b"more"]);
            assert_eq!(masked.len(), 2);
            assert!(masked.iter().any(|text| text.ends_with('…')));
            let count = count_bytes(&masked);
            assert!((MASKED_BYTES_MAX - 4..=MASKED_BYTES_MAX).contains(&count));
        }
    }

    /// Reading again from each byte on would take minutes.
    #[test]
    fn long_arguments_take_no_longer_than_their_length() {
        for piece in [
            "token=,",
            "a?&a",
            "://u:p",
            "\"",
            "\\\"",
            "\"\\\"",
            "'",
            "\"token\":",
            "-----BEGIN",
            "(",
            "`a",
            "eyJ",
            "a:",
            ":",
            " ",
            "=",
            "\\\n",
            "sk-",
            "@",
            "x ",
        ] {
            let argument = piece.repeat(30_000 / piece.len());
            for arguments in [["sh", "-c", &argument], ["x", "--token", &argument]] {
                let begin = std::time::Instant::now();
                mask_arguments(arguments);
                assert!(begin.elapsed().as_secs() < 5, "{piece}");
            }
        }
    }

    #[test]
    fn endless_arguments_end() {
        let masked = mask_arguments(std::iter::repeat(b"".as_slice()));
        assert!(count_bytes(&masked) <= MASKED_BYTES_MAX);
        assert_eq!(masked.last().map(String::as_str), Some("…"));
    }
}
