//! What there is: series, labels, metrics.

use std::collections::BTreeSet;

use lfs_wrapper_model::metric::MetricKind;

use super::super::error::QueryError;
use super::super::limits::Deadline;
use super::super::query::parse_selector_until;
use super::super::render::{push_labels, push_list, push_texts, quote};
use super::parameters::{Parameters, invalid, wrong};
use super::{Data, Service};
use crate::labels::Labels;
use crate::source::{Matcher, Metadata};

/// The times asked for where none are named: year 1970 to 9999.
const ALWAYS_MSEC: (i64, i64) = (0, 253_402_300_799_000);

pub(super) fn series(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<Data, QueryError> {
    if parameters.all("match[]").next().is_none() {
        return Err(invalid("match[]", "no match[] parameter provided"));
    }
    let series: Vec<Labels> = found(service, parameters)?.into_iter().collect();
    limited(service, parameters, series, |json, series| {
        push_list(json, series, push_labels);
    })
}

pub(super) fn labels(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<Data, QueryError> {
    let series = found(service, parameters)?;
    let names: BTreeSet<String> = series
        .iter()
        .flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned()))
        .collect();
    limited(service, parameters, names.into_iter().collect(), push_texts)
}

pub(super) fn label_values(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
    name: &str,
) -> Result<Data, QueryError> {
    if name.is_empty() {
        return Err(invalid("name", format!("invalid label name: {name:?}")));
    }
    let series = found(service, parameters)?;
    let values: BTreeSet<String> = series
        .iter()
        .map(|labels| labels.get(name).to_owned())
        .filter(|value| !value.is_empty())
        .collect();
    limited(
        service,
        parameters,
        values.into_iter().collect(),
        push_texts,
    )
}

/// The labels of the series that any of the selectors chooses.
fn found(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<BTreeSet<Labels>, QueryError> {
    let start_msec = parameters.time("start")?.unwrap_or(ALWAYS_MSEC.0);
    let end_msec = parameters.time("end")?.unwrap_or(ALWAYS_MSEC.1);
    if end_msec < start_msec {
        let message = "end timestamp must not be before start time";
        return Err(invalid("end", message));
    }
    let mut limits = service.limits.clone();
    limits.timeout = parameters.timeout(limits.timeout)?;
    let deadline = Deadline::from_now(&limits);
    let mut found = BTreeSet::new();
    let mut find = |matchers: &[Matcher]| -> Result<(), QueryError> {
        deadline.check()?;
        let source = service.source;
        found.extend(source.series(matchers, start_msec, end_msec, deadline.at())?);
        Ok(())
    };
    // One after another, so that only one's patterns are held.
    for text in parameters.all("match[]") {
        let matchers = parse_selector_until(text, &limits, deadline);
        find(&matchers.map_err(|error| wrong("match[]", error))?)?;
    }
    if parameters.all("match[]").next().is_none() {
        find(&[])?;
    }
    Ok(found)
}

/// The first of `items`, as the parameter `limit` says.
fn limited<T>(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
    mut items: Vec<T>,
    push: impl Fn(&mut String, &[T]),
) -> Result<Data, QueryError> {
    let limit = parameters.limit("limit")?.unwrap_or(items.len());
    let is_truncated = items.len() > limit;
    items.truncate(limit);
    let mut data = Data::begin();
    push(&mut data.body, &items);
    service.limits.check_answer(data.body.len())?;
    if is_truncated {
        data.warnings
            .push("results truncated due to limit".to_owned());
    }
    Ok(data)
}

pub(super) fn metadata(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<Data, QueryError> {
    let wanted = parameters.get("metric");
    let limit = parameters.limit("limit")?.unwrap_or(usize::MAX);
    let mut known = service.source.metadata()?;
    known.retain(|metric| wanted.is_none_or(|wanted| wanted == metric.name));
    known.dedup_by(|one, other| one.name == other.name);
    known.truncate(limit);
    let mut data = Data::begin();
    let json = &mut data.body;
    json.push('{');
    for (at, metric) in known.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_metadata(json, metric);
    }
    json.push('}');
    Ok(data)
}

fn push_metadata(json: &mut String, metric: &Metadata) {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Untyped => "unknown",
        MetricKind::Histogram => "histogram",
        MetricKind::Summary => "summary",
    };
    let (name, help) = (quote(&metric.name), quote(&metric.help));
    json.push_str(&format!(
        "{name}:[{{\"type\":\"{kind}\",\"help\":{help},\"unit\":\"\"}}]"
    ));
}

pub(super) fn build_info(service: &Service<'_>) -> Data {
    let version = quote(service.version);
    let mut data = Data::begin();
    data.body.push_str(&format!(
        "{{\"version\":{version},\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}}"
    ));
    data
}

/// A label's name as it is in a path: where it begins with `U__`, `_HEX_` is the
/// character with that number and `__` an underscore.
pub(super) fn unescape_name(escaped: &str) -> String {
    let unescaped = escaped.strip_prefix("U__").and_then(|mut rest| {
        let mut name = String::new();
        while let Some(at) = rest.find('_') {
            name.push_str(rest.get(..at)?);
            rest = rest.get(at + 1..)?;
            if let Some(after) = rest.strip_prefix('_') {
                name.push('_');
                rest = after;
                continue;
            }
            let (number, after) = rest.split_once('_')?;
            name.push(char::from_u32(u32::from_str_radix(number, 16).ok()?)?);
            rest = after;
        }
        name.push_str(rest);
        Some(name)
    });
    unescaped.unwrap_or_else(|| escaped.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_unescaped() {
        assert_eq!(unescape_name("job"), "job");
        assert_eq!(unescape_name("U__a_2e_b__c"), "a.b_c");
        assert_eq!(unescape_name("U__a_zz_"), "U__a_zz_");
        assert_eq!(unescape_name("__name__"), "__name__");
    }
}
