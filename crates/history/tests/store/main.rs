//! The store: what it promises, what damage and what nobody should hand to it
//! do to that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;
mod damage;
mod hostile;
mod model;
mod sending;
