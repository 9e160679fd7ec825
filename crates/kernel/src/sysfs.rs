//! Files of sysfs: one value each, in folders of which there may be many.

use std::fs::read_dir;
use std::path::{Path, PathBuf};

use crate::source::Source;
use crate::text::{parse_name, parse_u64};

/// More things of a kind than this are not listed: far more than machines have,
/// and few enough to be read in a moment.
const ENTRIES_MAX: usize = 8192;

/// A value is one line; longer text is no value.
const VALUE_MAX_BYTES: usize = 4096;

/// The names in a folder, sorted; none where it does not exist or cannot be
/// read. Names that are not UTF-8 are left out.
pub(crate) fn read_names(folder: &Path) -> Vec<String> {
    let entries = read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(ENTRIES_MAX).collect();
    names.sort_unstable();
    names
}

/// The folders `<prefix><number>` in a folder, by number.
pub(crate) fn read_numbered(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let numbered = |name: String| {
        let number = parse_u64(name.strip_prefix(prefix)?.as_bytes())?;
        Some((u32::try_from(number).ok()?, folder.join(name)))
    };
    let mut found: Vec<_> = read_names(folder)
        .into_iter()
        .filter_map(numbered)
        .collect();
    found.sort_unstable();
    found
}

/// A file's text without its newline; `None` where it cannot be read, which is
/// how drivers say that they have no such value.
pub(crate) fn read_value(source: &mut Source, path: &Path) -> Option<String> {
    let line = parse_line(source.read_text(path).ok()?)?;
    (line.len() <= VALUE_MAX_BYTES).then(|| parse_name(line))
}

/// The one line that a file has. Without its newline it was cut short, and half
/// a number must not pass for a number; more lines are no value.
fn parse_line(text: &[u8]) -> Option<&[u8]> {
    let line = text.strip_suffix(b"\n")?;
    (!line.contains(&b'\n')).then_some(line)
}

/// A file's number, which may be negative.
pub(crate) fn read_number(source: &mut Source, path: &Path) -> Option<f64> {
    parse_signed(parse_line(source.read_text(path).ok()?)?.trim_ascii())
}

/// A whole number with or without a minus sign.
pub(crate) fn parse_signed(word: &[u8]) -> Option<f64> {
    let digits = word.strip_prefix(b"-");
    let number = parse_u64(digits.unwrap_or(word))? as f64;
    Some(if digits.is_some() { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn numbers_may_be_negative_and_are_whole() {
        for (word, expected) in [
            ("-5500", Some(-5500.0)),
            ("0", Some(0.0)),
            ("", None),
            ("-", None),
            ("--1", None),
            ("5%", None),
            ("1.5", None),
        ] {
            assert_eq!(parse_signed(word.as_bytes()), expected, "{word}");
        }
    }

    #[test]
    fn numbered_folders_come_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cpu10", "cpu2", "cpufreq", "cpu", "cpu-1", "node0"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = read_numbered(folder.path(), "cpu");
        let numbers: Vec<u32> = found.into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 10]);
    }

    #[test]
    fn what_cannot_be_read_is_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = Source::default();
        fs::write(folder.path().join("long"), vec![b'1'; VALUE_MAX_BYTES + 1]).unwrap();
        fs::write(folder.path().join("short"), " two words \n").unwrap();
        let mut read = |name: &str| read_value(&mut source, &folder.path().join(name));
        assert_eq!(read("none"), None);
        assert_eq!(read("long"), None);
        assert_eq!(read("short").as_deref(), Some(" two words "));
    }
}
