//! Alerts: what is looked for, the life of what is found, and the way from
//! there to a person.
//!
//! [`rule`] is what is looked for and [`template`] how it is told; [`engine`]
//! decides and neither sends nor reads a clock; [`route`] decides who is told and
//! when; [`store`] writes down what they decided; [`channel`] delivers [`notification`]s. A message leaves the outbox
//! when it was taken; one that is dropped instead, since too many wait or its
//! channel is gone, is counted and audited.

pub mod channel;
pub mod defaults;
pub mod document;
pub mod engine;
pub mod notification;
pub mod prometheus;
pub mod route;
pub mod rule;
pub mod rules;
pub mod store;
pub mod template;
