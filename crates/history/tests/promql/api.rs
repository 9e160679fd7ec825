//! The HTTP API without HTTP.

use std::time::{Duration, Instant};

use lfs_wrapper_history::{
    Endpoint, Labels, Matcher, Metadata, QueryLimits as Limits, ReadError, Selected, Selection,
    Service, Source, reply,
};
use lfs_wrapper_model::metric::MetricKind;

use super::source;
use lfs_wrapper_history::MemorySource;

fn asked(source: &MemorySource, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    asked_within(&Limits::default(), source, path, parameters)
}

fn asked_within(
    limits: &Limits,
    source: &dyn Source,
    path: &str,
    parameters: &[(&str, &str)],
) -> (u16, String) {
    let service = Service {
        source,
        limits,
        version: "1.2.3",
        now_msec: 60_000,
    };
    let pairs: Vec<(String, String)> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let reply = reply(&service, &Endpoint::of_path(path).unwrap(), &pairs);
    serde_json::from_str::<serde_json::Value>(&reply.body).unwrap();
    (reply.status, reply.body)
}

fn sample() -> MemorySource {
    let mut source = source(&["a{x=\"1\"} 1 2", "a{x=\"2\"} 3", "b{\"y.z\"=\"ö\"} 4"]);
    source.metadata = vec![Metadata {
        name: "a".to_owned(),
        kind: MetricKind::Gauge,
        help: "An \"a\".".to_owned(),
    }];
    source
}

#[track_caller]
fn answers(path: &str, parameters: &[(&str, &str)], data: &str) {
    let (status, body) = asked(&sample(), path, parameters);
    assert_eq!(
        (status, body),
        (200, format!("{{\"status\":\"success\",\"data\":{data}}}"))
    );
}

#[track_caller]
fn fails(path: &str, parameters: &[(&str, &str)], status: u16, kind: &str, message: &str) {
    let (got, body) = asked(&sample(), path, parameters);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((got, &body["status"]), (status, &"error".into()), "{body}");
    assert_eq!(
        (&body["errorType"], &body["error"]),
        (&kind.into(), &message.into())
    );
}

#[test]
fn queries_are_answered_at_a_time_or_now() {
    answers(
        "query",
        &[("query", "a"), ("time", "30.5")],
        r#"{"resultType":"vector","result":[{"metric":{"__name__":"a","x":"1"},"value":[30.500,"1"]},{"metric":{"__name__":"a","x":"2"},"value":[30.500,"3"]}]}"#,
    );
    answers(
        "query",
        &[("query", "1e30")],
        r#"{"resultType":"scalar","result":[60,"1e+30"]}"#,
    );
    answers(
        "query",
        &[("query", "\"x\""), ("time", "1970-01-01T00:01:00Z")],
        r#"{"resultType":"string","result":[60,"x"]}"#,
    );
    answers(
        "query",
        &[("query", "a"), ("time", "100"), ("lookback_delta", "30s")],
        r#"{"resultType":"vector","result":[]}"#,
    );
}

#[test]
fn ranges_are_answered_in_steps() {
    answers(
        "query_range",
        &[
            ("query", "a{x=\"1\"}"),
            ("start", "0"),
            ("end", "60"),
            ("step", "30s"),
        ],
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"a","x":"1"},"values":[[0,"1"],[30,"1"],[60,"2"]]}]}"#,
    );
}

#[test]
fn results_are_limited_and_what_is_odd_is_told() {
    let (_, body) = asked(&sample(), "query", &[("query", "a"), ("limit", "1")]);
    assert!(
        body.ends_with(r#"]},"warnings":["results truncated due to limit"]}"#),
        "{body}"
    );
    let (_, body) = asked(&sample(), "query", &[("query", "rate(a[5m])")]);
    assert!(
        body.contains(r#""infos":["PromQL info: metric might not be a counter"#),
        "{body}"
    );
}

#[test]
fn series_labels_values_and_metadata_are_listed() {
    answers(
        "series",
        &[("match[]", "a{x=\"1\"}"), ("match[]", "b")],
        r#"[{"__name__":"a","x":"1"},{"__name__":"b","y.z":"ö"}]"#,
    );
    answers(
        "series",
        &[("match[]", "a"), ("start", "100"), ("end", "200")],
        "[]",
    );
    answers("labels", &[], r#"["__name__","x","y.z"]"#);
    answers("labels", &[("match[]", "a")], r#"["__name__","x"]"#);
    answers("label/x/values", &[], r#"["1","2"]"#);
    answers("label/U__y_2e_z/values", &[], r#"["ö"]"#);
    answers(
        "label/__name__/values",
        &[("match[]", "{x=~\".+\"}")],
        r#"["a"]"#,
    );
    answers(
        "metadata",
        &[],
        r#"{"a":[{"type":"gauge","help":"An \"a\".","unit":""}]}"#,
    );
    answers("metadata", &[("metric", "b")], "{}");
    let (_, body) = asked(&sample(), "status/buildinfo", &[]);
    assert!(body.contains("\"version\":\"1.2.3\""));
}

#[test]
fn errors_have_the_kinds_of_prometheus() {
    fails(
        "query",
        &[("query", "1 +")],
        400,
        "bad_data",
        "invalid parameter \"query\": 1:4: parse error: unexpected end of input",
    );
    fails(
        "query",
        &[("query", "a + on () a")],
        422,
        "execution",
        "found duplicate series for the match group {} on the right hand-side of the operation: [a{x=\"2\"}, a{x=\"1\"}];many-to-many matching not allowed: matching labels must be unique on one side",
    );
    fails(
        "query",
        &[("query", "a"), ("time", "x")],
        400,
        "bad_data",
        "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp",
    );
    fails(
        "query",
        &[
            ("query", "sum_over_time(vector(1)[1000h:1s])"),
            ("timeout", "0"),
        ],
        503,
        "timeout",
        "query timed out after 0 ms (timeout); ask for less time, fewer series or a longer step",
    );
    fails(
        "series",
        &[],
        400,
        "bad_data",
        "invalid parameter \"match[]\": no match[] parameter provided",
    );
    fails(
        "query_range",
        &[("query", "a"), ("start", "0"), ("end", "60"), ("step", "0")],
        400,
        "bad_data",
        "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
    fails(
        "query_range",
        &[("query", "a"), ("start", "60"), ("end", "0"), ("step", "1")],
        400,
        "bad_data",
        "invalid parameter \"end\": end timestamp must not be before start time",
    );
    fails(
        "series",
        &[("match[]", "a + 1")],
        400,
        "bad_data",
        "invalid parameter \"match[]\": expected a selector of series, found \"a + 1\"",
    );
    assert_eq!(Endpoint::of_path("label/x"), None);
}

#[test]
fn answers_are_never_longer_than_they_may_be() {
    let range = [
        ("query", "a"),
        ("start", "0"),
        ("end", "200"),
        ("step", "100"),
    ];
    let series = [("match[]", "a"), ("match[]", "b")];
    let whole: [(&str, &[(&str, &str)]); 4] = [
        ("query_range", &range),
        ("query", &[("query", "{__name__=~\".+\"}"), ("time", "0")]),
        ("series", &series),
        ("label/__name__/values", &[]),
    ];
    for (path, parameters) in whole {
        let (status, body) = asked(&sample(), path, parameters);
        assert_eq!(status, 200, "{body}");
        // The last bracket comes after the data.
        let within = |answer_bytes_max| {
            let limits = Limits {
                answer_bytes_max,
                ..Limits::default()
            };
            asked_within(&limits, &sample(), path, parameters)
        };
        assert_eq!(within(body.len()), (200, body.clone()), "{path}");
        let (status, message) = within(body.len() - 5);
        assert_eq!(status, 422, "{path}");
        assert!(message.contains("(answer_bytes_max)"), "{message}");
    }
}

/// A source that finds nothing until the time is over.
struct Slow;

impl Source for Slow {
    fn select(&self, _: &Selection<'_>) -> Result<Vec<Selected>, ReadError> {
        Ok(Vec::new())
    }

    fn series(
        &self,
        _: &[Matcher],
        _: i64,
        _: i64,
        deadline: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError> {
        let deadline = deadline.unwrap();
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        Err(ReadError::TimedOut)
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Ok(Vec::new())
    }
}

#[test]
fn lists_are_given_up_when_the_time_is_over() {
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let limits = Limits {
            timeout,
            ..Limits::default()
        };
        for path in ["series", "labels", "label/x/values"] {
            let parameters: &[(&str, &str)] = match path {
                "label/x/values" => &[],
                _ => &[("match[]", "a")],
            };
            let (status, body) = asked_within(&limits, &Slow, path, parameters);
            assert_eq!(status, 503, "{body}");
            assert!(body.contains("\"errorType\":\"timeout\""), "{body}");
        }
    }
}
