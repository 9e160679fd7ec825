//! Rules tried on series: those that a test gives, and those that were recorded.

mod document;
mod notation;
mod play;
mod telling;
mod test;

pub use document::{Document, Test, parse_tests};
pub use play::{Happened, PlayError, play};
pub use telling::{Sent, tell};
pub use test::{Outcome, TestError, run};
