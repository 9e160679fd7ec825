use std::ops::Range;

use toml::Spanned;

/// Where, what, and what to do instead.
pub(crate) type Wrong = (Range<usize>, String, &'static str);

/// A value that is in no document.
pub(crate) fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}
