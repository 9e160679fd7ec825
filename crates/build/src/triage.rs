//! Where a failed log says what went wrong first.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of a log's end is looked at.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How much of a line is kept.
const LINE_CHARS_MAX: usize = 400;

/// Words of a line that names a cause, lower case. make's own last lines only
/// repeat that something failed, so they are left to `LAST_RESORT`.
const CAUSES: [&str; 14] = [
    " error: ",
    ": error ",
    "fatal error",
    "fatal: ",
    "undefined reference",
    "cannot find -l",
    "command not found",
    "no such file or directory",
    "permission denied",
    "no space left on device",
    "segmentation fault",
    "configure: error",
    "syntax error",
    "traceback (most recent call last)",
];

const LAST_RESORT: [&str; 3] = ["*** ", "error", "failed"];

/// The first line of the log at `path` that looks like the cause of a failure,
/// without its time; the last line where none does; `None` for an empty log.
pub fn read_first_error(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file.take(TAIL_BYTES_MAX)).split(b'\n') {
        lines.push(String::from_utf8_lossy(&line?).into_owned());
    }
    let lines: Vec<&str> = lines.iter().map(|line| strip_time(line)).collect();
    Ok(find_first_error(&lines))
}

/// A log line without the time that it begins with.
pub fn strip_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, text)) if time.len() == 24 && time.ends_with('Z') => text,
        _ => line,
    }
}

fn find_first_error(lines: &[&str]) -> Option<String> {
    let first_with = |words: &[&str]| {
        lines.iter().find(|line| {
            let line = line.to_lowercase();
            !line.contains("no error") && words.iter().any(|word| line.contains(word))
        })
    };
    first_with(&CAUSES)
        .or_else(|| first_with(&LAST_RESORT))
        .or_else(|| lines.iter().rfind(|line| !line.trim().is_empty()))
        .map(|line| line.trim().chars().take(LINE_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_before_its_consequences() {
        let table = [
            (
                "gcc -c a.c\na.c:3:5: error: 'x' undeclared\nmake: *** [Makefile:9: a.o] Error 1",
                "a.c:3:5: error: 'x' undeclared",
            ),
            (
                "/usr/bin/ld: b.o: in function `main':\nb.c:(.text+0x5): undefined reference to `f'\ncollect2: error: ld returned 1 exit status",
                "b.c:(.text+0x5): undefined reference to `f'",
            ),
            (
                "checking for cc... no\nconfigure: error: no acceptable C compiler",
                "configure: error: no acceptable C compiler",
            ),
            (
                "FAIL: t1\nmake: *** [check] Error 1",
                "make: *** [check] Error 1",
            ),
            ("something odd\n\n", "something odd"),
        ];
        for (log, expected) in table {
            let lines: Vec<&str> = log.lines().collect();
            assert_eq!(find_first_error(&lines).as_deref(), Some(expected));
        }
        assert_eq!(find_first_error(&[]), None);
    }

    #[test]
    fn only_a_time_is_stripped() {
        assert_eq!(strip_time("2026-01-01T00:00:00.000Z make all"), "make all");
        assert_eq!(strip_time("make all"), "make all");
    }
}
