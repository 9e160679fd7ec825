//! Alerts, their history, the engine's memory, what channels were told and what
//! waits for them in the state database. What belongs together is written in
//! one transaction.
//!
//! Functions that take a [`rusqlite::Connection`] write within the caller's
//! transaction; those that take a [`lfs_wrapper_state::Database`] make their own.

mod acknowledge;
mod alert;
mod channel_state;
mod history;
mod memory;
mod outbox;
mod silence;
mod telling;

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

pub use crate::notification::Notification;
pub use crate::rule::Labels;
pub use acknowledge::{acknowledge, unacknowledge};
pub use alert::{Acknowledged, Alert, Change, is_live, list_alerts, write_change};
pub use channel_state::{
    ChannelState, RETRY_AFTER_MSEC_MAX, channel_states, set_failed, set_refused, set_sent,
};
pub use history::{HistoryEntry, HistoryFilter, Keep, Pruned, count_raised, list_history, prune};
pub use memory::{read_clock, read_memories, write_clock, write_memory};
pub use outbox::{
    Batch, DIGEST_FROM, OUTBOX_MAX, count_dropped, count_waiting, drop_unconfigured, next_batch,
    next_batches,
};
pub use silence::{
    NewSilence, SILENCES_MAX, SilenceError, add_silence, expire_silence, list_silences,
};
pub use telling::{apply_plan, tell, tell_due};

/// Characters of an error that are kept.
const ERROR_CHARACTERS_MAX: usize = 500;

/// An error as it is kept and shown: one line, not endless.
fn shorten(error: &str) -> String {
    let text: String = error.chars().take(ERROR_CHARACTERS_MAX).collect();
    lfs_wrapper_model::visible(&text)
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// A value that is kept as one word, such as a severity.
fn from_word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    let word: StrDeserializer<'_, serde::de::value::Error> = text.as_str().into_deserializer();
    T::deserialize(word)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}
