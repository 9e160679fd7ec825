//! The standard error of the monitor, and wall(1).

use std::io::{self, Write as _};
use std::time::Duration;

use lfs_wrapper_model::{Severity, render_local};

use super::text::{
    derive_newest, plain, render_reason, render_sentence, render_text, render_title, render_word,
};
use super::{SendError, TIMEOUT, Wrong, program};
use crate::notification::{Message, Notification, Reason};

/// The standard error of the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// What is at least this bad, and not over, is also written to every
    /// terminal.
    pub wall: Option<Severity>,
    /// The program that does it, with its arguments; the text is on its
    /// standard input. Usually wall(1).
    pub wall_command: Vec<String>,
    /// How long the program may take.
    pub timeout: Duration,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            wall: None,
            wall_command: vec!["wall".to_owned()],
            timeout: TIMEOUT,
        }
    }
}

impl Console {
    pub(super) fn check(&self) -> Result<(), Wrong> {
        program::check(&self.wall_command)
    }

    /// What wall(1) did not take is not tried again: it is on the console.
    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let text = render(message);
        let written = io::stderr().lock().write_all(text.as_bytes());
        written.map_err(|error| {
            SendError::again(format!("writing an alert to standard error: {error}"))
        })?;
        if !self.wall.is_some_and(|least| goes_to_wall(message, least)) {
            return Ok(());
        }
        let text = format!("{}\n{}\n", render_title(message), render_text(message));
        let order = program::Order {
            command: &self.wall_command,
            environment: &[],
            input: text.as_bytes(),
            timeout: self.timeout,
        };
        program::run(&order).map_err(SendError::refused)
    }
}

fn goes_to_wall(message: &Message<'_>, least: Severity) -> bool {
    let newest = derive_newest(message);
    newest
        .iter()
        .any(|one| !one.is_resolved() && one.severity >= least)
}

/// Every change, oldest first, after why they come together.
pub(super) fn render(message: &Message<'_>) -> String {
    let mut text = String::new();
    let reason = render_reason(message);
    if !reason.is_empty() {
        text.push_str(&format!("{} {reason}\n", render_local(message.time_msec)));
    }
    for one in message.notifications {
        text.push_str(&render_one(one, message.reason));
    }
    text
}

fn render_one(one: &Notification, reason: Reason) -> String {
    let mut line = format!(
        "{} {} {} {}\n",
        render_local(one.time_msec),
        if reason == Reason::Test {
            "TEST"
        } else {
            "ALERT"
        },
        render_word(one),
        render_sentence(one)
    );
    if !one.is_resolved() && !one.runbook.is_empty() {
        line.push_str(&format!("    {}\n", plain(&one.runbook)));
    }
    line
}
