//! A run on standard error while it goes on: a few lines that are drawn anew
//! on a terminal, a line for each change elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write as _};

use lfs_wrapper_api as api;
use lfs_wrapper_build::supervisor::Notice;
use lfs_wrapper_daemon::convert;

use crate::output::render_run_line;
use crate::session::Session;
use crate::terminal::{Style, columns, render_seconds, say};

/// Cells of the bar.
const BAR_CELLS: usize = 24;

/// Shows notices as they come.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    terminal: bool,
    quiet: bool,
    drawn_lines: usize,
    shown: HashMap<String, (&'static str, Option<String>)>,
}

impl Progress {
    pub(crate) fn new(session: &Session) -> Self {
        Self {
            style: session.error_style(),
            terminal: io::stderr().is_terminal(),
            quiet: session.quiet,
            drawn_lines: 0,
            shown: HashMap::new(),
        }
    }

    pub(crate) fn show(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Note(note) => self.say(&format!("note: {note}")),
            Notice::View(view) => self.show_run(&convert::run_view(view)),
        }
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        if !self.quiet {
            self.erase();
            say(line);
        }
    }

    fn show_run(&mut self, run: &api::Run) {
        if self.quiet {
            return;
        }
        for step in &run.steps {
            self.show_change(step);
        }
        if self.terminal {
            self.draw(run);
        }
    }

    fn show_change(&mut self, step: &api::Step) {
        let now = (step.state, step.phase.clone());
        let before = self.shown.insert(step.id.clone(), now.clone());
        let (state_before, _) = before.clone().unwrap_or(("PENDING", None));
        let line = if step.state != state_before {
            let state = self.style.word(step.state);
            match step.state {
                "RUNNING" => format!("{state} {} ({})", step.id, step.title),
                "COMPLETED" => {
                    let (wall, cpu) = (
                        render_seconds(step.wall_seconds),
                        render_seconds(step.cpu_seconds),
                    );
                    format!("{state} {} in {wall}, CPU {cpu}", step.id)
                }
                _ => match &step.first_error_line {
                    Some(line) => format!("{state} {}: {line}", step.id),
                    None => format!("{state} {}", step.id),
                },
            }
        } else if before.is_some_and(|before| before.1 != now.1) && !self.terminal {
            format!(
                "        {}: {}",
                step.id,
                step.phase.as_deref().unwrap_or_default()
            )
        } else {
            return;
        };
        self.say(&line);
    }

    fn draw(&mut self, run: &api::Run) {
        self.erase();
        let mut lines = Vec::new();
        for step in run.steps.iter().filter(|step| step.state == "RUNNING") {
            lines.push(format!(
                "  {} {:<16} {:<10} {}",
                render_bar(step.percent),
                step.id,
                step.phase.as_deref().unwrap_or_default(),
                render_seconds(step.wall_seconds),
            ));
        }
        if run.state == "RUNNING" {
            // Without colours: it is cut to the terminal's width.
            let line = render_run_line(Style::new(false), run);
            lines.push(format!("  {} {line}", render_bar(run.percent)));
        }
        self.drawn_lines = lines.len();
        let columns = columns(io::stderr());
        for line in &mut lines {
            // A line that wraps could not be erased.
            *line = line.chars().take(columns - 1).collect();
        }
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn erase(&mut self) {
        if self.drawn_lines > 0 {
            // Up to the first of the drawn lines, and clear from there.
            let _ = write!(io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn_lines);
            self.drawn_lines = 0;
        }
    }
}

#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a share of a few cells"
)]
fn render_bar(percent: Option<f64>) -> String {
    let Some(percent) = percent else {
        return "·".repeat(BAR_CELLS);
    };
    let full = (percent.clamp(0.0, 100.0) / 100.0 * BAR_CELLS as f64).round() as usize;
    format!("{}{}", "━".repeat(full), "·".repeat(BAR_CELLS - full))
}
