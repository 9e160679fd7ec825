mod acknowledge;
mod backtest;
mod channels;
mod list;
mod rules;
mod silence;
mod test;

use clap::Subcommand;

use super::Done;
use crate::session::Session;

/// Look at alerts, silence them, and try rules and channels
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper alert list")]
pub(crate) enum Alert {
    List(list::List),
    History(list::History),
    Ack(acknowledge::Acknowledge),
    #[command(subcommand)]
    Silence(silence::Silence),
    Rules(rules::Rules),
    Test(test::Test),
    Backtest(backtest::Backtest),
    Channels(channels::Channels),
}

pub(crate) fn run(session: &Session, command: &Alert) -> Done {
    match command {
        Alert::List(arguments) => list::run(session, arguments),
        Alert::History(arguments) => list::run_history(session, arguments),
        Alert::Ack(arguments) => acknowledge::run(session, arguments),
        Alert::Silence(arguments) => silence::run(session, arguments),
        Alert::Rules(arguments) => rules::run(session, arguments),
        Alert::Test(arguments) => test::run(session, arguments),
        Alert::Backtest(arguments) => backtest::run(session, arguments),
        Alert::Channels(arguments) => channels::run(session, arguments),
    }
}

/// Who gives the command, for the record: the user's name, or number.
fn author(given: Option<&str>) -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"];
    let named = named.iter().find_map(|name| std::env::var(name).ok());
    let uid = || format!("uid {}", rustix::process::getuid().as_raw());
    given.map_or_else(|| named.unwrap_or_else(uid), str::to_owned)
}
