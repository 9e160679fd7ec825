//! Reads the table of all processes every second and shows the busiest:
//! `processes [READS] [MILLISECONDS BETWEEN]`.

use std::env;
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use lfs_wrapper_kernel::{
    ProcessOptions, ProcessRow, ProcessTable, derive_process, read_boottime_usec,
    read_monotonic_usec,
};

/// How many are shown.
const SHOWN: usize = 10;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map(|word| word.parse());
    let mut number = |default| match arguments.next() {
        Some(word) => word.map_err(io::Error::other),
        None => Ok(default),
    };
    let (reads, between_msec) = (number(2)?, number(1000)?);
    let mut table = ProcessTable::new("/proc".as_ref(), ProcessOptions::default());
    let (mut before_usec, mut now_usec) = (0, 0);
    for read in 0..reads {
        if read > 0 {
            thread::sleep(Duration::from_millis(between_msec));
        }
        (before_usec, now_usec) = (now_usec, read_monotonic_usec());
        table.read_alone(read_boottime_usec())?;
    }
    show(&mut table, now_usec - before_usec)
}

fn show(table: &mut ProcessTable, interval_usec: u64) -> io::Result<()> {
    let cpu = |row: &ProcessRow| derive_process(&row.before, &row.counts, interval_usec).cpu_ratio;
    let mut busy: Vec<_> = table.rows().map(|row| (cpu(row), row.identity)).collect();
    busy.sort_by(|one, other| other.0.unwrap_or(-1.0).total_cmp(&one.0.unwrap_or(-1.0)));
    busy.truncate(SHOWN);
    let shown: Vec<_> = busy.iter().map(|(_, identity)| *identity).collect();
    table.read_cold(&shown)?;
    let mut out = io::stdout().lock();
    for (cpu, identity) in busy {
        let row = table.rows().find(|row| row.identity == identity);
        let Some(row) = row else { continue };
        let user = row.uid.map(|uid| table.users().render(uid));
        let percent = cpu.map(|ratio| 100.0 * ratio);
        let pss_bytes = row.pss().map(|pss| pss.bytes);
        let name = &row.name;
        let pid = identity.pid;
        writeln!(
            out,
            "{pid} {name:?} of {user:?}: {percent:?} %, {pss_bytes:?} bytes"
        )?;
    }
    Ok(())
}
