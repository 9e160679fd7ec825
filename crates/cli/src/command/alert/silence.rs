use std::process::ExitCode;

use clap::Subcommand;
use jiff::tz::TimeZone;
use lfs_wrapper_alert::store::{self, NewSilence, SilenceError};
use lfs_wrapper_model::{Matcher, now_msec, render_local};
use serde_json::{Value, json};

use super::author;
use crate::command::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_table;
use crate::when::{When, parse_length_msec};

/// Do not be told of some alerts for a time
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper alert silence list")]
pub(crate) enum Silence {
    /// Begin one
    ///
    /// A matcher is a condition on an alert: resource=disk, mountpoint=~"/mnt/.*",
    /// rule!=memory, severity<=warning. All must hold. What is silenced is still
    /// listed, and told when the silence ends if it is not over by then.
    #[command(
        after_help = "Example:  lfs-wrapper alert silence add resource=disk --for 2h --reason 'moving /mnt'"
    )]
    Add {
        /// Conditions, all of which must hold
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<Matcher>,
        /// For how long
        #[arg(long = "for", value_name = "LENGTH", value_parser = parse_length_msec)]
        length_msec: i64,
        /// From when on; without it, now
        #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
        from: Option<When>,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who; without it, the user who gives the command
        #[arg(long)]
        by: Option<String>,
    },
    /// Those that hold or are to come
    #[command(after_help = "Example:  lfs-wrapper alert silence list --all")]
    List {
        /// And those that are over
        #[arg(long)]
        all: bool,
    },
    /// End one now
    #[command(after_help = "Example:  lfs-wrapper alert silence expire 3")]
    Expire {
        /// Its number
        silence: i64,
    },
}

pub(crate) fn run(session: &Session, command: &Silence) -> Done {
    let (_, database) = session.open()?;
    let now = now_msec();
    match command {
        Silence::Add {
            matchers,
            length_msec,
            from,
            reason,
            by,
        } => {
            let from = from.map_or(now, |from| from.resolve(now, &TimeZone::system()));
            let by = author(by.as_deref());
            let silence = NewSilence {
                matchers,
                author: &by,
                reason,
                starts_msec: from,
                ends_msec: from.saturating_add(*length_msec),
            };
            let id =
                store::add_silence(&database, &silence, now).map_err(|error| explain(&error))?;
            if session.json {
                print_json(&json!({ "id": id, "ends_msec": silence.ends_msec }))?;
            } else {
                let until = render_local(silence.ends_msec);
                print(&format!("silence {id} holds until {until}\n"))?;
            }
        }
        Silence::List { all } => {
            let silences = store::list_silences(&database, *all, now)
                .map_err(|error| database.error(error))?;
            list(session, &silences)?;
        }
        Silence::Expire { silence } => {
            let by = author(None);
            let ended = store::expire_silence(&database, *silence, &by, now)
                .map_err(|error| database.error(error))?;
            if !ended {
                let message = format!(
                    "ending silence {silence}: none of this number holds or is to come; \
                     'lfs-wrapper alert silence list' shows those that do"
                );
                return Err(Failure::new(Kind::NotFound, message));
            }
            match session.json {
                true => print_json(&json!({ "id": silence, "ended": true }))?,
                false => print(&format!("silence {silence} has ended\n"))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(error: &SilenceError) -> Failure {
    let kind = match error {
        SilenceError::Sqlite(_) | SilenceError::TooMany => Kind::Environment,
        _ => Kind::Usage,
    };
    Failure::new(kind, error.to_string())
}

fn list(session: &Session, silences: &[lfs_wrapper_alert::route::Silence]) -> Result<(), Failure> {
    let texts = |silence: &lfs_wrapper_alert::route::Silence| -> Vec<String> {
        let matchers = silence.matchers.iter();
        matchers
            .map(|matcher| matcher.as_str().to_owned())
            .collect()
    };
    if session.json {
        let value = |silence: &lfs_wrapper_alert::route::Silence| -> Value {
            json!({
                "id": silence.id, "matchers": texts(silence), "author": silence.author,
                "reason": silence.reason, "starts_msec": silence.starts_msec,
                "ends_msec": silence.ends_msec,
            })
        };
        return print_json(&silences.iter().map(value).collect::<Vec<_>>());
    }
    if silences.is_empty() {
        return print("no silence: every alert is told\n");
    }
    let row = |silence: &lfs_wrapper_alert::route::Silence| {
        vec![
            silence.id.to_string(),
            render_local(silence.starts_msec),
            render_local(silence.ends_msec),
            silence.author.clone(),
            texts(silence).join(" "),
            silence.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = silences.iter().map(row).collect();
    let header = ["ID", "FROM", "UNTIL", "BY", "WHAT", "WHY"];
    print(&render_table(session.style(), &header, &rows, header.len()))
}
