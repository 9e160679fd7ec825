//! HTTP: the page, what it listens to, and what other programs ask for.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::Listener;
use include_dir::{Dir, include_dir};
use lfs_wrapper_alert::store::{self, HistoryFilter};
use lfs_wrapper_api::{self as api, route};
use lfs_wrapper_history::History;
use lfs_wrapper_model::metric::{
    OPENMETRICS_TYPE, PROMETHEUS_TYPE, render_openmetrics, render_prometheus,
};
use lfs_wrapper_model::{now_msec, render_local};
use lfs_wrapper_state::Database;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::accept::{Format, choose_format};
use crate::collector::{Collectors, combine};
use crate::convert;
use crate::exposed::own_points;
use crate::live::{Change, Live};
use crate::promql;

static PAGE: Dir<'_> = include_dir!("$OUT_DIR/dist");

/// Pages that may listen at once.
const LISTENERS_MAX: usize = 64;

/// So that a listener and what is between notice when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long a listener may take to take one event.
const SEND_MAX: Duration = Duration::from_secs(20);

/// The alerts that `/api/resources` holds.
const LEGACY_ALERTS: usize = 100;

/// The alerts that Prometheus' interface holds.
const PROMETHEUS_ALERTS: u32 = 10_000;

const ENDPOINTS: [&str; 16] = [
    "/",
    route::RESOURCES,
    route::STATUS,
    route::RUNS,
    route::ALERTS,
    route::EVENTS,
    route::HEALTHZ_V1,
    route::HEALTHZ,
    route::METRICS,
    route::PROMETHEUS_QUERY,
    route::PROMETHEUS_QUERY_RANGE,
    route::PROMETHEUS_SERIES,
    route::PROMETHEUS_LABELS,
    route::PROMETHEUS_METADATA,
    route::PROMETHEUS_ALERTS,
    route::PROMETHEUS_BUILD,
];

struct Shared {
    live: Arc<Live>,
    collectors: Arc<Collectors>,
    database: Mutex<Database>,
    started_msec: i64,
    listeners: Arc<AtomicUsize>,
}

/// The server, bound and ready.
pub(crate) struct Server {
    listener: TcpListener,
    socket: Option<OwnSocket>,
    router: Router,
    stopped: watch::Receiver<bool>,
}

/// The socket in the runtime folder.
struct OwnSocket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
}

impl OwnSocket {
    fn bind(path: PathBuf) -> io::Result<Self> {
        // The monitor's lock says that nobody else serves on it.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }
}

impl Server {
    pub(crate) fn new(
        listener: TcpListener,
        runtime: &Path,
        database: Database,
        live: Arc<Live>,
        collectors: Arc<Collectors>,
        history: Arc<History>,
        stopped: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let path = runtime.join("api.sock");
        let socket = OwnSocket::bind(path.clone()).inspect_err(|error| {
            // A path may be too long for a socket (unix(7)).
            warn!(
                "serving on {}: {error}; serving on the address only",
                path.display()
            );
        });
        listener.set_nonblocking(true)?;
        let shared = Shared {
            live,
            collectors,
            database: Mutex::new(database),
            started_msec: now_msec(),
            listeners: Arc::default(),
        };
        Ok(Self {
            listener,
            socket: socket.ok(),
            router: router(shared, history),
            stopped,
        })
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(self.serve());
            // A query that is being answered holds nothing up.
            runtime.shutdown_background();
            served
        });
        if let Err(error) = served {
            warn!("serving HTTP: {error}");
        }
    }

    async fn serve(mut self) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let mut removed_at_the_end = None;
        if let Some(own) = self.socket {
            let guarded = GuardedSocket(UnixListener::from_std(own.listener)?);
            let router = self.router.clone();
            tokio::spawn(async move { axum::serve(guarded, router).await });
            removed_at_the_end = Some(Removed(own.path));
        }
        let served = serve_until(listener, self.router, &mut self.stopped).await;
        drop(removed_at_the_end);
        served
    }
}

/// Open event streams would never end by themselves: at the stop the whole
/// runtime goes.
async fn serve_until(
    listener: tokio::net::TcpListener,
    router: Router,
    stopped: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    tokio::select! {
        result = axum::serve(listener, router) => result,
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    }
}

/// Removes a file when it goes.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Talks to this user and to root only.
struct GuardedSocket(UnixListener);

impl Listener for GuardedSocket {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (UnixStream, Self::Addr) {
        loop {
            // As for TCP, axum's own accept waits out a lack of descriptors.
            let (stream, address) = Listener::accept(&mut self.0).await;
            let user = rustix::process::geteuid().as_raw();
            if stream
                .peer_cred()
                .is_ok_and(|peer| peer.uid() == user || peer.uid() == 0)
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn router(shared: Shared, history: Arc<History>) -> Router {
    Router::new()
        .route(route::RESOURCES, get(resources))
        .route(route::STATUS, get(status))
        .route(route::RUNS, get(runs))
        .route(route::ALERTS, get(alerts))
        .route(route::EVENTS, get(events))
        .route(route::METRICS, get(metrics))
        .route(route::HEALTHZ, get(healthz))
        .route(route::HEALTHZ_V1, get(healthz))
        .route("/", get(|| async { asset("index.html") }))
        .route(
            "/{*path}",
            get(|UrlPath(path): UrlPath<String>| async move { asset(&path) }),
        )
        .route(
            route::PROMETHEUS_ALERTS,
            get(prometheus_alerts).fallback(promql::refuse_method),
        )
        .route(
            &format!("{}/", route::PROMETHEUS),
            any(promql::refuse_nothing),
        )
        .with_state(Arc::new(shared))
        .nest(route::PROMETHEUS, promql::router(history))
        .layer(middleware::from_fn(guard))
}

/// Refuses what a page from elsewhere could make a browser ask for (DNS
/// rebinding, cross-site requests), and sets the headers that keep ours safe.
async fn guard(request: Request, next: Next) -> Response {
    if let Err(why) = check_origin(request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, format!("refused: {why}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let mut set = |name: HeaderName, value| {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    };
    set(
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'self' 'unsafe-inline'",
    );
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn check_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), &'static str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(HOST).or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    if !host.is_some_and(is_own_name) {
        return Err("the Host header names another machine");
    }
    match text(ORIGIN) {
        None => Ok(()),
        Some(origin)
            if origin
                .split_once("://")
                .is_some_and(|(_, host)| is_own_name(host)) =>
        {
            Ok(())
        }
        Some(_) => Err("the Origin header names another site"),
    }
}

fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address = bare.unwrap_or(name).parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

type Answer = Result<Response, Failure>;

/// Something on our side went wrong.
struct Failure(String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", self.0)).into_response()
    }
}

async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.live.trouble() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn resources(State(shared): State<Arc<Shared>>) -> Answer {
    let database = shared
        .database
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let fail = |error| Failure(database.error(error).to_string());
    let newest_raised = HistoryFilter {
        is_raised_only: true,
        limit: Some(LEGACY_ALERTS),
        ..HistoryFilter::default()
    };
    let mut newest = store::list_history(&database, &newest_raised).map_err(fail)?;
    newest.reverse();
    let resources = api::Resources {
        alerts: newest.into_iter().map(convert::legacy_alert).collect(),
        total_alerts: store::count_raised(&database).map_err(fail)?,
        current_metrics: shared.live.metrics(),
    };
    Ok(axum::Json(resources).into_response())
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(api::Status {
        status: "running",
        version: env!("CARGO_PKG_VERSION"),
        started: render_local(shared.started_msec),
        endpoints: ENDPOINTS.to_vec(),
    })
    .into_response()
}

async fn runs(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.live.runs()).into_response()
}

async fn alerts(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.live.alerts()).into_response()
}

async fn prometheus_alerts(State(shared): State<Arc<Shared>>) -> Answer {
    let database = shared
        .database
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let fail = |error| Failure(database.error(error).to_string());
    let alerts = store::list_alerts(&database, true, PROMETHEUS_ALERTS).map_err(fail)?;
    Ok(axum::Json(promql::render_alerts(&alerts, &shared.live.pending())).into_response())
}

async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let listeners = Listening::begin(&shared.listeners);
    let Some(listening) = listeners else {
        let why = format!("{LISTENERS_MAX} pages listen already; close one\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let (snapshot, changes) = shared.live.listen();
    Sse::new(stream(snapshot, changes, listening))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// Counts a listener for as long as it is there.
struct Listening(Arc<AtomicUsize>);

impl Listening {
    fn begin(count: &Arc<AtomicUsize>) -> Option<Self> {
        let listening = Self(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < LISTENERS_MAX).then_some(listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn stream(
    snapshot: Change,
    mut changes: Receiver<Change>,
    listening: Listening,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let _listening = listening;
        let mut next = snapshot;
        loop {
            let event = Event::default().event(next.name).data(&*next.data);
            // One that does not read makes way for others.
            if !matches!(timeout(SEND_MAX, sender.send(Ok(event))).await, Ok(Ok(()))) {
                return;
            }
            next = tokio::select! {
                () = sender.closed() => return,
                change = changes.recv() => match change {
                    Ok(change) => change,
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(dropped)) => {
                        let data = format!("{{\"dropped\":{dropped}}}");
                        let _ = sender.send(Ok(Event::default().event("lag").data(data))).await;
                        return;
                    }
                },
            };
        }
    });
    ReceiverStream::new(receiver)
}

fn asset(path: &str) -> Response {
    let Some(file) = PAGE.get_file(path) else {
        let help = format!("there is no {path}; /api/status lists what there is\n");
        return (StatusCode::NOT_FOUND, help).into_response();
    };
    let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    // Names under assets/ hold a hash of their content.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    (
        [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache)],
        file.contents(),
    )
        .into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let points = combine(own_points(&shared.live), &shared.collectors.points());
    let accepted = headers.get_all(ACCEPT).iter();
    let (kind, text) = match choose_format(accepted.filter_map(|value| value.to_str().ok())) {
        Format::Prometheus => (PROMETHEUS_TYPE, render_prometheus(&points)),
        Format::OpenMetrics => (OPENMETRICS_TYPE, render_openmetrics(&points)),
    };
    ([(CONTENT_TYPE, kind), (VARY, "accept")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let table = [
            ("127.0.0.1:9723", None, true),
            ("localhost", Some("http://localhost:9723"), true),
            ("[::1]:9723", Some("http://[::1]:9723"), true),
            ("evil.example:9723", None, false),
            ("127.0.0.1.evil.example", None, false),
            ("127.0.0.5:80", None, true),
            ("192.168.0.1:80", None, false),
            ("localhost:9723", Some("https://evil.example"), false),
            ("localhost:9723", Some("null"), false),
        ];
        for (host, origin, allowed) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let result = check_origin(&headers, &Uri::from_static("/"));
            assert_eq!(result.is_ok(), allowed, "{host} {origin:?}");
        }
        assert!(check_origin(&HeaderMap::new(), &Uri::from_static("/")).is_err());
    }
}
