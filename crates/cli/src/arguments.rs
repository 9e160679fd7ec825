//! The command line: what every command takes, and which commands there are.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::{alert, build, log, metrics, plan, quickstart, run, status, up};

/// Watches, runs and keeps the builds of people who compile Linux from source.
#[derive(Debug, Parser)]
#[command(name = "lfs-wrapper", version, max_term_width = 100)]
#[command(after_help = "Begin with:  lfs-wrapper quickstart")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) general: General,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct General {
    /// Results as JSON: one document, or one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder for everything the program keeps
    #[arg(long, global = true, value_name = "DIR", env = "LFS_WRAPPER_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Whether to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

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
    Log(log::Log),
}
