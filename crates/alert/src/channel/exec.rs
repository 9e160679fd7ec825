//! A program that gets the message on its standard input.

use std::time::Duration;

use super::document::{derive_state, render_document};
use super::text::plain;
use super::{SendError, TIMEOUT, program};
use crate::notification::Message;

/// A program that delivers. Taken means: it ended with status 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program's absolute path and its arguments.
    pub command: Vec<String>,
    /// Then it is killed, with its process group.
    pub timeout: Duration,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            timeout: TIMEOUT,
        }
    }
}

impl Exec {
    /// `LFS_ALERT_*` tell of the newest notification what a script asks first.
    pub(super) fn send(&self, channel: &str, message: &Message<'_>) -> Result<(), SendError> {
        let newest = message.notifications.last();
        let rule = newest.map_or(String::new(), |one| plain(&one.rule).replace('\0', ""));
        let kind = newest.map_or("", |one| one.kind.as_str());
        let environment = [
            ("LFS_ALERT_RULE", rule),
            ("LFS_ALERT_SEVERITY", message.severity().as_str().to_owned()),
            ("LFS_ALERT_KIND", kind.to_owned()),
            (
                "LFS_ALERT_STATE",
                derive_state(message.is_resolved()).to_owned(),
            ),
        ];
        let mut input = render_document(channel, message);
        input.push('\n');
        let order = program::Order {
            command: &self.command,
            environment: &environment,
            input: input.as_bytes(),
            timeout: self.timeout,
        };
        program::run(&order).map_err(SendError::again)
    }
}
