//! The log of an attempt: every line of its output with the time it came.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use lfs_wrapper_model::{now_msec, render_rfc3339, visible};

/// A longer line is cut into several.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What is beyond is counted and dropped: a script that prints without end
/// must not fill the disk.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a line has besides its text: the time, a blank, the newline.
const STAMP_BYTES: u64 = 26;

/// A longer name of a phase is cut.
const PHASE_CHARS_MAX: usize = 60;

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
        Ok(file) => Log::new(file),
        Err(error) => {
            report(Report::Failed(error));
            Log::default()
        }
    };
    let mut output = BufReader::with_capacity(LINE_BYTES_MAX as usize, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut output)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return log.close();
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let phase = parse_phase(text, phase_mark);
        let shown = phase
            .as_ref()
            .map(|name| format!("==> {name}").into_bytes());
        let live = output.buffer().is_empty();
        if let Err(error) = log.write(shown.as_deref().unwrap_or(text), live) {
            report(Report::Failed(error));
        }
        if let Some(name) = phase {
            report(Report::Phase(name));
        }
    }
}

/// The file, as long as it takes something.
#[derive(Default)]
struct Log {
    file: Option<BufWriter<File>>,
    written_bytes: u64,
    unflushed_bytes: u64,
    dropped_bytes: u64,
}

impl Log {
    fn new(file: File) -> Self {
        Self {
            file: Some(BufWriter::new(file)),
            ..Self::default()
        }
    }

    /// Writes a line; `live` when nothing more is there to be written yet. An
    /// error is the last one: after it everything is dropped.
    fn write(&mut self, text: &[u8], live: bool) -> io::Result<()> {
        let line_bytes = STAMP_BYTES + text.len() as u64;
        if self.written_bytes + line_bytes > LOG_BYTES_MAX && self.dropped_bytes == 0 {
            self.note_full();
        }
        let Some(file) = self.file.as_mut().filter(|_| self.dropped_bytes == 0) else {
            self.dropped_bytes += text.len() as u64 + 1;
            return Ok(());
        };
        self.written_bytes += line_bytes;
        self.unflushed_bytes += text.len() as u64 + 1;
        let mut written = write_line(file, text);
        if written.is_ok() && live {
            written = file.flush();
        }
        if written.is_err() {
            self.dropped_bytes += self.unflushed_bytes;
            // Without its buffer: writing the rest again would fail again.
            if let Some(file) = self.file.take() {
                let _ = file.into_parts();
            }
        } else if file.buffer().is_empty() {
            self.unflushed_bytes = 0;
        }
        written
    }

    fn note_full(&mut self) {
        // From here on everything is dropped; what exactly counts from the
        // next line.
        if let Some(mut file) = self.file.take() {
            let note = b"lfs-wrapper: the log is full; further output is dropped";
            let _ = write_line(&mut file, note).and_then(|()| file.flush());
        }
    }

    fn close(self) -> u64 {
        if let Some(mut file) = self.file {
            let _ = file.flush();
        }
        self.dropped_bytes
    }
}

fn write_line(file: &mut impl Write, text: &[u8]) -> io::Result<()> {
    write!(file, "{} ", render_rfc3339(now_msec()))?;
    file.write_all(text)?;
    file.write_all(b"\n")
}

fn parse_phase(line: &[u8], mark: &str) -> Option<String> {
    let name = line.strip_prefix(mark.as_bytes())?.trim_ascii();
    let name = visible(&String::from_utf8_lossy(name));
    Some(name.chars().take(PHASE_CHARS_MAX).collect())
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
    fn output_without_end_is_dropped_and_counted() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::new(File::create(&path).unwrap());
        log.written_bytes = LOG_BYTES_MAX - 2 * STAMP_BYTES - 3;
        for text in ["", "abc", "d", ""] {
            log.write(text.as_bytes(), true).unwrap();
        }
        assert_eq!(log.close(), 3);
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().last().unwrap().contains("the log is full"));
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
