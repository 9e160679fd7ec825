//! The store: what it promises, what damage and what nobody should hand to it
//! do to that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod common;
mod damage;
mod hostile;
mod model;
mod recovery;
mod sending;
