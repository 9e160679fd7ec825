//! SIGINT, SIGTERM and SIGHUP as values that can be waited for.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use lfs_wrapper_build::supervisor::StopHandle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// From now on these signals end nothing; each is sent here instead. Those
/// that were ignored stay so, as nohup(1) and a shell's `&` want it.
pub(crate) fn catch() -> Result<Receiver<()>, Failure> {
    catch_each(|_| ())
}

/// The same for a service: whether one asks it to end, or to read its
/// configuration again, as SIGHUP does where no terminal can hang up.
pub(crate) fn catch_for_service() -> Result<Receiver<Asked>, Failure> {
    let has_terminal = io::stdin().is_terminal() || io::stderr().is_terminal();
    catch_each(move |signal| match signal {
        SIGHUP if !has_terminal => Asked::Reload,
        _ => Asked::Stop,
    })
}

/// What a signal asks a service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end.
    Stop,
    /// To read its configuration again.
    Reload,
}

fn catch_each<T: Send + 'static>(
    to_value: impl Fn(i32) -> T + Send + 'static,
) -> Result<Receiver<T>, Failure> {
    let ignored = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| parse_ignored(&status))
        .unwrap_or(0);
    let caught = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals =
        Signals::new(caught).map_err(|error| Failure::io("catching signals", &error))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(to_value(signal)).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Each signal asks the run to end, also one that came before.
pub(crate) fn stop_with(signals: Receiver<()>, handle: StopHandle) {
    thread::spawn(move || {
        while signals.recv().is_ok() {
            handle.stop();
        }
    });
}

/// The mask of ignored signals (proc_pid_status(5)).
fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
