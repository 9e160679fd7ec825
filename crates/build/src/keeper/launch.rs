//! The last steps before the script itself: a process that puts itself where
//! the script belongs and becomes it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

/// The hidden first argument that makes the program a launcher.
pub const LAUNCH: &str = "__launch";

/// The exit code of a shell for a command that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

/// `__launch CGROUP KEEPER PROGRAM ARGUMENT…`: joins the group (none when
/// empty), begins a session, asks to die with the keeper, and becomes PROGRAM.
pub fn launch(arguments: &[OsString]) -> ExitCode {
    let [cgroup, keeper, program, rest @ ..] = arguments else {
        eprintln!("lfs-wrapper: this is how the program calls itself; see 'lfs-wrapper --help'");
        return ExitCode::from(2);
    };
    if let Err(error) = settle(Path::new(cgroup), keeper) {
        eprintln!("lfs-wrapper: starting {}: {error}", program.display());
        return ExitCode::from(CANNOT_EXECUTE);
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("lfs-wrapper: executing {}: {error}", program.display());
    ExitCode::from(CANNOT_EXECUTE)
}

fn settle(cgroup: &Path, keeper: &OsString) -> io::Result<()> {
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
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}
