use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_alert::store;
use lfs_wrapper_model::now_msec;
use serde_json::json;

use super::author;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;

/// Take note of an alert: it is not told again until it ends or gets worse
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper alert ack 12 --reason 'new disk is ordered'")]
pub(crate) struct Acknowledge {
    /// The alert's number, as 'alert list' shows it
    alert: i64,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// Who; without it, the user who gives the command
    #[arg(long)]
    by: Option<String>,
    /// Take it back
    #[arg(long, conflicts_with = "reason")]
    undo: bool,
}

pub(crate) fn run(session: &Session, arguments: &Acknowledge) -> Done {
    let (_, database) = session.open()?;
    let Acknowledge { alert, reason, .. } = arguments;
    let by = author(arguments.by.as_deref());
    let found = match arguments.undo {
        true => store::unacknowledge(&database, *alert, &by),
        false => store::acknowledge(&database, *alert, &by, reason, now_msec()),
    };
    if !found.map_err(|error| database.error(error))? {
        let message = match arguments.undo {
            true => format!("taking back the note of alert {alert}: nobody took note of it"),
            false => format!(
                "taking note of alert {alert}: there is none of this number, or it is over; \
                 'lfs-wrapper alert list' shows those that are not"
            ),
        };
        return Err(Failure::new(Kind::NotFound, message));
    }
    if session.json {
        print_json(&json!({ "alert": alert, "acknowledged": !arguments.undo, "by": by }))?;
    } else if arguments.undo {
        print(&format!("alert {alert} is told again\n"))?;
    } else {
        print(&format!(
            "alert {alert} is not told again until it ends or gets worse\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
