//! Text for people: colours, columns, numbers with units.

use std::io::{self, Write as _};
use std::os::fd::AsFd;

use lfs_wrapper_model::TimeMsec;

/// A line for people on standard error. That nobody can read it ends nothing:
/// the build that it tells of goes on.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Of a terminal that does not say how wide it is, and of one that says less.
const COLUMNS: usize = 80;
const COLUMNS_MIN: usize = 20;

/// How wide a terminal is.
pub(crate) fn columns(terminal: impl AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(terminal);
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    let given = || std::env::var("COLUMNS").ok()?.parse().ok();
    match columns {
        0 => given().unwrap_or(COLUMNS).max(COLUMNS_MIN),
        columns => columns.max(COLUMNS_MIN),
    }
}

/// Whether the terminal shows more than ASCII, by what the locale says.
pub(crate) fn is_utf8() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut set = variables
        .iter()
        .filter_map(std::env::var_os)
        .filter(|value| !value.is_empty());
    let locale = set.next().unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    color: bool,
}

impl Style {
    pub(crate) fn new(color: bool) -> Self {
        Self { color }
    }

    pub(crate) fn is_colored(self) -> bool {
        self.color
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// One of several curves.
    pub(crate) fn curve(self, number: usize, text: &str) -> String {
        const CODES: [&str; 10] = ["36", "33", "32", "35", "34", "31", "96", "93", "92", "95"];
        self.paint(CODES[number % CODES.len()], text)
    }

    /// The state of a step or run, the severity of an alert, or whether a
    /// capability is there.
    pub(crate) fn word(self, word: &str) -> String {
        let code = match word {
            "COMPLETED" | "resolved" | "ok" => "32",
            "RUNNING" => "36",
            "FAILED" | "LOST" | "error" | "critical" | "emergency" | "missing" => "1;31",
            "CANCELLED" | "warning" | "nodata" | "limited" => "33",
            _ => return text_or_faint(self, word),
        };
        self.paint(code, word)
    }
}

fn text_or_faint(style: Style, word: &str) -> String {
    match word {
        "PENDING" | "SKIPPED" => style.faint(word),
        _ => word.to_owned(),
    }
}

/// Rows under a header, in columns as wide as their widest cell; the first
/// `left` columns begin at their left edge, the others end at their right.
pub(crate) fn render_table(
    style: Style,
    header: &[&str],
    rows: &[Vec<String>],
    left: usize,
) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<String>, painted: &dyn Fn(&str) -> String| {
        let cells = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let space = " ".repeat(width.saturating_sub(cell.chars().count()));
                if column < left {
                    format!("{}{space}", painted(cell))
                } else {
                    format!("{space}{}", painted(cell))
                }
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    let mut lines = vec![line(header, &|cell| style.strong(cell))];
    lines.extend(
        rows.iter()
            .map(|row| line(row.clone(), &|cell| style.word(cell))),
    );
    lines.push(String::new());
    lines.join("\n")
}

/// `1.5 MiB`; `-` for what is not known.
pub(crate) fn render_bytes(bytes: Option<u64>) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `12.3 s`, `4:05`, `1:04:05`; `-` for what is not known.
pub(crate) fn render_seconds(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "it is above 60"
    )]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// How long ago, coarsely.
pub(crate) fn render_age(time_msec: TimeMsec, now_msec: TimeMsec) -> String {
    let seconds = (now_msec - time_msec).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_people_read() {
        let bytes = [
            None,
            Some(0),
            Some(1023),
            Some(1536),
            Some(1024 * 1024 - 1),
            Some(5 << 30),
        ];
        assert_eq!(
            bytes.map(render_bytes),
            ["-", "0 B", "1023 B", "1.5 KiB", "1.0 MiB", "5.0 GiB"]
        );
        let seconds = [None, Some(0.04), Some(59.0), Some(245.2), Some(3845.0)];
        assert_eq!(
            seconds.map(render_seconds),
            ["-", "0.0 s", "59.0 s", "4:05", "1:04:05"]
        );
        assert_eq!(render_age(0, 7_200_000), "2 h ago");
    }

    #[test]
    fn columns_line_up_and_colours_do_not_count() {
        let rows = vec![
            vec!["a".to_owned(), "FAILED".to_owned(), "1.0 s".to_owned()],
            vec!["longer".to_owned(), "x".to_owned(), "12.0 s".to_owned()],
        ];
        let plain = render_table(Style::new(false), &["STEP", "STATE", "WALL"], &rows, 2);
        assert_eq!(
            plain,
            "STEP    STATE     WALL\na       FAILED   1.0 s\nlonger  x       12.0 s\n"
        );
        let painted = render_table(Style::new(true), &["STEP", "STATE", "WALL"], &rows, 2);
        assert!(painted.contains("\x1b[1;31mFAILED\x1b[0m   1.0 s"));
    }
}
