use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_history::{Info as Found, Limits, TierInfo};
use lfs_wrapper_model::{TimeMsec, render_local, render_rfc3339, visible};
use serde_json::{Value, json};

use super::{limits, open_reader};
use crate::command::Done;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{Style, render_bytes, render_table};

/// Metrics that are listed.
const METRICS_SHOWN: usize = 10;

const DAY_MSEC: i64 = 86_400_000;

/// Show what the history holds, how large it is and how long it is kept
///
/// Everything in it is looked at, which takes a while where it is large.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper history info --json")]
pub(crate) struct Info {}

pub(super) fn run(session: &Session, _: &Info) -> Done {
    let found = open_reader(session)?.info()?;
    let limits = limits(session)?;
    if session.json {
        print_json(&to_json(&found, &limits))?;
    } else {
        print(&render(session.style(), &found, &limits))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Samples as they were taken, written down in whatever form.
fn samples(found: &Found) -> u64 {
    found.tiers[0].values + found.open.values
}

/// Bytes of a sample, on average.
fn bytes_per_sample(found: &Found) -> Option<f64> {
    let [tier, ..] = found.tiers;
    (tier.values > 0).then(|| tier.bytes as f64 / tier.values as f64)
}

fn to_json(found: &Found, limits: &Limits) -> Value {
    let time = |time_msec: TimeMsec| json!(render_rfc3339(time_msec));
    let tier = |tier: &TierInfo, kept_msec: Option<i64>| {
        json!({
            "step_seconds": tier.step_msec / 1000,
            "blocks": tier.blocks,
            "bytes": tier.bytes,
            "values": tier.values,
            "oldest": tier.span_msec.map(|span| time(span.0)),
            "newest": tier.span_msec.map(|span| time(span.1)),
            "kept_seconds": kept_msec.map(|kept| kept / 1000),
        })
    };
    let tiers = found.tiers.iter().zip(limits.kept_msec);
    let tiers: Vec<Value> = tiers.map(|(one, kept)| tier(one, Some(kept))).collect();
    let metrics = found.metrics.iter().take(METRICS_SHOWN);
    let metrics: Vec<Value> = metrics
        .map(|(name, series)| json!({ "name": name, "series": series }))
        .collect();
    let remote = found.remote.iter().map(|one| {
        json!({
            "endpoint": one.endpoint,
            "sent_until": time(one.sent_until_msec),
            "offered_until": time(one.offered_until_msec),
        })
    });
    json!({
        "file_bytes": found.file_bytes,
        "log_bytes": found.log_bytes,
        "used_bytes": found.used_bytes,
        "max_bytes": limits.bytes_max,
        "series": found.series,
        "metrics": found.metrics.len(),
        "metrics_with_most_series": metrics,
        "samples": samples(found),
        "bytes_per_sample": bytes_per_sample(found),
        "tiers": tiers,
        "open": tier(&found.open, None),
        "windows_to_roll_up": found.waiting_windows,
        "blocks_in_parts": found.parts,
        "damaged": found.damaged,
        "deleted_until": found.deleted_until_msec.map(time),
        "remote_write": remote.collect::<Vec<Value>>(),
    })
}

fn render(style: Style, found: &Found, limits: &Limits) -> String {
    let mut text = format!(
        "{} in the file and {} in its log, of at most {}; {} in use\n",
        render_bytes(Some(found.file_bytes)),
        render_bytes(Some(found.log_bytes)),
        render_bytes(Some(limits.bytes_max)),
        render_bytes(Some(found.used_bytes)),
    );
    let each = bytes_per_sample(found).map_or_else(String::new, |bytes| {
        format!("; {bytes:.2} bytes for each sample in blocks")
    });
    text.push_str(&format!(
        "{} samples of {} series, {} metrics{each}\n\n",
        samples(found),
        found.series,
        found.metrics.len()
    ));
    text.push_str(&render_tiers(style, found, limits));
    text.push('\n');
    text.push_str(&render_metrics(style, found));
    for line in notes(found) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn render_tiers(style: Style, found: &Found, limits: &Limits) -> String {
    let row = |name: &str, tier: &TierInfo, kept: String| {
        let time = |time: Option<TimeMsec>| time.map_or("-".to_owned(), render_minute);
        vec![
            name.to_owned(),
            tier.values.to_string(),
            tier.blocks.to_string(),
            render_bytes(Some(tier.bytes)),
            time(tier.span_msec.map(|span| span.0)),
            time(tier.span_msec.map(|span| span.1)),
            kept,
        ]
    };
    let names = ["samples", "of 10 s", "of 1 min", "of 1 h"];
    let mut rows = vec![row("newest", &found.open, "-".to_owned())];
    for ((name, tier), kept) in names.iter().zip(&found.tiers).zip(limits.kept_msec) {
        rows.push(row(name, tier, format!("{} d", kept / DAY_MSEC)));
    }
    let header = [
        "WHAT", "VALUES", "BLOCKS", "SIZE", "OLDEST", "NEWEST", "KEPT",
    ];
    render_table(style, &header, &rows, 1)
}

/// `2026-01-31 13:00`, local.
fn render_minute(time_msec: TimeMsec) -> String {
    let text = render_local(time_msec).replace('T', " ");
    text.chars().take("2026-01-31 13:00".len()).collect()
}

fn render_metrics(style: Style, found: &Found) -> String {
    let shown = found.metrics.iter().take(METRICS_SHOWN);
    let rows: Vec<Vec<String>> = shown
        .map(|(name, series)| vec![visible(name), series.to_string()])
        .collect();
    let mut text = render_table(style, &["METRIC", "SERIES"], &rows, 1);
    let more = found.metrics.len().saturating_sub(METRICS_SHOWN);
    if more > 0 {
        text.push_str(&format!("and {more} metrics more\n"));
    }
    text
}

fn notes(found: &Found) -> Vec<String> {
    let mut notes = vec![String::new()];
    if found.waiting_windows > 0 {
        notes.push(format!(
            "{} windows of 10 min are not rolled up yet",
            found.waiting_windows
        ));
    }
    if found.parts > 0 {
        notes.push(format!(
            "{} blocks lie beside others of their time; 'history compact' puts them together",
            found.parts
        ));
    }
    if let Some(until) = found.deleted_until_msec {
        notes.push(format!(
            "samples before {} were deleted",
            render_local(until)
        ));
    }
    notes.push(match found.damaged {
        0 => "nothing is damaged".to_owned(),
        damaged => format!("{damaged} blocks or rows are damaged and are left out of answers"),
    });
    for one in &found.remote {
        let sent = match one.sent_until_msec {
            TimeMsec::MIN => "nothing sent yet".to_owned(),
            until => format!("sent until {}", render_local(until)),
        };
        notes.push(format!(
            "remote write to {}: {sent}",
            visible(&one.endpoint)
        ));
    }
    notes
}
