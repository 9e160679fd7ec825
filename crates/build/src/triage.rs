//! Where a failed log says what went wrong first.
//!
//! A log is full of lines that speak of errors and are none, and a failure is
//! repeated by everything that waited for it. So lines are told apart by the
//! exact shapes that tools give to their messages, and the kind that is nearest
//! to a cause wins; what matches no shape is never taken for an error.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of a log's end is looked at.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How much of a line is kept.
const LINE_CHARS_MAX: usize = 400;

/// What a line tells about a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A tool says why it gave up.
    Cause,
    /// A test failed. After `Cause`: a test that could not be built is one too.
    Test,
    /// A message of the system. Many are harmless (`rm` of what is not there).
    System,
    /// make or ninja says that something else failed.
    Consequence,
}

/// Lines that look like another kind and tell nothing. In all these tables `%`
/// stands for any text, see `is_like`.
const NOISE: [&str; 23] = [
    "checking %",
    "-- %",
    "+ %",
    "++ %",
    "libtool: compile: %",
    "libtool: install: %",
    "libtool: link: %",
    "ok %",
    "PASS: %",
    "SKIP: %",
    "XFAIL: %",
    "not ok %# TODO%",
    "not ok %# SKIP%",
    "no error%",
    "%: no error",
    "%: No error",
    "% no errors%",
    "0 errors%",
    "% 0 errors%",
    "% (0 errors%",
    "%(ignored)%",
    "%: *** Waiting for unfinished jobs%",
    "lfs-wrapper: %",
];

/// What is only said by who gives up. `file:3: error:`, ld and exceptions have
/// functions of their own.
const CAUSES: [&str; 43] = [
    "error: %",
    "error[E%]: %",
    "fatal error: %",
    "libtool: % error: %",
    "CMake Error%",
    "%undefined reference to %",
    "%multiple definition of %",
    "%cannot find -l%",
    "%internal compiler error: %",
    "%: error while loading shared libraries: %",
    "%: version `%' not found (required by %",
    "Traceback (most recent call last):",
    "Can't locate % in @INC%",
    "Can't exec %",
    "%Segmentation fault%",
    "%Bus error%",
    "%Illegal instruction%",
    "%No space left on device%",
    "%Disk quota exceeded%",
    "Killed",
    "% Killed  %",
    "%] Killed",
    "%virtual memory exhausted%",
    "%Cannot allocate memory%",
    "%: out of memory%",
    "Out of memory%",
    "tar: %: Cannot open: %",
    "tar: This does not look like a tar archive",
    "tar: Error is not recoverable%",
    "%: File format not recognized",
    "%: Compressed data is corrupt",
    "%: unexpected end of file",
    "patch: **** %",
    "Hunk #% FAILED%",
    "% FAILED -- saving rejects to %",
    "%: command not found",
    "%: Command not found",
    "%sh: %: not found",
    "%: syntax error%",
    "%: Syntax error: %",
    "sed: -e expression %",
    "%: *** No rule to make target %",
    "%: *** %Stop.",
];

/// How test suites name what failed: automake and DejaGnu, TAP, Autotest,
/// CTest, meson, Python, Perl, cargo. `ERROR: ` is automake's and unittest's
/// word for a test that could not run.
const TESTS: [&str; 19] = [
    "FAIL: %",
    "ERROR: %",
    "XPASS: %",
    "UNRESOLVED: %",
    "# FAIL: %",
    "# ERROR: %",
    "# of unexpected failures%",
    "not ok %",
    "# % Failed test %",
    "%: % FAILED (%.at:%)",
    "%Test #%***Failed%",
    "%Test #%***Exception%",
    "%/% FAIL  %",
    "FAILED %::%",
    "FAILED (%",
    "%Failed %/% subtests%",
    "test % ... FAILED",
    "test result: FAILED%",
    "thread '%' %panicked at %",
];

/// git's `fatal: ` is among them because sources without a repository provoke
/// it all the time.
const SYSTEM: [&str; 12] = [
    "%: No such file or directory%",
    "%: Permission denied%",
    "%: Operation not permitted%",
    "%: Read-only file system%",
    "%: File exists%",
    "%: Not a directory%",
    "%: Is a directory%",
    "%: Directory not empty%",
    "%: Exec format error%",
    "%: Text file busy%",
    "%: Connection refused%",
    "fatal: %",
];

const CONSEQUENCES: [&str; 3] = ["%: *** %", "FAILED: %", "ninja: build stopped: %"];

/// After a place that a message is about.
const MESSAGES: [&str; 5] = [
    ": error:",
    ": fatal error:",
    ": Error:",
    ": Fatal error:",
    ": ERROR:",
];

/// What ld says besides its errors. What it could not read of debug data does
/// not stop it.
const LD_NOTES: [&str; 5] = [
    "%: in function %",
    "%skipping incompatible %",
    "%DWARF error: %",
    "%NOTE: %",
    "%: note: %",
];

/// Tools whose command lines are full of names like `error.c` and `-Werror`.
const COMMANDS: [&str; 20] = [
    "ar", "as", "bash", "c++", "cc", "ccache", "clang", "clang++", "cpp", "distcc", "g++", "gcc",
    "gfortran", "ld", "ld.bfd", "ld.gold", "ld.lld", "libtool", "rustc", "sh",
];

/// The first line of the log at `path` that looks like the cause of a failure,
/// without its time; the last line where none does; `None` for an empty log.
/// It holds no control character but tabs: what a build prints must not reach
/// a terminal as commands.
pub fn read_first_error(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file.take(TAIL_BYTES_MAX)).split(b'\n') {
        lines.push(clean(strip_time(&String::from_utf8_lossy(&line?))));
    }
    Ok(find_first_error(&lines))
}

/// A log line without the time that it begins with.
fn strip_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, text)) if time.len() == 24 && time.ends_with('Z') => text,
        _ => line,
    }
}

/// `text` without colours, titles and links; other control characters are
/// replaced. It is done before lines are told apart: colours are put in the
/// middle of messages.
fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.trim_end();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = skip_sequence(after).unwrap_or_else(|| {
            plain.push(char::REPLACEMENT_CHARACTER);
            after
        });
    }
    plain.push_str(rest);
    let shown = |c: char| match c {
        '\t' => c,
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    plain.trim_end().chars().map(shown).collect()
}

/// What follows a CSI or OSC sequence whose escape character was just before
/// `text`; `None` for another sequence or one without an end.
fn skip_sequence(text: &str) -> Option<&str> {
    if let Some(text) = text.strip_prefix('[') {
        let end = text.find(|c| !matches!(c, ' '..='?'))?;
        return text[end..].strip_prefix(|c| matches!(c, '@'..='~'));
    }
    let text = text.strip_prefix(']')?;
    let end = text.find(['\x07', '\x1b'])?;
    let text = &text[end..];
    text.strip_prefix('\x07')
        .or_else(|| text.strip_prefix("\x1b\\"))
}

/// What failed is in the last phase. Anything there, even a line of no known
/// shape, is nearer to it than errors of phases that went well: failed tests
/// are often accepted. Only a phase without output leaves the whole log.
fn find_first_error(lines: &[String]) -> Option<String> {
    let start = lines.iter().rposition(|line| is_header(line));
    let phase = &lines[start.map_or(0, |header| header + 1)..];
    find_line(phase)
        .or_else(|| find_line(lines))
        .map(|line| line.trim().chars().take(LINE_CHARS_MAX).collect())
}

/// The line of `lines` that is nearest to a cause. Of the messages of the system
/// it is the last: the harmless ones are those that did not stop the build.
fn find_line(lines: &[String]) -> Option<&str> {
    let kinds: Vec<Option<Kind>> = lines.iter().map(|line| classify(line.trim())).collect();
    let first = |kind| kinds.iter().position(|found| *found == Some(kind));
    let last = |kind| kinds.iter().rposition(|found| *found == Some(kind));
    first(Kind::Cause)
        .map(|header| find_message(lines, header))
        .or_else(|| first(Kind::Test))
        .or_else(|| last(Kind::System))
        .or_else(|| first(Kind::Consequence))
        .or_else(|| {
            lines
                .iter()
                .rposition(|line| !line.trim().is_empty() && !is_header(line))
        })
        .map(|index| lines[index].as_str())
}

/// The line with the message of the cause at `header`, which is another one for
/// those that only announce it. Python's comes after the indented calls.
fn find_message(lines: &[String], header: usize) -> usize {
    let line = lines[header].trim();
    let indent_max = if line.starts_with("Traceback ") {
        count_indent(&lines[header])
    } else if is_like(line, "CMake Error at %:") || line.ends_with(" error:") {
        usize::MAX
    } else {
        return header;
    };
    let is_message = |line: &String| !line.trim().is_empty() && count_indent(line) <= indent_max;
    let after = &lines[header + 1..];
    match after.iter().position(is_message) {
        Some(offset) if !is_header(&after[offset]) => header + 1 + offset,
        _ => header,
    }
}

fn count_indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether `line` begins a phase. tail marks files alike, but at both ends.
fn is_header(line: &str) -> bool {
    line.starts_with("==> ") && !line.ends_with(" <==")
}

fn classify(line: &str) -> Option<Kind> {
    // configure ends an unfinished `checking for x... ` this way.
    if is_like(line, "%configure: error: %") {
        return Some(Kind::Cause);
    }
    let is_cause = is_any(line, &CAUSES) || is_located(line) || is_exception(line) || is_ld(line);
    let kind = if is_cause {
        Kind::Cause
    } else if is_any(line, &TESTS) {
        Kind::Test
    } else if is_any(line, &SYSTEM) {
        Kind::System
    } else if is_any(line, &CONSEQUENCES) {
        Kind::Consequence
    } else {
        return None;
    };
    (!is_noise(line)).then_some(kind)
}

fn is_noise(line: &str) -> bool {
    let lower = line.to_lowercase();
    let is_warning = lower.contains("warning:") && !lower.contains("error:");
    // `# FAIL:  0`
    let counts_none = line
        .rsplit_once(':')
        .is_some_and(|(_, count)| count.trim() == "0");
    is_warning || counts_none || is_command(line) || is_any(line, &NOISE)
}

/// Whether `line` is the command line of a compiler and not its message, which
/// has a colon after the name. ninja puts `[3/10] ` before.
fn is_command(line: &str) -> bool {
    let command = match line.split_once("] ") {
        Some((progress, command)) if progress.starts_with('[') => command,
        _ => line,
    };
    let word = command.split_whitespace().next().unwrap_or_default();
    COMMANDS.contains(&name_tool(word))
}

/// `gcc` for `/usr/bin/x86_64-lfs-linux-gnu-gcc-15.2`.
fn name_tool(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let name = match name.rsplit_once('-') {
        Some((name, version)) if is_version(version) => name,
        _ => name,
    };
    name.rsplit('-').next().unwrap_or(name)
}

/// Whether `line` is a message with its place before: a tool, a file, or
/// anything that ends with the number of a line or column.
fn is_located(line: &str) -> bool {
    MESSAGES.iter().any(|message| {
        line.split_once(message).is_some_and(|(place, _)| {
            let number = place.rsplit(':').next().unwrap_or(place);
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            !place.contains(char::is_whitespace) || is_number
        })
    })
}

/// Whether `line` is `ValueError: …`. A syntax error comes without a traceback.
fn is_exception(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, _)| {
        name.ends_with("Error")
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_'))
    })
}

fn is_ld(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(word, _)| {
        matches!(name_tool(word), "ld" | "ld.bfd" | "ld.gold" | "ld.lld")
            && !is_any(line, &LD_NOTES)
    })
}

fn is_any(line: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| is_like(line, pattern))
}

/// Whether all of `line` is `pattern`, where `%` stands for any text, as in SQL.
/// (`*` is what make and patch begin their messages with.)
fn is_like(line: &str, pattern: &str) -> bool {
    let Some((start, pattern)) = pattern.split_once('%') else {
        return line == pattern;
    };
    let Some(mut rest) = line.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = pattern.rsplit_once('%').unwrap_or(("", pattern));
    for part in middle.split('%') {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests;
