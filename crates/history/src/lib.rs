//! What was sampled, kept on disk for months in one file and answered in
//! PromQL. docs/formats/history.md has the format.

mod codec;
pub mod exchange;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod labels;
mod memory;
pub mod moments;
mod pattern;
mod promql;
pub mod remote;
mod source;
mod store;

pub use codec::{Block, BlockReader, Damage, PackedRow, Row, Run, Unfit, encode};
pub use labels::{Labels, METRIC_NAME, is_label_name, is_metric_name};
pub use memory::{MemorySource, parse_series};
pub use pattern::Pattern;
pub use promql::{
    Answer, Endpoint, ErrorKind, LimitHit, Limits as QueryLimits, Query, QueryError, Reply,
    Service, Value, VectorSample, parse_selector, render_answer, render_data, reply,
};
pub use source::{
    Channel, Condition, Cursor, Matcher, Metadata, ReadError, STALE, Selected, Selection, Source,
    Stretch, is_stale,
};
pub use store::{
    Beside, Compacted, Count, Counts, Entry, FLUSH_EVERY, Frame, Group, History, HistoryError,
    ImportOutcome, Info, Limits, Part, Reader, RemoteInfo, TierInfo,
};
