//! What the history costs and what it withstands, measured: the inside of
//! `benches/history`, which has the peers beside it.
//!
//! Each command prints one line for each result and ends with 1 where a hard
//! promise is broken: the cap, the room on the disk, what was acknowledged.

mod arguments;
mod disk;
mod fill;
mod generate;
mod kills;
mod load;
mod query;
mod report;
mod usage;

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use arguments::Arguments;

pub(crate) type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: measure_history COMMAND FILE [--OPTION VALUE]...
  fill FILE      generated data, taken in as the monitor does (--series, --seconds,
                 --kind mixed|changing|random, --bytes-max)
  import FILE    30 days of a few generated series at 10 s (--series, --days)
  upgrade FILE   opens a file, which brings an older form to the present one
  report FILE    bytes and samples of each tier (--series and --step-msec to compute a day with)
  export FILE    OpenMetrics (--to FILE, --name METRIC)
  memory FILE    peak memory of a query of 50 series over 6 hours
  query FILE     times of queries (--long FILE, --prometheus URL, --prometheus-id PID, --runs)
  load FILE      ten times the usual load under a cap (--bytes-max, --series, --seconds, --kind)
  full FILE      on a small disk (--disk-free-min, --kind)
  kills FILE     a writer that is killed again and again (--kills, --seed)
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let result = Arguments::parse(words).and_then(|arguments| run(&command, &arguments));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "measure_history {command}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all promises were kept.
fn run(command: &str, arguments: &Arguments) -> Result<bool, Failure> {
    match command {
        "fill" => fill::fill(arguments),
        "import" => fill::import(arguments),
        "upgrade" => fill::upgrade(arguments),
        "report" => report::report(arguments),
        "export" => report::export_text(arguments),
        "memory" => query::memory(arguments),
        "query" => query::query(arguments),
        "load" => load::load(arguments),
        "full" => disk::full(arguments),
        "kills" => kills::kills(arguments),
        "kills-writer" => kills::write(arguments),
        _ => Err(USAGE.into()),
    }
}

/// One line of the result.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{line}")?;
    stdout().flush()?;
    Ok(())
}
