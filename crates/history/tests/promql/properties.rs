//! No query panics, and what is bounded stays bounded.

use std::time::Duration;

use lfs_wrapper_history::{Query, QueryLimits as Limits};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::source;

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1".to_owned()),
        Just("NaN".to_owned()),
        Just("-Inf".to_owned()),
        Just("time()".to_owned()),
        Just("scalar(a)".to_owned()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
    ]
}

fn shift() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        1 => (-600..600_i32).prop_map(|seconds| format!(" offset {seconds}s")),
        1 => (-600..600_i32).prop_map(|seconds| format!(" @ {seconds}")),
        1 => Just(" @ end() offset 1m".to_owned()),
        1 => Just(" @ start()".to_owned()),
    ]
}

fn selector() -> impl Strategy<Value = String> {
    let names = prop_oneof![
        Just("a"),
        Just("b"),
        Just("{__name__=~\".+\"}"),
        Just("a{x=\"1\"}"),
        Just("h_bucket")
    ];
    names.prop_map(str::to_owned)
}

fn vector() -> impl Strategy<Value = String> {
    let range = (selector(), 1..1000_u32, shift())
        .prop_map(|(selector, seconds, shift)| format!("{selector}[{seconds}s]{shift}"));
    let over = prop_oneof![
        Just("rate"),
        Just("increase"),
        Just("delta"),
        Just("irate"),
        Just("idelta"),
        Just("avg_over_time"),
        Just("resets"),
        Just("changes"),
        Just("deriv"),
        Just("stddev_over_time"),
        Just("absent_over_time"),
        Just("last_over_time"),
        Just("max_over_time"),
        Just("count_over_time"),
    ];
    let leaf = prop_oneof![
        (selector(), shift()).prop_map(|(selector, shift)| format!("{selector}{shift}")),
        (over.clone(), range).prop_map(|(name, range)| format!("{name}({range})")),
        scalar().prop_map(|scalar| format!("vector({scalar})")),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let plain = prop_oneof![
            Just("abs"),
            Just("-"),
            Just("absent"),
            Just("sort"),
            Just("timestamp"),
            Just("year"),
            Just("sum"),
            Just("avg by (x)"),
            Just("stddev without (x)"),
            Just("topk by (x)"),
            Just("quantile"),
            Just("clamp_max"),
            Just("histogram_quantile"),
            Just("histogram_fraction"),
            Just("count_values"),
            Just("round"),
            Just("label_replace"),
            Just("label_join"),
        ];
        let call = (plain, inner.clone(), scalar()).prop_map(|(name, vector, scalar)| match name {
            "topk by (x)" | "quantile" | "histogram_quantile" => {
                format!("{name}({scalar}, {vector})")
            }
            "histogram_fraction" => format!("{name}({scalar}, 1, {vector})"),
            "clamp_max" | "round" => format!("{name}({vector}, {scalar})"),
            "count_values" => format!("{name}(\"v\", {vector})"),
            "label_replace" => format!("{name}({vector}, \"n\", \"$1\", \"x\", \"(.*)\")"),
            "label_join" => format!("{name}({vector}, \"x\", \"-\", \"x\", \"y\")"),
            _ => format!("{name}({vector})"),
        });
        let operators = prop_oneof![
            Just("+"),
            Just("%"),
            Just("^"),
            Just("atan2"),
            Just("== bool"),
            Just(">"),
            Just("and"),
            Just("or"),
            Just("unless on (x)"),
            Just("/ on (x)"),
            Just("* on (x) group_left (y)"),
            Just("!= ignoring (x) group_right ()"),
        ];
        let binary = (inner.clone(), operators, inner.clone())
            .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})"));
        let subquery = (over.clone(), inner, 1..2000_u32, 1..100_u32, shift()).prop_map(
            |(name, vector, range, step, shift)| {
                format!("{name}(({vector})[{range}s:{step}s]{shift})")
            },
        );
        prop_oneof![call, binary, subquery]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_evaluation_of_any_query_ends_without_a_panic(text in vector()) {
        let source = source(&[
            "a{x=\"1\"} 1 2 NaN stale _ 7 3 1 Inf 2",
            "a{x=\"2\",y=\"3\"} 5 4 3 2 1 0 -1 -Inf 4",
            "b _ _ 1 1 1 stale",
            "h_bucket{le=\"1\"} 1 2 3 4",
            "h_bucket{le=\"+Inf\"} 2 1 5 6",
        ]);
        let limits = Limits {
            samples_max: 100_000,
            timeout: Duration::from_secs(5),
            ..Limits::default()
        };
        let query = Query::parse(&text).map_err(|error| format!("{text}: {error}")).unwrap();
        let _ = query.instant(&source, 301_000, &limits);
        if let Ok(answer) = query.range(&source, -60_000, 700_000, 37_000, &limits) {
            let mut json = String::new();
            lfs_wrapper_history::render_data(&answer.value, &mut json);
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
        }
    }

    #[test]
    fn any_text_is_a_query_or_an_error(text in "\\PC{0,40}") {
        let _ = Query::parse(&text);
    }

    #[test]
    fn any_row_of_tokens_is_a_query_or_an_error(
        tokens in proptest::collection::vec(
            prop_oneof![
                Just("a"), Just("sum"), Just("by"), Just("("), Just(")"), Just("{"), Just("}"), Just("["), Just("]"),
                Just("5m"), Just(":"), Just("@"), Just("offset"), Just("+"), Just("-"), Just("and"), Just("on"),
                Just("group_left"), Just("bool"), Just("\"x\""), Just("="), Just("=~"), Just(","), Just("1e400"),
                Just("rate"), Just("start"), Just("fill"), Just("0x"), Just("#"), Just("\n"), Just("or"), Just("start()"),
            ],
            0..12,
        )
    ) {
        let _ = Query::parse(&tokens.join(" "));
        let _ = Query::parse(&tokens.concat());
    }
}
