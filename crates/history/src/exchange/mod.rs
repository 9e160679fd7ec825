//! A history as text, in and out: OpenMetrics with times.

mod export;
mod families;
mod group;
mod import;
#[cfg(test)]
mod promtool;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;

pub use export::{ExportCounts, ExportError, OtherNames, export};
pub(crate) use group::sort;
pub use group::{Batch, Imported, import_in_batches};
pub use import::{ImportCounts, ImportError, Importer, Item};
