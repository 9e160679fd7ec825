//! What holds for any history and any text.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::export::{OtherNames, export};
use super::import::Importer;
use super::samples::Samples;
use crate::labels::{Labels, METRIC_NAME};
use crate::source::{Metadata, Stretch, is_stale};
use lfs_wrapper_model::metric::MetricKind;

fn stretches() -> impl Strategy<Value = Stretch> {
    let times = btree_set(-5_000_000_000_000..5_000_000_000_000_i64, 1..8);
    (times, vec(any::<u64>(), 8)).prop_map(|(times, bits)| {
        let value = |bits: u64| match f64::from_bits(bits) {
            value if value.is_nan() => f64::NAN,
            value => value,
        };
        let values = bits.into_iter().take(times.len()).map(value).collect();
        Stretch {
            times: times.into_iter().collect(),
            values,
        }
    })
}

fn histories() -> impl Strategy<Value = Samples> {
    let name = prop_oneof![
        "[a-c](_total|_sum|_bucket)?",
        "[a-z:][a-z_]{0,3}",
        "(?s).{1,3}"
    ];
    let label = prop_oneof!["[a-d_][a-d0-9]{0,2}", "(?s).{1,3}"];
    let labels = (name, btree_map(label, "(?s).{0,6}", 0..3)).prop_map(|(name, labels)| {
        let name = (METRIC_NAME.to_owned(), name);
        Labels::new(labels.into_iter().chain([name]))
    });
    let kinds = btree_map("[a-c](_total)?", (0..5_usize, "(?s).{0,5}"), 0..4);
    (btree_map(labels, stretches(), 0..6), kinds).prop_map(|(series, kinds)| Samples {
        series: series.into_iter().collect(),
        metadata: kinds
            .into_iter()
            .map(|(name, (kind, help))| Metadata {
                name,
                kind: MetricKind::ALL[kind],
                help,
            })
            .collect(),
    })
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_bit_for_bit(history in histories()) {
        let mut text = Vec::new();
        let always = (i64::MIN, i64::MAX);
        let counts = export(&history, &[], always, OtherNames::Quote, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(counts.markers_left_out, 0);
        prop_assert_eq!(Samples::read(&text).bits(), history.bits(), "{}", text);
        let crlf_inside = text.contains('\r');
        if !crlf_inside {
            let text = text.replace('\n', "\r\n");
            prop_assert_eq!(Samples::read(&text).bits(), history.bits());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in vec(any::<u8>(), 0..200)) {
        for item in Importer::new(text.as_slice(), None).take(300) {
            if item.is_err() {
                break;
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_never_with_a_staleness_marker(
        lines in vec("([a#]|# TYPE|# HELP|# EOF)?( ?[{}\"=, a1.e#\\\\n-]){0,12}( NaN| 1| 1.5){0,2}", 0..6),
    ) {
        let text = format!("{}\n", lines.join("\n"));
        for item in Importer::new(text.as_bytes(), None) {
            match item {
                Ok(super::Item::Sample { value, .. }) => prop_assert!(!is_stale(value)),
                Ok(super::Item::Metadata(_)) => {}
                Err(_) => break,
            }
        }
    }
}
