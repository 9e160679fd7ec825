use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{find, open_writer};
use crate::command::Done;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_bytes;

/// Make the file as small as it can be without losing anything
///
/// What came in pieces is put together, and space that holds nothing is given back
/// to the disk. The monitor must not run.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper history compact")]
pub(crate) struct Compact {}

pub(super) fn run(session: &Session, _: &Compact) -> Done {
    let path = find(session)?;
    let before = file_bytes(&path);
    let history = open_writer(session)?;
    history.flush()?;
    history.maintain()?;
    let done = history.compact()?;
    drop(history);
    let after = file_bytes(&path);
    if session.json {
        print_json(&serde_json::json!({
            "bytes_before": before, "bytes_after": after, "blocks_merged": done.merged,
            "blocks_made": done.made, "blocks_damaged": done.damaged,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "{} before, {} after; {} blocks became {}\n",
        render_bytes(Some(before)),
        render_bytes(Some(after)),
        done.merged,
        done.made
    );
    if done.damaged > 0 {
        text.push_str(&format!(
            "{} damaged blocks could not be read and are gone\n",
            done.damaged
        ));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// With the write-ahead log.
fn file_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    length(path) + length(Path::new(&log))
}
