//! Prometheus' HTTP API over the history, for Grafana, promtool and whatever
//! else speaks it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use lfs_wrapper_alert::store;
use lfs_wrapper_history::{Endpoint, History, QueryLimits, Reply, Service, reply};
use lfs_wrapper_model::{now_msec, render_rfc3339};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::alerts::PendingAlert;

/// Queries that are answered at once; others wait.
const RUNNING_MAX: usize = 4;

/// How long they wait.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What is told to who waited in vain.
const RETRY_AFTER_SECONDS: &str = "5";

/// Bytes of a request's body.
const BODY_MAX: usize = 256 * 1024;

const JSON: &str = "application/json";

/// What answers.
struct Api {
    history: Arc<History>,
    limits: QueryLimits,
    running: Arc<Semaphore>,
}

/// The routes, to be found below `/prometheus/api/v1`.
pub(crate) fn router(history: Arc<History>) -> Router {
    let api = Api {
        history,
        limits: QueryLimits::default(),
        running: Arc::new(Semaphore::new(RUNNING_MAX)),
    };
    Router::new()
        .route(
            "/{*endpoint}",
            get(answer).post(answer).fallback(refuse_method),
        )
        .route("/", any(refuse_nothing))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Arc::new(api))
}

async fn answer(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let path = match path {
        Ok(Path(path)) => path,
        Err(rejection) => return refuse(rejection.status(), "bad_data", &rejection.body_text()),
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection.status(), "bad_data", &rejection.body_text()),
    };
    let Some(endpoint) = Endpoint::of_path(&path) else {
        let message = format!("there is no endpoint {path}; docs/guide.md lists what there is");
        return refuse(StatusCode::NOT_FOUND, "not_found", &message);
    };
    let mut parameters = Vec::new();
    if method == Method::POST {
        if !body.is_empty() && !is_form(&headers) {
            let message = "a POST's body must be application/x-www-form-urlencoded";
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", message);
        }
        parameters = parse_form(&body);
    }
    // As Go's servers do it: what the body says counts first.
    parameters.extend(parse_form(query.unwrap_or_default().as_bytes()));
    let running = Arc::clone(&api.running).acquire_owned();
    let Ok(Ok(permit)) = timeout(WAIT_MAX, running).await else {
        let message = format!("{RUNNING_MAX} queries are being answered already; try again");
        let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &message);
        let seconds = axum::http::HeaderValue::from_static(RETRY_AFTER_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, seconds);
        return response;
    };
    // It goes on when nobody waits for it any more: until then it counts.
    let work = move || {
        let _permit = permit;
        let service = Service {
            source: &api.history.reader(),
            limits: &api.limits,
            version: env!("CARGO_PKG_VERSION"),
            now_msec: now_msec(),
        };
        reply(&service, &endpoint, &parameters)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Reply { status, body }) => respond(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body,
        ),
        Err(error) => {
            let message = format!("answering the query: {error}");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal", &message)
        }
    }
}

/// For whatever an endpoint is not asked with.
pub(crate) async fn refuse_method(method: Method) -> Response {
    let message = format!("the method {method} is not taken here; use GET or POST");
    refuse(StatusCode::METHOD_NOT_ALLOWED, "bad_data", &message)
}

/// For a path without an endpoint.
pub(crate) async fn refuse_nothing() -> Response {
    let message = "an endpoint is expected, such as query; docs/guide.md lists what there is";
    refuse(StatusCode::NOT_FOUND, "not_found", message)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next();
    kind.is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

fn parse_form(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn respond(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, JSON)], body).into_response()
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({ "status": "error", "errorType": kind, "error": message });
    respond(status, body.to_string())
}

/// The alerts that are not resolved and those that wait for their time, in
/// Prometheus' shape.
pub(crate) fn render_alerts(alerts: &[store::Alert], pending: &[PendingAlert]) -> Value {
    let firing = alerts.iter().map(render_alert);
    let alerts: Vec<Value> = firing.chain(pending.iter().map(render_pending)).collect();
    json!({ "status": "success", "data": { "alerts": alerts } })
}

fn render_pending(alert: &PendingAlert) -> Value {
    let mut labels = alert.labels.clone();
    labels.insert("alertname".to_owned(), alert.rule.clone());
    json!({
        "labels": labels,
        "annotations": {},
        "state": "pending",
        "activeAt": render_rfc3339(now_msec() - alert.lasts_msec),
        "value": "NaN",
    })
}

fn render_alert(alert: &store::Alert) -> Value {
    let mut labels = serde_json::Map::new();
    for (name, value) in &alert.labels {
        labels.insert(name.clone(), json!(value));
    }
    labels.insert("alertname".to_owned(), json!(alert.rule));
    labels.insert("severity".to_owned(), json!(alert.severity));
    let mut annotations = serde_json::Map::new();
    annotations.insert("summary".to_owned(), json!(alert.message));
    if let Some(runbook) = &alert.runbook {
        annotations.insert("runbook".to_owned(), json!(runbook));
    }
    if alert.state == "nodata" {
        annotations.insert("nodata".to_owned(), json!("its value is away"));
    }
    json!({
        "labels": labels,
        "annotations": annotations,
        "state": "firing",
        "activeAt": render_rfc3339(alert.since_msec),
        "value": alert.value.map_or("NaN".to_owned(), |value| format!("{value:e}")),
    })
}
