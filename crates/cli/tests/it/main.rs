//! The whole program, as a user runs it. Tests that need root are left out
//! without it; `cargo test -- --include-ignored` as root runs them all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bad_input;
mod build;
mod collect;
mod common;
mod doctor;
mod ending;
mod exits;
mod history;
mod query;
mod serve;
