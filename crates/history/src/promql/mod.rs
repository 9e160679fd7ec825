//! Queries: PromQL parsed, evaluated, and answered as Prometheus answers them.
//!
//! A text becomes a tree ([`text`], [`plan`], [`node`]); the tree is evaluated
//! over a [`crate::Source`], each of its nodes for all moments at once
//! ([`evaluate`]); [`answers`] has Prometheus' HTTP API without HTTP.

mod answers;
mod error;
mod evaluate;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod limits;
mod node;
mod number;
mod plan;
mod query;
mod render;
mod text;
mod value;

pub use answers::{Endpoint, Reply, Service, reply};
pub use error::{ErrorKind, LimitHit, QueryError};
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::promql as fuzz_promql;
pub use limits::Limits;
pub use query::{Query, parse_selector};
pub use render::{render_answer, render_data};
pub use value::{Answer, Value, VectorSample};
