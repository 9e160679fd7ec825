//! Prints a line for each process that ends anywhere on the machine, until it
//! is interrupted; needs root.
//!
//!     exits                     every process
//!     exits COMMAND [ARGUMENT]  what descends from the command; then a summary
//!                               with the listener's own processor time
//!
//! `EXITS_QUIET=1` leaves the lines out, for measuring.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::env;
use std::error::Error;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use lfs_wrapper_kernel::exits::{ExitEvent, ExitStream, Lineage, ProcessExit};
use lfs_wrapper_kernel::{Roots, read_monotonic_usec};
use rustix::time::{ClockId, clock_gettime};

/// Between two looks; the kernel keeps what comes meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks after the command's end, for what is told late.
const LOOKS_AFTER_END: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let is_quiet = env::var_os("EXITS_QUIET").is_some();
    let mut stream = ExitStream::open(&Roots::default())?;
    println!("{:?}", stream.sources());
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let mut lineage = Lineage::default();
    let mut child = start_command()?;
    if let Some(child) = &child {
        lineage.register_root(child.id(), ());
    }
    let (mut events, mut gone, mut of_command) = (Vec::new(), 0_u64, 0_u64);
    let mut looks_left = LOOKS_AFTER_END;
    while looks_left > 0 {
        sleep(PAUSE);
        if let Some(child) = &mut child
            && child.try_wait()?.is_some()
        {
            looks_left -= 1;
        }
        stream.poll(Duration::ZERO, &mut events)?;
        for event in events.drain(..) {
            match event {
                ExitEvent::Fork {
                    parent_tgid,
                    child_tgid,
                } => lineage.on_fork(parent_tgid, child_tgid),
                ExitEvent::Gone(exit) => {
                    gone += 1;
                    let is_shown = child.is_none() || lineage.tag_of(exit.pid).is_some();
                    of_command += u64::from(is_shown);
                    if is_shown && !is_quiet {
                        print_exit(&exit);
                    }
                    lineage.on_exit(exit.pid, read_monotonic_usec() / 1000);
                }
                ExitEvent::Lost { what, count } => println!("lost {what:?} {count:?}"),
                ExitEvent::Exec { .. } | ExitEvent::Uid { .. } => {}
            }
        }
    }
    let after = clock_gettime(ClockId::ThreadCPUTime);
    let nsec = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
    let usec_per_exit = nsec as f64 / 1e3 / gone.max(1) as f64;
    println!("{gone} processes ended, {of_command} of the command; {usec_per_exit:.2} usec each");
    println!("{:?}", stream.losses());
    Ok(())
}

fn start_command() -> Result<Option<Child>, Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        return Ok(None);
    };
    Ok(Some(Command::new(program).args(arguments).spawn()?))
}

fn print_exit(exit: &ProcessExit) {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let status = exit.status.map_or("-".to_owned(), |status| {
        let code = status.code().map(|code| code.to_string());
        let signal = status.signal().map(|signal| format!("signal {signal}"));
        code.or(signal).unwrap_or_default()
    });
    println!(
        "{} parent {} uid {} {:?}: {status}, {} us, user {} us, system {} us, peak {} bytes, {} thread(s), {:?}",
        exit.pid,
        number(exit.parent_pid.map(u64::from)),
        number(exit.uid.map(u64::from)),
        exit.comm.to_string(),
        number(exit.elapsed_usec),
        number(exit.usage.user_usec),
        number(exit.usage.system_usec),
        number(exit.usage.rss_peak_bytes),
        exit.threads,
        exit.completeness,
    );
}
