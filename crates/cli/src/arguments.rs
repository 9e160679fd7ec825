//! The command line as a whole.

use clap::Parser;

use crate::command::Command;
use crate::session::General;

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
