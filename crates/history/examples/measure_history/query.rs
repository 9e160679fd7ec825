//! How long queries take, here and of Prometheus.

use std::time::{Duration, Instant};

use lfs_wrapper_history::{Query, QueryLimits, Reader};

use crate::arguments::Arguments;
use crate::fill::{limits, open};
use crate::generate::{PER_METRIC, START_MSEC, entry};
use crate::usage::{cpu, median, memory_kib, mib, msec, reset_peak};
use crate::{Failure, say};
use lfs_wrapper_model::metric::MetricKind;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// A query over a time, and how long it may take.
struct Case {
    target: &'static str,
    goal_msec: f64,
    text: String,
    start_msec: i64,
    end_msec: i64,
    step_msec: i64,
    is_long: bool,
}

/// A metric whose first series is of this kind, and that series.
fn selectors(number: usize, kind: MetricKind) -> (String, String) {
    let labels = entry("generated", number, kind).labels;
    let name = labels.name().to_owned();
    (name, labels.to_string())
}

/// The queries of the target, over the last day or hours of a generated day.
fn cases(day_msec: i64) -> Vec<Case> {
    let end = START_MSEC + day_msec;
    // 0 is constant, 8 a counter, 52 a decimal: see `generate`.
    let (_, counter) = selectors(COUNTER, MetricKind::Counter);
    let (gauges, gauge) = selectors(GAUGE, MetricKind::Gauge);
    let rate = format!("rate({counter}[5m])");
    let wide = format!("{{__name__=~\"{gauges}|{gauges}_total\"}}");
    let wide_rate = format!("sum(rate({wide}[5m]))");
    let day = day_msec.min(24 * HOUR);
    let case = |target, goal_msec, text: &str, offset: i64, length: i64, step_msec| Case {
        target,
        goal_msec,
        text: text.to_owned(),
        start_msec: end - length + offset,
        end_msec: end - MINUTE + offset,
        step_msec,
        is_long: false,
    };
    let mut cases = vec![
        case("1 series, 24 h, raw", 5.0, &gauge, 137, day, MINUTE),
        case("1 series, 24 h, rolled up", 5.0, &gauge, 0, day, MINUTE),
        case("1 rate, 24 h, raw", 5.0, &rate, 137, day - HOUR, MINUTE),
        case("1 rate, 24 h, rolled up", 5.0, &rate, 0, day - HOUR, MINUTE),
        case("50 series, 6 h, raw", 20.0, &wide, 137, 6 * HOUR, MINUTE),
        case(
            "50 series, 6 h, rolled up",
            20.0,
            &wide,
            0,
            6 * HOUR,
            MINUTE,
        ),
        case(
            "sum of 50 rates, 6 h, raw",
            20.0,
            &wide_rate,
            137,
            6 * HOUR,
            MINUTE,
        ),
        case(
            "sum of 50 rates, 6 h, rolled up",
            20.0,
            &wide_rate,
            0,
            6 * HOUR,
            MINUTE,
        ),
    ];
    for (target, text) in [
        (
            "1 series, 30 d, rolled up",
            "{__name__=~\"long_0.*\",number=\"4\"}".to_owned(),
        ),
        (
            "8 series, 30 d, rolled up",
            "{__name__=~\"long_0.*\"}".to_owned(),
        ),
        (
            "8 maxima of an hour, 30 d, rolled up",
            "max_over_time({__name__=~\"long_0.*\"}[1h])".to_owned(),
        ),
    ] {
        cases.push(Case {
            target,
            goal_msec: 50.0,
            text,
            start_msec: START_MSEC - 29 * 24 * HOUR - 12 * HOUR,
            end_msec: START_MSEC - HOUR,
            step_msec: HOUR,
            is_long: true,
        });
    }
    cases
}

/// A counter that runs in bursts, and a decimal: numbers of generated series.
const COUNTER: usize = 5;
const GAUGE: usize = 52;

/// Wall and CPU time in the middle of several runs, and how many values came.
fn time(
    runs: usize,
    mut run: impl FnMut() -> Result<usize, Failure>,
) -> Result<(Duration, Duration, usize), Failure> {
    let (mut walls, mut cpus, mut size) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        let (wall, before) = (Instant::now(), cpu());
        size = run()?;
        walls.push(wall.elapsed());
        cpus.push(cpu().saturating_sub(before));
    }
    Ok((median(walls), median(cpus), size))
}

fn ask(reader: &Reader, case: &Case) -> Result<usize, Failure> {
    let query = Query::parse(&case.text)?;
    let limits = QueryLimits::default();
    let answer = query.range(
        reader,
        case.start_msec,
        case.end_msec,
        case.step_msec,
        &limits,
    )?;
    // As much as goes over HTTP.
    let mut text = String::new();
    lfs_wrapper_history::render_data(&answer.value, &mut text);
    Ok(text.len())
}

/// The same of Prometheus, over HTTP.
struct Peer {
    agent: ureq::Agent,
    url: String,
    id: Option<String>,
}

impl Peer {
    fn ask(&self, case: &Case) -> Result<usize, Failure> {
        let seconds = |msec: i64| format!("{}.{:03}", msec / 1000, msec % 1000);
        let mut response = self
            .agent
            .get(format!("{}/api/v1/query_range", self.url))
            .query("query", &case.text)
            .query("start", seconds(case.start_msec))
            .query("end", seconds(case.end_msec))
            .query("step", seconds(case.step_msec))
            .call()?;
        let body = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()?;
        let count = body.matches("\"values\"").count();
        if count == 0 {
            return Err(format!("prometheus has nothing for {}: {body:.300}", case.text).into());
        }
        Ok(body.len())
    }

    /// Its CPU time so far, in hundredths of a second.
    fn cpu_ticks(&self) -> f64 {
        let id = self.id.as_deref().unwrap_or("self");
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let field = |number: usize| fields.get(number).and_then(|word| word.parse::<f64>().ok());
        field(11).unwrap_or(0.0) + field(12).unwrap_or(0.0)
    }
}

pub(crate) fn query(arguments: &Arguments) -> Result<bool, Failure> {
    let runs: usize = arguments.number("runs", 21)?;
    let day_msec = arguments.number("seconds", 86_400_i64)? * 1000;
    let long = arguments.text("long").map(std::path::Path::new);
    let peer = arguments.text("prometheus").map(|url| Peer {
        agent: ureq::Agent::new_with_defaults(),
        url: url.to_owned(),
        id: arguments.text("prometheus-id").map(str::to_owned),
    });
    for case in cases(day_msec) {
        let path = match (case.is_long, long) {
            (false, _) => arguments.file.as_path(),
            (true, Some(long)) => long,
            (true, None) => continue,
        };
        // As in the monitor, which has the newest minutes in memory.
        let history = open(path, limits(64 << 30))?;
        let reader = history.reader();
        let (warm, warm_cpu, size) = time(runs, || ask(&reader, &case))?;
        let (fresh, fresh_cpu, _) = time(runs, || ask(&history.reader(), &case))?;
        // As another process does it, which reads them.
        let (other, other_cpu, _) = time(runs, || ask(&Reader::open(path)?, &case))?;
        let verdict = if msec(warm) <= case.goal_msec {
            "ok"
        } else {
            "MISSED"
        };
        let mut line = format!(
            "W6 {}: {:.2} ms warm ({:.2} CPU), {:.2} ms fresh ({:.2} CPU), {:.2} ms in another process ({:.2} CPU), goal {} ms: {verdict}; {size} bytes",
            case.target,
            msec(warm),
            msec(warm_cpu),
            msec(fresh),
            msec(fresh_cpu),
            msec(other),
            msec(other_cpu),
            case.goal_msec
        );
        if let Some(peer) = &peer {
            peer.ask(&case)?;
            let before = peer.cpu_ticks();
            let (theirs, _, size) = time(runs, || peer.ask(&case))?;
            let cpu = (peer.cpu_ticks() - before) * 10.0 / runs as f64;
            line += &format!(
                "; prometheus {:.2} ms ({cpu:.1} CPU), {size} bytes, ratio {:.2}",
                msec(theirs),
                msec(warm) / msec(theirs)
            );
        }
        say(&line)?;
    }
    Ok(true)
}

/// The peak of memory of the largest query of W6.
pub(crate) fn memory(arguments: &Arguments) -> Result<bool, Failure> {
    let day_msec = arguments.number("seconds", 86_400_i64)? * 1000;
    let Some(case) = cases(day_msec)
        .into_iter()
        .find(|case| case.target.starts_with("50 series"))
    else {
        return Ok(true);
    };
    let reader = Reader::open(&arguments.file)?;
    let (before, _) = memory_kib();
    reset_peak();
    let size = ask(&reader, &case)?;
    let (_, peak) = memory_kib();
    say(&format!(
        "memory of a query of {PER_METRIC} series over 6 h: peak +{:.1} MiB (all of it {:.1} MiB), {size} bytes of answer",
        mib(peak.saturating_sub(before) << 10),
        mib(peak << 10)
    ))?;
    Ok(true)
}
