//! Alerts: what is looked for, the life of what is found, and the way from
//! there to a person.
//!
//! [`engine`] decides and neither sends nor reads a clock; [`store`] writes
//! down what it decided together with a message for every channel; [`channel`]
//! delivers, and a message leaves the outbox only when it was taken.

pub mod channel;
pub mod defaults;
pub mod engine;
pub mod store;
