//! One file a command: its arguments, whose comments are its help, and what it
//! does.

pub(crate) mod alert;
pub(crate) mod build;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod quickstart;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod up;

use std::process::ExitCode;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::session::Session;

type Done = Result<ExitCode, Failure>;

pub(crate) fn run(session: &Session, command: Command) -> Done {
    match command {
        Command::Quickstart(arguments) => quickstart::run(session, &arguments),
        Command::Up(arguments) => up::run(session, &arguments),
        Command::Status(arguments) => status::run(session, &arguments),
        Command::Plan(arguments) => plan::run(session, &arguments),
        Command::Build(arguments) => build::run(session, arguments),
        Command::Run(arguments) => run::run(session, arguments),
        Command::Alert(arguments) => alert::run(session, &arguments),
        Command::Metrics(arguments) => metrics::run(&arguments),
        Command::Log(arguments) => log::run(session, &arguments),
    }
}
