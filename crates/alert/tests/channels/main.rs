//! Each kind of channel against the real thing, or against a server that does
//! what a bad one does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alertmanager;
mod email;
mod exec;
mod journald;
mod secret;
mod support;
mod syslog;
mod webhook;
