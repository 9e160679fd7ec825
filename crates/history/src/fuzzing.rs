//! The decoders as targets of a fuzzer. Any bytes go in; a target panics where
//! a promise is broken.
//!
//! Only tests and the feature `fuzzing` have this; `benches/fuzz` runs it.

pub use crate::codec::fuzzing::block;
pub use crate::promql::fuzz_promql as promql;
