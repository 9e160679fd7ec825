//! One file a command: its arguments, whose comments are its help, and what it
//! does.

mod alert;
mod build;
mod doctor;
mod find;
mod history;
mod log;
mod metrics;
mod plan;
mod processes;
mod query;
mod quickstart;
mod run;
mod status;
mod step_log;
mod up;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::session::Session;

type Done = Result<ExitCode, Failure>;

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Quickstart(quickstart::Quickstart),
    Up(up::Up),
    Status(status::Status),
    #[command(subcommand)]
    Plan(plan::Plan),
    #[command(subcommand)]
    Build(build::Build),
    Run(run::Run),
    #[command(subcommand)]
    Alert(alert::Alert),
    Metrics(metrics::Metrics),
    Processes(processes::Processes),
    Query(query::Query),
    #[command(subcommand)]
    History(history::History),
    Doctor(doctor::Doctor),
    Log(log::Log),
}

pub(crate) fn run(session: &Session, command: Command) -> Done {
    match command {
        Command::Quickstart(arguments) => quickstart::run(session, &arguments),
        Command::Up(arguments) => up::run(session, &arguments),
        Command::Status(arguments) => status::run(session, &arguments),
        Command::Plan(arguments) => plan::run(session, &arguments),
        Command::Build(arguments) => build::run(session, arguments),
        Command::Run(arguments) => run::run(session, arguments),
        Command::Alert(arguments) => alert::run(session, &arguments),
        Command::Metrics(arguments) => metrics::run(session, &arguments),
        Command::Processes(arguments) => processes::run(session, &arguments),
        Command::Query(arguments) => query::run(session, &arguments),
        Command::History(arguments) => history::run(session, &arguments),
        Command::Doctor(arguments) => doctor::run(session, &arguments),
        Command::Log(arguments) => log::run(session, &arguments),
    }
}
