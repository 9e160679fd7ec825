//! Sends made-up samples by remote write, and looks whether each of them has
//! arrived once. benches/remote-write kills it again and again.
//!
//! remote_write send URL POSITIONS START_MSEC SECONDS SERIES
//! remote_write check prometheus|victoria-metrics URL START_MSEC SECONDS SERIES

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lfs_wrapper_history::remote::{
    Feed, Position, Positions, Raw, RemoteWrite, Sender, Start, Stop, cut,
};
use lfs_wrapper_history::{Labels, Metadata, ReadError, STALE, Stretch, is_stale};
use lfs_wrapper_model::metric::MetricKind;
use lfs_wrapper_model::{TimeMsec, now_msec};
use serde_json::Value;

type Failed = Box<dyn Error + Send + Sync>;

/// Each series has a sample in each tenth of a second.
const STEP_MSEC: TimeMsec = 100;
const NAME: &str = "lfs_wrapper_remote_write_test";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["send", url, positions, samples @ ..] => send(url, Path::new(positions), samples),
        ["check", kind, url, samples @ ..] => check(kind, url, samples),
        _ => Err("expected: send URL POSITIONS … or check KIND URL …".into()),
    };
    match result {
        Ok(line) => {
            let _ = writeln!(io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Samples that are the same whenever they are made, and there once their time
/// has come.
struct MadeUp {
    start_msec: TimeMsec,
    end_msec: TimeMsec,
    series: i64,
}

impl MadeUp {
    fn parse(arguments: &[&str]) -> Result<Self, Failed> {
        let [start_msec, seconds, series] = arguments else {
            return Err("expected: START_MSEC SECONDS SERIES".into());
        };
        let start_msec = start_msec.parse()?;
        let seconds: TimeMsec = seconds.parse()?;
        Ok(Self {
            start_msec,
            end_msec: start_msec + seconds * 1000,
            series: series.parse()?,
        })
    }

    fn labels(index: i64) -> Labels {
        let index = format!("{index:04}");
        let pairs = [("__name__", NAME), ("index", &index)];
        Labels::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn samples(&self, index: i64, after_msec: TimeMsec, until_msec: TimeMsec) -> Stretch {
        let first = (after_msec - self.start_msec).div_euclid(STEP_MSEC);
        let last = (until_msec.min(self.end_msec) - self.start_msec).div_euclid(STEP_MSEC);
        let mut stretch = Stretch::default();
        for step in first.max(0)..=last {
            let hash = (step * 7919 + index * 104_729) % 1_000_003;
            let time_msec = self.start_msec + step * STEP_MSEC + index % 3;
            let is_inside = time_msec > after_msec && time_msec <= until_msec;
            if is_inside && time_msec <= self.end_msec && hash % 17 != 0 {
                let value: f64 = format!("{hash}.{step}").parse().unwrap_or(f64::NAN);
                stretch.times.push(time_msec);
                stretch
                    .values
                    .push(if hash % 101 == 0 { STALE } else { value });
            }
        }
        stretch
    }
}

impl Feed for MadeUp {
    fn durable_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        Ok(Some(now_msec().min(self.end_msec)))
    }

    fn deleted_until(&self) -> Result<Option<TimeMsec>, ReadError> {
        Ok(None)
    }

    fn raw(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        samples_max: usize,
        keep: &dyn Fn(&Labels) -> bool,
    ) -> Result<Raw, ReadError> {
        let after_msec = after_msec.max(self.start_msec - 1);
        let read = |index| {
            (
                Self::labels(index),
                self.samples(index, after_msec, until_msec),
            )
        };
        let mut series: Vec<(Labels, Stretch)> = (0..self.series).map(read).collect();
        series.retain(|one| keep(&one.0));
        Ok(cut(series, after_msec, until_msec, samples_max))
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        Ok(vec![Metadata {
            name: NAME.to_owned(),
            kind: MetricKind::Gauge,
            help: "Made up.".to_owned(),
        }])
    }
}

/// One position in a file.
struct InFile(PathBuf);

impl InFile {
    fn write(&self, position: Position) -> io::Result<()> {
        let new = self.0.with_extension("new");
        let mut file = File::create(&new)?;
        let (sent, offered) = (position.sent_until_msec, position.offered_until_msec);
        writeln!(file, "{sent} {offered}")?;
        file.sync_all()?;
        fs::rename(new, &self.0)
    }
}

impl Positions for InFile {
    fn load(&self, _: &str) -> Result<Option<Position>, ReadError> {
        let Ok(text) = fs::read_to_string(&self.0) else {
            return Ok(None);
        };
        let mut times = text.split_whitespace().map(str::parse);
        match (times.next(), times.next()) {
            (Some(Ok(sent_until_msec)), Some(Ok(offered_until_msec))) => Ok(Some(Position {
                sent_until_msec,
                offered_until_msec,
            })),
            _ => Err(ReadError::Store(
                "the file of positions is damaged".to_owned(),
            )),
        }
    }

    fn save(&self, _: &str, position: Position) -> Result<(), ReadError> {
        let written = self.write(position);
        written.map_err(|error| ReadError::Store(error.to_string()))
    }
}

fn send(url: &str, positions: &Path, samples: &[&str]) -> Result<String, Failed> {
    let feed = Arc::new(MadeUp::parse(samples)?);
    let end_msec = feed.end_msec;
    let settings = RemoteWrite {
        start: Start::Beginning,
        every: Duration::from_millis(300),
        samples_max: 1_000,
        ..RemoteWrite::new("test", url)
    };
    let positions = Arc::new(InFile(positions.to_owned()));
    let mut sender = Sender::new(settings, feed, positions)?;
    let statistics = sender.statistics();
    let stop = Stop::default();
    let mut is_told = false;
    std::thread::scope(|scope| {
        scope.spawn(|| sender.run(&stop));
        while statistics.now().sent_until_msec < Some(end_msec) {
            std::thread::sleep(Duration::from_millis(20));
            let again = statistics.now().refused_again_samples;
            if again > 0 && !is_told {
                let _ = writeln!(io::stderr(), "refused again: {again}");
                is_told = true;
            }
        }
        stop.stop();
    });
    let now = statistics.now();
    Ok(format!(
        "{} sent, {} retried, {} refused, {} refused again",
        now.sent_samples, now.retried_samples, now.refused_samples, now.refused_again_samples
    ))
}

/// For each series, times and the bits of values.
type Found = BTreeMap<String, Vec<(TimeMsec, u64)>>;

fn check(kind: &str, url: &str, samples: &[&str]) -> Result<String, Failed> {
    let wanted = MadeUp::parse(samples)?;
    let mut found = match kind {
        "prometheus" => read_prometheus(url, &wanted)?,
        "victoria-metrics" => read_victoria(url, &wanted)?,
        _ => return Err("expected prometheus or victoria-metrics".into()),
    };
    let (mut count, mut missing, mut doubled, mut wrong) = (0, 0, 0, 0);
    for index in 0..wanted.series {
        let stretch = wanted.samples(index, wanted.start_msec - 1, wanted.end_msec);
        let mut there: BTreeMap<TimeMsec, Vec<u64>> = BTreeMap::new();
        for (time_msec, bits) in found.remove(&format!("{index:04}")).unwrap_or_default() {
            there.entry(time_msec).or_default().push(bits);
        }
        let samples = stretch.times.iter().zip(&stretch.values);
        // A staleness marker shows as a gap.
        for (time_msec, value) in samples.filter(|sample| !is_stale(*sample.1)) {
            count += 1;
            let bits = there.remove(time_msec).unwrap_or_default();
            missing += usize::from(bits.is_empty());
            doubled += bits.len().saturating_sub(1);
            wrong += usize::from(bits.iter().any(|bits| *bits != value.to_bits()));
        }
        wrong += there.len();
    }
    wrong += found.len();
    let line = format!("{count} samples: {missing} missing, {doubled} doubled, {wrong} wrong");
    if missing + doubled + wrong > 0 {
        return Err(line.into());
    }
    Ok(line)
}

fn read_prometheus(url: &str, wanted: &MadeUp) -> Result<Found, Failed> {
    let seconds = (wanted.end_msec - wanted.start_msec) / 1000 + 2;
    let end = wanted.end_msec / 1000 + 1;
    let mut answer = ureq::get(format!("{url}/api/v1/query"))
        .query("query", format!("{NAME}[{seconds}s]"))
        .query("time", end.to_string())
        .call()?;
    let body = answer
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_vec()?;
    let answer: Value = serde_json::from_slice(&body)?;
    let mut found = Found::new();
    for series in answer["data"]["result"].as_array().into_iter().flatten() {
        let index = series["metric"]["index"].as_str().unwrap_or_default();
        for sample in series["values"].as_array().into_iter().flatten() {
            // Seconds with up to three decimals.
            let seconds = sample[0].as_f64().unwrap_or_default();
            let time_msec: TimeMsec = format!("{:.0}", seconds * 1000.0).parse()?;
            let value: f64 = sample[1].as_str().unwrap_or_default().parse()?;
            let samples = found.entry(index.to_owned()).or_default();
            samples.push((time_msec, value.to_bits()));
        }
    }
    Ok(found)
}

fn read_victoria(url: &str, wanted: &MadeUp) -> Result<Found, Failed> {
    let mut answer = ureq::get(format!("{url}/api/v1/export"))
        .query("match[]", NAME)
        .query("start", (wanted.start_msec / 1000 - 1).to_string())
        .query("end", (wanted.end_msec / 1000 + 1).to_string())
        .call()?;
    let body = answer
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_string()?;
    let mut found = Found::new();
    for line in body.lines() {
        // Versions before 1.80 write a staleness marker as what is no JSON.
        let line = line.replace("nan", "null").replace("NaN", "null");
        let series: Value = serde_json::from_str(&line)?;
        let index = series["metric"]["index"].as_str().unwrap_or_default();
        let times = series["timestamps"].as_array().into_iter().flatten();
        let values = series["values"].as_array().into_iter().flatten();
        for (time_msec, value) in times.zip(values) {
            // A staleness marker is null.
            if let (Some(time_msec), Some(value)) = (time_msec.as_i64(), value.as_f64()) {
                let samples = found.entry(index.to_owned()).or_default();
                samples.push((time_msec, value.to_bits()));
            }
        }
    }
    Ok(found)
}
