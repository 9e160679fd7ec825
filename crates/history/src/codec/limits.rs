//! The most a block may hold. The encoder refuses more, and the decoder takes
//! more for damage; so no block makes it allocate without bound.

/// Times.
pub(super) const TIMES_MAX: usize = 65_536;

/// Rows.
pub(super) const ROWS_MAX: usize = 65_536;

/// Columns of one row.
pub(super) const COLUMNS_MAX: usize = 32;

/// Columns of all rows together, absent ones included.
pub(super) const COLUMNS_TOTAL_MAX: usize = 1 << 18;

/// Values of all columns together: 256 MiB once decoded.
pub(super) const VALUES_MAX: usize = 1 << 25;

/// Bytes of one bundle before compression.
pub(super) const BUNDLE_MAX_BYTES: usize = 64 << 20;
