//! The tables behind every sample: a counter's word in the kernel's text, its
//! unit, and the metric it is exposed as stand in one place, so that parsing,
//! exposing and restoring share one list.

use std::collections::HashSet;
use std::hash::Hash;

use lfs_wrapper_model::metric::Metric;

use crate::series::Series;
use crate::text::{lines, parse_u64, words};

/// What one step of a raw counter is worth in its metric's base unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// The raw number is the value.
    One,
    /// A hundredth: the load averages' two decimals.
    Hundredths,
    /// USER_HZ, which is 100 a second for userspace on every architecture
    /// this project builds for; shown as seconds.
    Ticks,
    /// Shown as seconds.
    Msec,
    /// Shown as seconds.
    Usec,
    /// Shown as seconds.
    Nsec,
    /// 512 bytes, whatever the device's own sector size; shown as bytes.
    Sectors,
}

impl Unit {
    pub(crate) fn derive_base(self, raw: u64) -> f64 {
        let raw = raw as f64;
        match self {
            Self::One => raw,
            Self::Hundredths | Self::Ticks => raw / 100.0,
            Self::Msec => raw / 1e3,
            Self::Usec => raw / 1e6,
            Self::Nsec => raw / 1e9,
            Self::Sectors => raw * 512.0,
        }
    }

    /// The raw number nearest to a value; `None` for what no counter can be.
    pub(crate) fn parse_base(self, value: f64) -> Option<u64> {
        let raw = match self {
            Self::One => value,
            Self::Hundredths | Self::Ticks => value * 100.0,
            Self::Msec => value * 1e3,
            Self::Usec => value * 1e6,
            Self::Nsec => value * 1e9,
            Self::Sectors => value / 512.0,
        };
        // 2^64 is the first value that no longer fits; NaN fails both sides.
        let fits = (0.0..18_446_744_073_709_551_616.0).contains(&raw);
        #[expect(clippy::cast_sign_loss, reason = "the range was checked above")]
        fits.then(|| raw.round() as u64)
    }
}

/// One counter or gauge of the values `V`.
pub(crate) struct Field<V> {
    /// The kernel's word for it, or the column's name where it uses none.
    pub(crate) key: &'static str,
    pub(crate) unit: Unit,
    pub(crate) metric: &'static Metric,
    /// The label that tells apart fields of one metric.
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) get: fn(&V) -> Option<u64>,
    pub(crate) set: fn(&mut V, Option<u64>),
}

/// Numbers that one kernel file, or one line of it, gives.
pub(crate) trait Values: Default + 'static {
    /// Every number; in column order where the file has columns.
    const FIELDS: &'static [Field<Self>];

    /// The kernel's words for what is not there.
    fn missing(&self) -> Vec<&'static str> {
        let missing = Self::FIELDS
            .iter()
            .filter(|field| (field.get)(self).is_none());
        missing.map(|field| field.key).collect()
    }
}

/// Label names with their values, sorted by name.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// One of several things of a kind: a core, a disk, a network device, a mount.
pub(crate) trait Row: Sized {
    type Values: Values;
    fn values(&self) -> &Self::Values;
    fn values_mut(&mut self) -> &mut Self::Values;
    /// What names this row among its kind.
    fn labels(&self) -> Labels;
    /// The row with these labels and no values yet.
    fn from_labels(series: &Series<'_>) -> Option<Self>;
    /// Whether these labels name this row.
    fn is_named(&self, series: &Series<'_>) -> bool;
    /// Where the row that these labels name stands; kinds of which there are
    /// thousands find it without looking at each.
    fn position(rows: &[Self], series: &Series<'_>) -> Option<usize> {
        rows.iter().position(|row| row.is_named(series))
    }
}

/// Text of `key number` lines, with or without a colon and a unit `kB`; the
/// first number of a line counts, unknown keys do not.
pub(crate) fn parse_keyed<V: Values>(text: &[u8]) -> V {
    let mut values = V::default();
    for line in lines(text) {
        let mut words = words(line);
        let (Some(key), Some(number)) = (words.next(), words.next().and_then(parse_u64)) else {
            continue;
        };
        let key = key.strip_suffix(b":").unwrap_or(key);
        let scale = if words.next() == Some(b"kB") { 1024 } else { 1 };
        if let Some(field) = V::FIELDS.iter().find(|field| field.key.as_bytes() == key) {
            (field.set)(&mut values, number.checked_mul(scale));
        }
    }
    values
}

/// The columns of one line, in the table's order; columns that are missing stay
/// `None`, and so does what is no number and all that follows: where a blank was
/// lost, a number further on stands in another's place.
pub(crate) fn parse_columns<V: Values>(columns: impl Iterator<Item: AsRef<[u8]>>) -> V {
    let mut values = V::default();
    for (field, word) in V::FIELDS.iter().zip(columns) {
        let Some(number) = parse_u64(word.as_ref()) else {
            break;
        };
        (field.set)(&mut values, Some(number));
    }
    values
}

/// Leaves only the first row of each name. The kernel lists a thing once; one
/// listed again would be counted again, and be a series that is there twice.
pub(crate) fn keep_first<R, N: Eq + Hash>(rows: &mut Vec<R>, name: impl Fn(&R) -> N) {
    let mut seen = HashSet::with_capacity(rows.len());
    rows.retain(|row| seen.insert(name(row)));
}

/// `&'static Metric` of a kind, name and help.
macro_rules! metric {
    ($kind:ident, $name:expr, $help:expr) => {
        &::lfs_wrapper_model::metric::Metric {
            name: $name,
            kind: ::lfs_wrapper_model::metric::MetricKind::$kind,
            help: $help,
        }
    };
}

/// A struct of optional numbers together with its table:
/// `field = "kernel word", Unit, metric [, "label" = "value"];`.
macro_rules! values {
    (
        $(#[$about:meta])*
        pub struct $name:ident;
        $( $(#[$doc:meta])* $field:ident = $key:literal, $unit:ident, $metric:expr
            $(, $label:literal = $value:literal)?; )+
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$doc])* pub $field: Option<u64>, )+
        }

        impl $crate::field::Values for $name {
            const FIELDS: &'static [$crate::field::Field<Self>] = &[
                $( $crate::field::Field {
                    key: $key,
                    unit: $crate::field::Unit::$unit,
                    metric: $metric,
                    label: $crate::field::values!(@label $($label, $value)?),
                    get: |values| values.$field,
                    set: |values, number| values.$field = number,
                }, )+
            ];
        }
    };
    (@label) => { None };
    (@label $label:literal, $value:literal) => { Some(($label, $value)) };
}

pub(crate) use {metric, values};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_base_units() {
        use Unit::{Hundredths, Msec, Nsec, One, Sectors, Ticks, Usec};
        for unit in [One, Hundredths, Ticks, Msec, Usec, Nsec, Sectors] {
            for raw in [0, 1, 29, 57, 999_999_999_937, 1 << 50] {
                assert_eq!(
                    unit.parse_base(unit.derive_base(raw)),
                    Some(raw),
                    "{unit:?}"
                );
            }
        }
    }

    #[test]
    fn no_counter_is_negative_or_endless() {
        for value in [-0.01, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e20] {
            assert_eq!(Unit::One.parse_base(value), None, "{value}");
        }
    }
}
