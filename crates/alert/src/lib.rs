//! Alerts: what is looked for, the life of what is found, and the way from
//! there to a person.
//!
//! [`engine`] decides and neither sends nor reads a clock; [`store`] writes
//! down what it decided together with a message for every channel; [`channel`]
//! delivers. A message leaves the outbox when it was taken; one that is dropped
//! instead, since too many wait or its channel is gone, is counted and audited.

pub mod channel;
pub mod defaults;
pub mod engine;
pub mod store;
