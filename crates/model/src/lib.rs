//! The few words that two or more crates share: time, severity, metrics,
//! conditions on alerts, and how a configuration document is read and how its
//! errors are shown.

pub mod document;
mod duration;
mod matcher;
pub mod metric;
mod severity;
mod text;
mod time;

pub use duration::{DURATION_MSEC_MAX, DurationError, parse_duration, render_duration};
pub use matcher::{Matcher, MatcherError};
pub use severity::Severity;
pub use text::visible;
pub use time::{TimeMsec, now_msec, render_local, render_rfc3339};
