//! What the monitor did, in the audit log.

use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Entry};
use lfs_wrapper_state::{Database, DatabaseError};

/// Adds a record of the monitor.
pub(crate) fn note_audit(database: &Database, what: &str) -> Result<(), DatabaseError> {
    let write = || {
        let transaction = database.begin()?;
        let entry = Entry {
            unit: "monitor",
            level: Severity::Info,
            what,
            outcome: "done",
        };
        audit::append(&transaction, &entry)?;
        transaction.commit()
    };
    write().map_err(|error| database.error(error))
}
