//! The last steps before the script itself: a process that puts itself where
//! the script belongs and becomes it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

/// The hidden first argument that makes the program a launcher.
pub const LAUNCH: &str = "__launch";

/// The exit code of a shell for a command that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

/// `__launch CGROUP KEEPER UMASK PROGRAM ARGUMENT…`: joins the group (none when
/// empty), begins a session, asks to die with the keeper, sets the umask (octal;
/// none when empty), and becomes PROGRAM.
pub fn launch(arguments: &[OsString]) -> ExitCode {
    let [cgroup, keeper, umask, program, rest @ ..] = arguments else {
        return refuse("this is how the program calls itself; see 'lfs-wrapper --help'");
    };
    if let Err(error) = settle(Path::new(cgroup), keeper, umask) {
        return refuse(&format!("starting {}: {error}", program.display()));
    }
    let error = Command::new(program).args(rest).exec();
    refuse(&format!("executing {}: {error}", program.display()))
}

/// Into the log of the attempt.
fn refuse(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "lfs-wrapper: {why}");
    ExitCode::from(CANNOT_EXECUTE)
}

fn settle(cgroup: &Path, keeper: &OsStr, umask: &OsStr) -> io::Result<()> {
    if !cgroup.as_os_str().is_empty() {
        fs::write(cgroup.join("cgroup.procs"), "0").map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("joining {}: {error}", cgroup.display()),
            )
        })?;
    }
    rustix::process::setsid()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The keeper may have died before the line above.
    let parent = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    if *keeper != *parent.to_string() {
        return Err(io::Error::other("the keeper has died"));
    }
    if let Some(umask) = umask
        .to_str()
        .and_then(|umask| u32::from_str_radix(umask, 8).ok())
    {
        rustix::process::umask(Mode::from_raw_mode(umask));
    }
    Ok(())
}
