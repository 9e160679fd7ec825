//! `query` and `query_range`.

use super::super::error::QueryError;
use super::super::limits::{Deadline, Limits};
use super::super::query::Query;
use super::super::render::render_within;
use super::super::value::{Answer, Value};
use super::parameters::{Parameters, invalid, wrong};
use super::{Data, Service};

pub(super) fn query(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<Data, QueryError> {
    let time_msec = parameters.time("time")?.unwrap_or(service.now_msec);
    let limit = parameters.limit("limit")?;
    let limits = limits(service, parameters)?;
    let deadline = Deadline::from_now(&limits);
    let query = parse(parameters, &limits, deadline)?;
    let answer = query.instant_until(service.source, time_msec, &limits, deadline)?;
    data(answer, limit, &limits)
}

pub(super) fn query_range(
    service: &Service<'_>,
    parameters: &Parameters<'_>,
) -> Result<Data, QueryError> {
    let start_msec = parameters.required_time("start")?;
    let end_msec = parameters.required_time("end")?;
    let step_msec = parameters
        .duration_msec("step")?
        .ok_or_else(|| invalid("step", "cannot parse \"\" to a valid duration"))?;
    let limit = parameters.limit("limit")?;
    let limits = limits(service, parameters)?;
    let deadline = Deadline::from_now(&limits);
    let query = parse(parameters, &limits, deadline)?;
    let range = (start_msec, end_msec, step_msec);
    let answer = query.range_until(service.source, range, &limits, deadline)?;
    data(answer, limit, &limits)
}

fn limits(service: &Service<'_>, parameters: &Parameters<'_>) -> Result<Limits, QueryError> {
    let mut limits = service.limits.clone();
    limits.timeout = parameters.timeout(limits.timeout)?;
    if let Some(lookback_msec) = parameters.duration_msec("lookback_delta")? {
        if lookback_msec <= 0 {
            return Err(invalid("lookback_delta", "must be greater than 0"));
        }
        limits.lookback_msec = lookback_msec;
    }
    Ok(limits)
}

fn parse(
    parameters: &Parameters<'_>,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Query, QueryError> {
    let text = parameters.get("query").unwrap_or("");
    Query::parse_until(text, limits, deadline).map_err(|error| wrong("query", error))
}

fn data(mut answer: Answer, limit: Option<usize>, limits: &Limits) -> Result<Data, QueryError> {
    if let Some(limit) = limit {
        let count = match &mut answer.value {
            Value::Vector { samples, .. } => {
                let count = samples.len();
                samples.truncate(limit);
                count
            }
            Value::Matrix(series) => {
                let count = series.len();
                series.truncate(limit);
                count
            }
            Value::Scalar { .. } | Value::Text { .. } => 0,
        };
        if count > limit {
            answer
                .warnings
                .push("results truncated due to limit".to_owned());
        }
    }
    let mut data = Data::begin();
    render_within(answer.value, &mut data.body, limits)?;
    data.warnings = answer.warnings;
    data.infos = answer.infos;
    Ok(data)
}
