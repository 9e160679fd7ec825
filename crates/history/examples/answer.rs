//! Answers requests of Prometheus' HTTP API over samples in memory: the fast
//! side of `tests/compare-queries`.
//!
//! `answer FILE` reads samples in OpenMetrics text with timestamps from FILE,
//! then requests from standard input, one a line:
//! `{"path":"query","parameters":[["query","up"],["time","5"]]}`; for each, a
//! line with the status, a blank and the body.

use std::io::{BufRead, Write, stdin, stdout};
use std::time::Duration;

use lfs_wrapper_history::{Endpoint, QueryLimits as Limits, Service, reply};
use lfs_wrapper_history::{MemorySource, parse_series};
use serde::Deserialize;

#[derive(Deserialize)]
struct Request {
    path: String,
    parameters: Vec<(String, String)>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: answer FILE")?;
    let source = load(&std::fs::read_to_string(file)?)?;
    let limits = Limits {
        timeout: Duration::from_secs(600),
        ..Limits::default()
    };
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let endpoint = Endpoint::of_path(&request.path).ok_or("no such path")?;
        let service = Service {
            source: &source,
            limits: &limits,
            version: env!("CARGO_PKG_VERSION"),
            now_msec: 0,
        };
        let reply = reply(&service, &endpoint, &request.parameters);
        writeln!(out, "{} {}", reply.status, reply.body)?;
        out.flush()?;
    }
    Ok(())
}

fn load(text: &str) -> Result<MemorySource, Box<dyn std::error::Error>> {
    let mut source = MemorySource::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (labels, rest) = parse_series(line).ok_or_else(|| format!("no series: {line}"))?;
        let mut fields = rest.split_whitespace();
        let value = fields.next().ok_or("no value")?.parse::<f64>()?;
        let seconds = fields.next().ok_or("no timestamp")?;
        source.push(labels, parse_msec(seconds)?, value);
    }
    Ok(source)
}

fn parse_msec(seconds: &str) -> Result<i64, Box<dyn std::error::Error>> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let fraction = format!("{fraction:0<3}");
    let msec: i64 = fraction.get(..3).ok_or("no fraction")?.parse()?;
    Ok(whole.parse::<i64>()? * 1000 + msec)
}
