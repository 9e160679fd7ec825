//! Prometheus' HTTP API without HTTP: parameters in, a status and a JSON body out.

mod lists;
mod parameters;
mod queries;

use lfs_wrapper_model::TimeMsec;

use super::error::{ErrorKind, QueryError};
use super::limits::Limits;
use super::render::quote;
use crate::source::Source;
use parameters::Parameters;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `query`
    Query,
    /// `query_range`
    QueryRange,
    /// `series`
    Series,
    /// `labels`
    Labels,
    /// `label/NAME/values`
    LabelValues(String),
    /// `metadata`
    Metadata,
    /// `status/buildinfo`
    BuildInfo,
}

impl Endpoint {
    /// The endpoint of a path, decoded, behind `/api/v1/`.
    pub fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "query" => Self::Query,
            "query_range" => Self::QueryRange,
            "series" => Self::Series,
            "labels" => Self::Labels,
            "metadata" => Self::Metadata,
            "status/buildinfo" => Self::BuildInfo,
            _ => {
                let name = path.strip_prefix("label/")?.strip_suffix("/values")?;
                Self::LabelValues(lists::unescape_name(name))
            }
        })
    }
}

/// What is asked over.
#[derive(Clone, Copy)]
pub struct Service<'service> {
    /// Where the data are.
    pub source: &'service dyn Source,
    /// What a query may use.
    pub limits: &'service Limits,
    /// The program's version.
    pub version: &'service str,
    /// The present, for what is asked without a time.
    pub now_msec: TimeMsec,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// An answer up to its data, and what there is to say beside them.
struct Data {
    /// The body as far as the data are written.
    body: String,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Data {
    /// An answer whose data follow.
    fn begin() -> Self {
        Self {
            body: "{\"status\":\"success\",\"data\":".to_owned(),
            warnings: Vec::new(),
            infos: Vec::new(),
        }
    }
}

/// Answers a request with its decoded parameters, in their order.
pub fn reply(service: &Service<'_>, endpoint: &Endpoint, parameters: &[(String, String)]) -> Reply {
    let parameters = Parameters::new(parameters);
    let data = match endpoint {
        Endpoint::Query => queries::query(service, &parameters),
        Endpoint::QueryRange => queries::query_range(service, &parameters),
        Endpoint::Series => lists::series(service, &parameters),
        Endpoint::Labels => lists::labels(service, &parameters),
        Endpoint::LabelValues(name) => lists::label_values(service, &parameters, name),
        Endpoint::Metadata => lists::metadata(service, &parameters),
        Endpoint::BuildInfo => Ok(lists::build_info(service)),
    };
    match data {
        Ok(data) => success(data),
        Err(error) => failure(&error),
    }
}

fn success(data: Data) -> Reply {
    let mut body = data.body;
    for (name, list) in [("warnings", &data.warnings), ("infos", &data.infos)] {
        if !list.is_empty() {
            body.push_str(",\"");
            body.push_str(name);
            body.push_str("\":");
            super::render::push_texts(&mut body, list);
        }
    }
    body.push('}');
    Reply { status: 200, body }
}

/// The answer that tells an error.
fn failure(error: &QueryError) -> Reply {
    let (status, kind) = match error.kind() {
        ErrorKind::BadData => (400, "bad_data"),
        ErrorKind::Execution => (422, "execution"),
        ErrorKind::Timeout => (503, "timeout"),
        ErrorKind::Internal => (500, "internal"),
    };
    let message = quote(&error.to_string());
    let body = format!("{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":{message}}}");
    Reply { status, body }
}
