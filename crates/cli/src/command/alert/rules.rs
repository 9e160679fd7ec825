use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lfs_wrapper_alert::prometheus::render_prometheus;
use lfs_wrapper_alert::rule::{Absent, Bound, Level, Origin, Rule};
use serde_json::{Value, json};

use crate::command::Done;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{render_table, say};

/// The rules that hold: built in, from rules.d, with [thresholds] applied
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert rules --format prometheus > rules.yml")]
pub(crate) struct Rules {
    /// Only this rule, with all it has
    rule: Option<String>,
    /// How to write them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How to write rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON, as with --json
    Json,
    /// A rule file for Prometheus
    Prometheus,
}

pub(crate) fn run(session: &Session, arguments: &Rules) -> Done {
    let (config, path) = session.config()?;
    let loaded = crate::alerting::load_rules(&config, &path)?;
    for warning in &loaded.warnings {
        say(&format!("warning: {warning}"));
    }
    let wanted = |rule: &Rule| {
        arguments
            .rule
            .as_ref()
            .is_none_or(|name| *name == rule.name)
    };
    let rules: Vec<Rule> = loaded.rules.into_iter().filter(wanted).collect();
    if let (Some(name), true) = (&arguments.rule, rules.is_empty()) {
        let message =
            format!("looking for the rule '{name}': there is none; 'alert rules' lists all");
        return Err(Failure::new(crate::failure::Kind::NotFound, message));
    }
    match arguments.format {
        Format::Prometheus => {
            let (text, notes) = render_prometheus(&rules);
            for note in notes {
                say(&format!("note: {note}"));
            }
            print(&text)?;
        }
        Format::Text if !session.json && arguments.rule.is_none() => print(&list(session, &rules))?,
        Format::Text if !session.json => print(&rules.iter().map(show).collect::<String>())?,
        Format::Text | Format::Json => print_json(&rules.iter().map(to_json).collect::<Vec<_>>())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(session: &Session, rules: &[Rule]) -> String {
    let row = |rule: &Rule| {
        let levels: Vec<String> = rule.levels.iter().map(render_level).collect();
        let origin = match &rule.origin {
            Origin::BuiltIn => "built in".to_owned(),
            Origin::File { path, line } => format!("{path}:{line}"),
        };
        vec![rule.name.clone(), levels.join(", "), origin]
    };
    let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
    let header = ["RULE", "LEVELS", "FROM"];
    render_table(session.style(), &header, &rows, header.len())
}

fn render_level(level: &Level) -> String {
    let severity = level.severity;
    match level.bound {
        Bound::Above { raise, .. } => format!("{severity} > {raise}"),
        Bound::Below { raise, .. } => format!("{severity} < {raise}"),
        Bound::Present => severity.to_string(),
    }
}

fn show(rule: &Rule) -> String {
    let mut text = format!("{}\n", rule.name);
    let mut line = |name: &str, value: &str| {
        let value = value.trim().replace('\n', "\n              ");
        text.push_str(&format!("  {name:<10}  {value}\n"));
    };
    line("expr", &rule.expr);
    for level in &rule.levels {
        let clear = match level.bound {
            Bound::Above { clear, .. } | Bound::Below { clear, .. } => {
                format!(", clear at {clear}")
            }
            Bound::Present => String::new(),
        };
        let lasts = format!("{:#}", jiff::SignedDuration::from_millis(level.for_msec));
        line(
            "level",
            &format!("{}{clear}, after {lasts}", render_level(level)),
        );
    }
    line(
        "hold",
        &format!("{:#}", jiff::SignedDuration::from_millis(rule.hold_msec)),
    );
    line(
        "absent",
        &match rule.absent {
            Absent::Clear => "clear".to_owned(),
            Absent::Nodata { after_msec } => {
                format!(
                    "nodata after {:#}",
                    jiff::SignedDuration::from_millis(after_msec)
                )
            }
        },
    );
    for (name, value) in &rule.labels {
        line("label", &format!("{name} = {value}"));
    }
    for (name, template) in &rule.annotations {
        line(name, template.source());
    }
    text
}

fn to_json(rule: &Rule) -> Value {
    let level = |level: &Level| {
        let (kind, raise, clear) = match level.bound {
            Bound::Above { raise, clear } => ("above", Some(raise), Some(clear)),
            Bound::Below { raise, clear } => ("below", Some(raise), Some(clear)),
            Bound::Present => ("present", None, None),
        };
        json!({ "severity": level.severity, "kind": kind, "raise": raise, "clear": clear,
            "for_msec": level.for_msec })
    };
    let annotations = rule.annotations.iter();
    let annotations: serde_json::Map<String, Value> = annotations
        .map(|(name, template)| (name.clone(), json!(template.source())))
        .collect();
    json!({
        "name": rule.name, "expr": rule.expr.trim(),
        "levels": rule.levels.iter().map(level).collect::<Vec<_>>(),
        "hold_msec": rule.hold_msec, "every_msec": rule.every_msec,
        "absent": match rule.absent {
            Absent::Clear => json!("clear"),
            Absent::Nodata { after_msec } => json!({ "nodata_after_msec": after_msec }),
        },
        "labels": rule.labels, "annotations": annotations,
        "origin": match &rule.origin {
            Origin::BuiltIn => json!("built in"),
            Origin::File { path, line } => json!({ "file": path, "line": line }),
        },
    })
}
