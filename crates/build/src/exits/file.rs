//! The file of an attempt's processes: one line each, in the order in which
//! they ended. docs/formats/exits.md has the format.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

use super::Exits;

/// The first line; the columns are named in it.
const HEADER: &str = "#exits 1\tbegan_msec\telapsed_usec\tpid\tparent_pid\tuid\tcomm\texit_code\t\
    signal\tuser_usec\tsystem_usec\trss_peak_bytes\tminor_faults\tmajor_faults\tread_bytes\t\
    write_bytes\tuid_changes";

/// The last line of an attempt that came to its end begins so.
const END: &str = "#end";

/// What a value is that was not measured.
const ABSENT: &str = "-";

/// A file that grows beyond this gets no more lines; the processes still
/// count. It has room for a million.
pub const FILE_MAX_BYTES: u64 = 96 << 20;

/// One process that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExitRow {
    /// When it began; the kernel tells whole seconds.
    pub began_msec: Option<i64>,
    /// How long it lived.
    pub elapsed_usec: Option<u64>,
    /// Its process id, which another process may have had before or after.
    pub pid: u32,
    /// The process id of its parent at its end.
    pub parent_pid: Option<u32>,
    /// Its user at its end.
    pub uid: Option<u32>,
    /// Its command, cut to 15 bytes by the kernel.
    pub comm: String,
    /// The exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// CPU time in user mode, of all its threads.
    pub user_usec: Option<u64>,
    /// CPU time in the kernel, of all its threads.
    pub system_usec: Option<u64>,
    /// The most memory it ever had in RAM.
    pub rss_peak_bytes: Option<u64>,
    /// Page faults without I/O.
    pub minor_faults: Option<u64>,
    /// Page faults that had to read from a disk.
    pub major_faults: Option<u64>,
    /// Read from storage.
    pub read_bytes: Option<u64>,
    /// Written to storage.
    pub write_bytes: Option<u64>,
    /// How often it changed its user.
    pub uid_changes: u32,
}

impl ExitRow {
    /// CPU time of all its threads.
    pub fn cpu_usec(&self) -> Option<u64> {
        self.user_usec?.checked_add(self.system_usec?)
    }
}

/// Writes an attempt's file.
#[derive(Debug)]
pub struct ExitWriter {
    file: BufWriter<File>,
    bytes: u64,
    /// Processes that the file had no room for.
    left_out: u64,
    line: String,
}

impl ExitWriter {
    /// A new file, or one that is begun anew.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{HEADER}")?;
        Ok(Self {
            file,
            bytes: HEADER.len() as u64 + 1,
            left_out: 0,
            line: String::new(),
        })
    }

    /// Adds a process.
    pub fn append(&mut self, row: &ExitRow) -> io::Result<()> {
        self.line.clear();
        render_row(row, &mut self.line);
        self.bytes += self.line.len() as u64;
        if self.bytes > FILE_MAX_BYTES {
            self.left_out += 1;
            return Ok(());
        }
        self.file.write_all(self.line.as_bytes())
    }

    /// Has everything written down, after a batch.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Ends the file.
    pub fn end(mut self, exits: &Exits) -> io::Result<()> {
        let Exits {
            processes,
            cpu_usec,
            lost,
        } = exits;
        let left_out = self.left_out;
        let cpu_usec = cpu_usec.map_or(ABSENT.to_owned(), |usec| usec.to_string());
        writeln!(
            self.file,
            "{END}\t{processes}\t{cpu_usec}\t{lost}\t{left_out}"
        )?;
        self.file.flush()
    }
}

fn render_row(row: &ExitRow, line: &mut String) {
    let number = |value: Option<i128>| value.map_or(ABSENT.to_owned(), |value| value.to_string());
    let unsigned = |value: Option<u64>| number(value.map(i128::from));
    let signed = |value: Option<i32>| number(value.map(i128::from));
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        number(row.began_msec.map(i128::from)),
        unsigned(row.elapsed_usec),
        row.pid,
        number(row.parent_pid.map(i128::from)),
        number(row.uid.map(i128::from)),
        escape(&row.comm),
        signed(row.exit_code),
        signed(row.signal),
        unsigned(row.user_usec),
        unsigned(row.system_usec),
        unsigned(row.rss_peak_bytes),
        unsigned(row.minor_faults),
        unsigned(row.major_faults),
        unsigned(row.read_bytes),
        unsigned(row.write_bytes),
        row.uid_changes,
    );
}

/// A command may hold any character; tabs and newlines would be taken for the
/// ends of columns and lines.
fn escape(comm: &str) -> String {
    let mut text = String::with_capacity(comm.len());
    for character in comm.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text
}

fn parse_escaped(text: &str) -> String {
    let mut comm = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        comm.push(match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    comm
}

/// What an attempt's file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExitFile {
    /// The processes, in the order in which they ended.
    pub rows: Vec<ExitRow>,
    /// What was counted; `None` while the attempt goes on, or where nobody
    /// lived to see its end.
    #[serde(skip)]
    pub exits: Option<Exits>,
    /// Processes that the file had no room for.
    pub left_out: u64,
    /// Lines that make no sense, such as one that was cut short.
    pub damaged: u64,
}

/// Reads an attempt's file.
pub fn read_exit_file(path: &Path) -> io::Result<ExitFile> {
    let mut found = ExitFile::default();
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    if !line.starts_with(b"#exits 1\t") {
        let why = "its first line is not that of a file of processes";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // A line without its end was cut short: half a number is none.
        let whole = line.strip_suffix(b"\n").map(String::from_utf8_lossy);
        let whole = whole.as_deref().unwrap_or_default();
        if let Some((exits, left_out)) = whole.strip_prefix(END).and_then(parse_end) {
            (found.exits, found.left_out) = (Some(exits), left_out);
        } else if let Some(row) = parse_row(whole) {
            found.rows.push(row);
        } else {
            found.damaged += 1;
        }
    }
    Ok(found)
}

fn parse_end(text: &str) -> Option<(Exits, u64)> {
    let mut words = text.split('\t').skip(1);
    let exits = Exits {
        processes: words.next()?.parse().ok()?,
        cpu_usec: match words.next()? {
            ABSENT => None,
            word => Some(word.parse().ok()?),
        },
        lost: words.next()?.parse().ok()?,
    };
    Some((exits, words.next()?.parse().ok()?))
}

/// `None` for a line that is not whole. Columns that a newer program added
/// are left out.
fn parse_row(line: &str) -> Option<ExitRow> {
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    fn number<T: std::str::FromStr>(word: &str) -> Option<T> {
        word.parse().ok()
    }
    fn absent_or<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
        match word {
            ABSENT => Some(None),
            _ => number(word).map(Some),
        }
    }
    Some(ExitRow {
        began_msec: absent_or(next()?)?,
        elapsed_usec: absent_or(next()?)?,
        pid: number(next()?)?,
        parent_pid: absent_or(next()?)?,
        uid: absent_or(next()?)?,
        comm: parse_escaped(next()?),
        exit_code: absent_or(next()?)?,
        signal: absent_or(next()?)?,
        user_usec: absent_or(next()?)?,
        system_usec: absent_or(next()?)?,
        rss_peak_bytes: absent_or(next()?)?,
        minor_faults: absent_or(next()?)?,
        major_faults: absent_or(next()?)?,
        read_bytes: absent_or(next()?)?,
        write_bytes: absent_or(next()?)?,
        uid_changes: number(next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn row(pid: u32, comm: &str) -> ExitRow {
        ExitRow {
            began_msec: Some(1_700_000_000_000),
            elapsed_usec: Some(1500),
            pid,
            parent_pid: Some(1),
            comm: comm.to_owned(),
            exit_code: Some(0),
            user_usec: Some(20),
            uid: Some(0),
            rss_peak_bytes: Some(4096),
            ..ExitRow::default()
        }
    }

    #[test]
    fn what_was_written_is_read_again_whatever_the_command_is_called() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("run-1/m4.1.exits");
        let names = [
            "cc1",
            "a b) (c",
            "tab\there",
            "line\nbreak",
            "back\\slash",
            "\\t",
            "",
        ];
        let rows: Vec<ExitRow> = (1..).zip(names).map(|(pid, name)| row(pid, name)).collect();
        let mut writer = ExitWriter::create(&path).unwrap();
        for row in &rows {
            writer.append(row).unwrap();
        }
        writer.flush().unwrap();
        let found = read_exit_file(&path).unwrap();
        assert_eq!((&found.rows, found.exits), (&rows, None));
        let exits = Exits {
            processes: 7,
            cpu_usec: Some(140),
            lost: 0,
        };
        writer.end(&exits).unwrap();
        let found = read_exit_file(&path).unwrap();
        assert_eq!(
            (&found.rows, found.exits, found.damaged),
            (&rows, Some(exits), 0)
        );
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_lines() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("exits");
        let mut writer = ExitWriter::create(&path).unwrap();
        writer.append(&row(1, "cc1")).unwrap();
        writer.append(&row(2, "as")).unwrap();
        writer.flush().unwrap();
        let text = fs::read(&path).unwrap();
        for cut in HEADER.len() + 1..text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            let found = read_exit_file(&path).unwrap();
            let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count() - 1;
            assert_eq!(found.rows.len(), whole, "{cut}");
            let is_cut = text[..cut].last() != Some(&b'\n');
            assert_eq!(found.damaged, u64::from(is_cut), "{cut}");
        }
        fs::write(&path, "nothing of the kind\n").unwrap();
        assert!(read_exit_file(&path).is_err());
    }
}
