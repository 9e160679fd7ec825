//! The log of an attempt: every line of its output with the time it came.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use lfs_wrapper_model::{now_msec, render_rfc3339};

/// A longer line is cut into several.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What is beyond is counted and dropped: a script that prints without end
/// must not fill the disk.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What the log reports while it is written.
pub(super) enum Report {
    Phase(String),
    Failed(io::Error),
}

/// Copies `output` to the file at `path` until its end; what the file cannot
/// take is still read, so that the script is not stopped by it. Returns the
/// number of bytes dropped.
pub(super) fn write_log(
    output: impl Read,
    path: &Path,
    phase_mark: &str,
    mut report: impl FnMut(Report),
) -> u64 {
    let mut log = match File::create(path) {
        Ok(file) => Some(BufWriter::new(file)),
        Err(error) => {
            report(Report::Failed(error));
            None
        }
    };
    let mut output = BufReader::with_capacity(LINE_BYTES_MAX as usize, output);
    let (mut written_bytes, mut unflushed_bytes, mut dropped_bytes) = (0, 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut output)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let phase = parse_phase(text, phase_mark);
        if let Some(name) = &phase {
            report(Report::Phase(name.clone()));
        }
        if written_bytes + text.len() as u64 > LOG_BYTES_MAX {
            dropped_bytes += line.len() as u64;
            continue;
        }
        let Some(file) = &mut log else {
            dropped_bytes += line.len() as u64;
            continue;
        };
        let shown = phase.map(|name| format!("==> {name}").into_bytes());
        let mut written = write_line(file, shown.as_deref().unwrap_or(text));
        unflushed_bytes += line.len() as u64;
        if written.is_ok() && output.buffer().is_empty() {
            written = file.flush();
        }
        written_bytes += text.len() as u64;
        match written {
            Ok(()) if file.buffer().is_empty() => unflushed_bytes = 0,
            Ok(()) => {}
            Err(error) => {
                dropped_bytes += unflushed_bytes;
                // Without its buffer: writing the rest again would fail again.
                if let Some(file) = log.take() {
                    let _ = file.into_parts();
                }
                report(Report::Failed(error));
            }
        }
    }
    if dropped_bytes > 0
        && let Some(mut file) = log
    {
        let note =
            format!("lfs-wrapper: {dropped_bytes} bytes of output dropped here: the log is full");
        let _ = write_line(&mut file, note.as_bytes()).and_then(|()| file.flush());
    }
    dropped_bytes
}

fn write_line(file: &mut impl Write, text: &[u8]) -> io::Result<()> {
    write!(file, "{} ", render_rfc3339(now_msec()))?;
    file.write_all(text)?;
    file.write_all(b"\n")
}

fn parse_phase(line: &[u8], mark: &str) -> Option<String> {
    let name = line.strip_prefix(mark.as_bytes())?.trim_ascii();
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn log_of(output: &[u8]) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        let mut phases = Vec::new();
        write_log(output, &path, "@mark", |report| match report {
            Report::Phase(name) => phases.push(name),
            Report::Failed(error) => panic!("{error}"),
        });
        let text = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text.lines().map(str::to_owned).collect(), phases)
    }

    #[test]
    fn every_line_has_its_time_and_a_phase_is_announced() {
        let (lines, phases) = log_of(b"@mark configure\nchecking\xff\nno newline at the end");
        assert_eq!(phases, ["configure"]);
        let shown: Vec<&str> = lines
            .iter()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(
            shown,
            ["==> configure", "checking\u{fffd}", "no newline at the end"]
        );
        for line in &lines {
            assert!(
                line.as_bytes()[10] == b'T' && line.as_bytes()[23] == b'Z',
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_not_lost() {
        let long = vec![b'x'; LINE_BYTES_MAX as usize + 10];
        let (lines, _) = log_of(&long);
        let lengths: Vec<usize> = lines
            .iter()
            .map(|line| line.split_once(' ').unwrap().1.len())
            .collect();
        assert_eq!(lengths, [LINE_BYTES_MAX as usize, 10]);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_reported_once_and_the_output_read() {
        let mut failures = 0;
        let dropped = write_log(&b"a\nb\n"[..], Path::new("/dev/full"), "@mark", |report| {
            failures += u32::from(matches!(report, Report::Failed(_)));
        });
        assert_eq!((failures, dropped), (1, 4));
    }
}
