//! The kernel's process table as a frame of the history.

use std::collections::HashMap;
use std::sync::Arc;

use lfs_wrapper_history::moments::{ProcessFrame, ProcessKey, ProcessRow as Row, Step};
use lfs_wrapper_kernel::{ProcessRow, derive_roots};
use lfs_wrapper_model::TimeMsec;

const USEC_PER_TICK: u64 = 10_000;

/// More of a command line than this is cut off.
const LINE_BYTES_MAX: usize = 1024;

/// The frame that is filled again and again.
#[derive(Debug, Default)]
pub(super) struct Table {
    frame: ProcessFrame,
    /// The command lines of the processes of the frame before, by their keys.
    lines: Vec<Line>,
    spare: Vec<Line>,
}

/// Arguments, and the one text that they are together.
#[derive(Debug)]
struct Line {
    key: ProcessKey,
    arguments: Arc<[String]>,
    text: Arc<str>,
}

impl Table {
    /// The processes of a sample, which are sorted by their pids. Whatever
    /// descends from a keeper belongs to its step.
    pub(super) fn frame(
        &mut self,
        time_msec: TimeMsec,
        rows: &[ProcessRow],
        keepers: &HashMap<u32, Arc<Step>>,
    ) -> &ProcessFrame {
        let roots = derive_roots(rows.iter().map(ProcessRow::kin), keepers);
        let Self {
            frame,
            lines,
            spare,
        } = self;
        frame.time_msec = time_msec;
        frame.rows.clear();
        spare.clear();
        let mut old = lines.drain(..).peekable();
        for row in rows {
            let key = (row.identity.pid, row.identity.start_ticks);
            while old.next_if(|line| line.key < key).is_some() {}
            let known = old.next_if(|line| line.key == key);
            let arguments = row.cold.arguments.as_ref().map(|arguments| {
                let line = match known {
                    Some(line) if Arc::ptr_eq(&line.arguments, arguments) => line,
                    _ => Line {
                        key,
                        arguments: Arc::clone(arguments),
                        text: join(arguments),
                    },
                };
                let text = Arc::clone(&line.text);
                spare.push(line);
                text
            });
            let step = roots.get(&row.identity.pid).map(|step| Arc::clone(step));
            frame.rows.push(to_row(row, arguments, step));
        }
        drop(old);
        std::mem::swap(lines, spare);
        &self.frame
    }
}

fn join(arguments: &[String]) -> Arc<str> {
    let mut text = String::new();
    for argument in arguments {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(argument);
        if text.len() > LINE_BYTES_MAX {
            let end = (0..=LINE_BYTES_MAX).rev();
            let mut ends = end.filter(|end| text.is_char_boundary(*end));
            let end = ends.next().unwrap_or(0);
            text.truncate(end);
            break;
        }
    }
    Arc::from(text)
}

fn to_row(row: &ProcessRow, arguments: Option<Arc<str>>, step: Option<Arc<Step>>) -> Row {
    let (identity, counts) = (row.identity, &row.counts);
    Row {
        pid: identity.pid,
        start_ticks: identity.start_ticks,
        parent_pid: counts.parent_pid,
        uid: row.uid,
        name: Arc::clone(&row.name),
        arguments,
        step,
        state: counts.state,
        threads: counts.threads,
        cpu_usec: (counts.user_ticks.saturating_add(counts.system_ticks))
            .saturating_mul(USEC_PER_TICK),
        rss_bytes: counts.rss_bytes,
        read_bytes: counts.io.map(|io| io.read_bytes),
        write_bytes: counts.io.map(|io| io.write_bytes),
        minor_faults: counts.minor_faults,
        major_faults: counts.major_faults,
    }
}
