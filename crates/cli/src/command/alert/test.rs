use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_daemon::proof;
use serde_json::json;

use crate::alerting;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;

/// Try rules on series that a file gives, and compare what happens
///
/// docs/alert-rules.md describes such files. The exit status is 1 where something
/// else happened than was expected.
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert test rules.d/disk.toml disk-tests.toml")]
pub(crate) struct Test {
    /// A file of rules, ours or Prometheus'; 'default' for those that come with the program
    #[arg(value_name = "RULES")]
    rules: PathBuf,
    /// A file of tests
    #[arg(value_name = "TESTS")]
    tests: PathBuf,
}

pub(crate) fn run(session: &Session, arguments: &Test) -> Done {
    let rules = alerting::given_rules(&arguments.rules)?;
    let text = fs::read_to_string(&arguments.tests).map_err(|error| {
        Failure::io(
            format!("reading the tests {}", arguments.tests.display()),
            &error,
        )
    })?;
    let document = proof::parse_tests(&arguments.tests, &text)
        .map_err(|error| Failure::new(Kind::Config, format!("reading the tests {error}")))?;
    // With the routes of the configuration, so that a test shows who is told.
    let (config, _) = session.config()?;
    let routing = alerting::routing(&config, &alerting::channels(&config)?)?;
    let (mut failed, mut results) = (0, Vec::new());
    for test in &document.tests {
        let outcome = proof::run(test, &rules, &routing).map_err(|error| {
            Failure::new(Kind::Config, format!("test '{}': {error}", test.name))
        })?;
        failed += usize::from(!outcome.wrong.is_empty());
        if session.json {
            results.push(json!({
                "test": test.name, "passed": outcome.wrong.is_empty(),
                "wrong": outcome.wrong, "happened": outcome.happened, "told": outcome.told,
            }));
        } else {
            print(&render(session, &test.name, &outcome))?;
        }
    }
    if session.json {
        print_json(&results)?;
    } else {
        let passed = document.tests.len() - failed;
        print(&format!("{passed} passed, {failed} failed\n"))?;
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => Kind::Bad.into(),
    })
}

fn render(session: &Session, name: &str, outcome: &proof::Outcome) -> String {
    let style = session.style();
    if outcome.wrong.is_empty() && session.verbose == 0 {
        return format!("{}  {name}\n", style.word("ok"));
    }
    let word = match outcome.wrong.is_empty() {
        true => style.word("ok"),
        false => style.bad("FAILED"),
    };
    let mut text = format!("{word}  {name}\n");
    for line in &outcome.wrong {
        text.push_str(&format!("    {line}\n"));
    }
    for (title, lines) in [
        ("what happened", &outcome.happened),
        ("what was told", &outcome.told),
    ] {
        if !lines.is_empty() {
            text.push_str(&format!("  {title}:\n"));
        }
        for line in lines {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}
