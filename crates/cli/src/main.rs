//! `lfs-wrapper`: watches, runs and keeps the builds of people who compile
//! Linux from source.

mod alerting;
mod arguments;
mod command;
mod failure;
mod ledger;
mod output;
mod places;
mod plot;
mod progress;
mod quantity;
mod session;
mod signals;
mod terminal;
mod when;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use lfs_wrapper_build::keeper;

use crate::arguments::Arguments;
use crate::session::Session;

fn main() -> ExitCode {
    let own: Vec<OsString> = env::args_os().collect();
    // The two ways in which the program calls itself come first: they stand
    // between a build and its processes, and must cost nothing.
    match own.get(1).and_then(|first| first.to_str()) {
        Some(keeper::KEEP) => return keeper::keep(),
        Some(keeper::LAUNCH) => return keeper::launch(&own[2..]),
        _ => {}
    }
    let arguments = Arguments::parse();
    let session = Session::new(&arguments.general);
    match command::run(&session, arguments.command) {
        Ok(code) => code,
        Err(failure) => failure.report(session.error_style()),
    }
}
