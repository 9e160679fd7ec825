//! What must hold of alerts, and of what channels are told, in the state
//! database.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod alerts;
mod desk;
mod kill;
mod outbox;
mod refusal;
mod upgrade;
