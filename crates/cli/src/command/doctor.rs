use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lfs_wrapper_kernel::{Capability, Kernel, Level, Roots, Status, examine, read_kernel};
use lfs_wrapper_model::visible;
use serde_json::{Value, json};

use super::Done;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::Style;

/// Say what can be measured here, and how to switch on what cannot
///
/// Each source of measurement is tried with the rights of whoever asks: ask as
/// the user who runs the builds. Nothing is changed, but that an empty control
/// group is made and removed. The exit status is 4 when something required is
/// missing. With other roots, such as a host's in a container, their files are
/// read, while what has no file is asked of the running kernel.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lfs-wrapper doctor\n  lfs-wrapper doctor --all\n  lfs-wrapper doctor --json"
)]
pub(crate) struct Doctor {
    /// Show what is available as fully as what is not
    #[arg(long)]
    all: bool,
    /// Where procfs is mounted
    #[arg(long = "path.procfs", value_name = "DIR", default_value = "/proc")]
    procfs: PathBuf,
    /// Where sysfs is mounted
    #[arg(long = "path.sysfs", value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
    /// Where the root file system is
    #[arg(long = "path.rootfs", value_name = "DIR", default_value = "/")]
    rootfs: PathBuf,
}

/// The columns of a terminal that everybody has.
const WIDTH: usize = 80;

/// Where texts begin, after the mark.
const INDENT: usize = 11;

/// Where the texts of a problem begin, after their heading.
const DEEP_INDENT: usize = INDENT + 6;

pub(crate) fn run(session: &Session, doctor: &Doctor) -> Done {
    let roots = Roots {
        procfs: doctor.procfs.clone(),
        sysfs: doctor.sysfs.clone(),
        rootfs: doctor.rootfs.clone(),
    };
    let kernel = read_kernel(&roots);
    let capabilities = examine(&roots);
    if session.json {
        print_json(&render_json(&kernel, &capabilities))?;
    } else {
        let extent = match (session.quiet, doctor.all) {
            (true, false) => Extent::Problems,
            (false, false) => Extent::Short,
            (_, true) => Extent::Full,
        };
        print(&render(session.style(), &kernel, &capabilities, extent))?;
    }
    let lost = capabilities
        .iter()
        .filter(|one| is_lost(one, Level::Required));
    let lost: Vec<&str> = lost.map(|one| one.title).collect();
    if lost.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("required and missing here: {}", lost.join(", "));
    Err(Failure::new(Kind::Environment, message))
}

/// How much is said of what is available.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Problems,
    Short,
    Full,
}

fn is_lost(one: &Capability, level: Level) -> bool {
    one.level == level && matches!(one.status, Status::Missing { .. })
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Required => "required",
        Level::Recommended => "recommended",
        Level::Optional => "optional",
    }
}

fn status_word(status: &Status) -> &'static str {
    match status {
        Status::Available => "available",
        Status::Limited { .. } => "limited",
        Status::Missing { .. } => "missing",
    }
}

fn why(status: &Status) -> Option<&str> {
    match status {
        Status::Available => None,
        Status::Limited { why } | Status::Missing { why } => Some(why),
    }
}

fn render_json(kernel: &Kernel, capabilities: &[Capability]) -> Value {
    let capability = |one: &Capability| {
        json!({
            "id": one.id,
            "subject": one.subject,
            "title": one.title,
            "level": level_word(one.level),
            "status": status_word(&one.status),
            "why": why(&one.status),
            "needed_for": one.needed_for,
            "how": one.how,
            "evidence": one.evidence,
        })
    };
    let origin = kernel.config_origin.as_ref();
    json!({
        "kernel": kernel.release,
        "config": { "origin": origin.map(|origin| origin.display().to_string()) },
        "capabilities": capabilities.iter().map(capability).collect::<Vec<_>>(),
    })
}

fn render(style: Style, kernel: &Kernel, capabilities: &[Capability], extent: Extent) -> String {
    let mut text = String::new();
    if extent != Extent::Problems {
        text.push_str(&render_kernel(kernel));
    }
    for subject in capabilities.chunk_by(|one, next| one.subject == next.subject) {
        text.push_str(&render_subject(style, subject, extent));
    }
    for advice in list_advice(capabilities) {
        push_wrapped(&mut text, "", advice, 0);
    }
    text.push_str(&render_summary(capabilities));
    text
}

fn render_kernel(kernel: &Kernel) -> String {
    let release = kernel.release.as_deref().unwrap_or("of unknown version");
    let origin = match &kernel.config_origin {
        Some(origin) => format!("its configuration is {}", origin.display()),
        None => "its configuration was not found".to_owned(),
    };
    format!("Linux {}; {}\n\n", visible(release), visible(&origin))
}

/// One subject: in short, what is there stands in one paragraph.
fn render_subject(style: Style, subject: &[Capability], extent: Extent) -> String {
    let (there, lacking): (Vec<_>, Vec<_>) = subject
        .iter()
        .partition(|one| one.status == Status::Available);
    let title = subject.first().map_or("", |one| one.subject);
    let mut text = format!("{}\n", style.strong(title));
    match extent {
        Extent::Problems if lacking.is_empty() => return String::new(),
        Extent::Problems => {}
        Extent::Short if there.is_empty() => {}
        Extent::Short => {
            let titles: Vec<&str> = there.iter().map(|one| one.title).collect();
            push_wrapped(&mut text, &mark(style, "ok"), &titles.join("; "), INDENT);
        }
        Extent::Full => {
            for one in there {
                push_wrapped(&mut text, &mark(style, "ok"), one.title, INDENT);
                push_part(&mut text, style, "for", one.needed_for);
                push_part(&mut text, style, "seen", &one.evidence);
            }
        }
    }
    let mut last_how = None;
    for one in lacking {
        push_problem(&mut text, style, one, last_how);
        last_how = one.how.as_deref();
    }
    text.push('\n');
    text
}

fn push_problem(text: &mut String, style: Style, one: &Capability, last_how: Option<&str>) {
    let title = format!("{} ({})", one.title, level_word(one.level));
    push_wrapped(text, &mark(style, status_word(&one.status)), &title, INDENT);
    push_part(text, style, "for", one.needed_for);
    // Often what was seen says it already.
    let why = why(&one.status).filter(|why| !one.evidence.contains(why));
    if let Some(why) = why {
        push_part(text, style, "why", why);
    }
    push_part(text, style, "seen", &one.evidence);
    match one.how.as_deref() {
        how if how.is_some() && how == last_how => {
            push_part(text, style, "do", "the same as above");
        }
        Some(how) => push_part(text, style, "do", how),
        None => {}
    }
}

/// A mark in its column.
fn mark(style: Style, word: &str) -> String {
    let space = " ".repeat(INDENT.saturating_sub(word.len() + 2));
    format!("  {}{space}", style.word(word))
}

fn push_part(text: &mut String, style: Style, heading: &str, part: &str) {
    let space = " ".repeat(DEEP_INDENT.saturating_sub(INDENT + heading.len() + 1));
    let before = format!(
        "{}{}{space}",
        " ".repeat(INDENT),
        style.faint(&format!("{heading}:"))
    );
    push_wrapped(text, &before, part, DEEP_INDENT);
}

/// Adds a paragraph whose first line begins with `before`, which is `indent`
/// columns wide; the others begin below its text.
fn push_wrapped(text: &mut String, before: &str, paragraph: &str, indent: usize) {
    let paragraph = visible(paragraph);
    text.push_str(before);
    let mut column = indent;
    for (number, word) in paragraph.split_ascii_whitespace().enumerate() {
        let width = word.chars().count();
        if number > 0 && column + 1 + width > WIDTH {
            let _ = write!(text, "\n{}", " ".repeat(indent));
            column = indent;
        } else if number > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// What is to be known about the kinds of advice that were given.
fn list_advice(capabilities: &[Capability]) -> Vec<&'static str> {
    let gave = |part: &str| {
        let mut hows = capabilities.iter().filter_map(|one| one.how.as_deref());
        hows.any(|how| how.contains(part))
    };
    let mut advice = Vec::new();
    if ["sysctl ", "mount ", "modprobe ", "echo "]
        .iter()
        .any(|command| gave(command))
    {
        advice.push("Commands are to be given as root.");
    }
    if gave("CONFIG_") {
        advice.push(
            "CONFIG_ options are set in the folder of the kernel's source: 'make menuconfig', \
             where '/' finds an option by its name; then build, install and boot that kernel.",
        );
    }
    if gave("boot with") {
        advice.push(
            "Words to boot with go to the end of the line that begins with 'linux' in \
             /boot/grub/grub.cfg; 'cat /proc/cmdline' shows those of now.",
        );
    }
    if !advice.is_empty() {
        advice.push("");
    }
    advice
}

/// `31 of 37 available, 1 limited; missing: 2 recommended, 3 optional`
fn render_summary(capabilities: &[Capability]) -> String {
    let count = |word: &str| {
        let of_word = capabilities
            .iter()
            .filter(|one| status_word(&one.status) == word);
        of_word.count()
    };
    let mut text = format!("{} of {} available", count("available"), capabilities.len());
    if count("limited") > 0 {
        let _ = write!(text, ", {} limited", count("limited"));
    }
    let levels = [Level::Required, Level::Recommended, Level::Optional];
    let missing = levels.map(|level| {
        let count = capabilities
            .iter()
            .filter(|one| is_lost(one, level))
            .count();
        (count > 0).then(|| format!("{count} {}", level_word(level)))
    });
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    if !missing.is_empty() {
        let _ = write!(text, "; missing: {}", missing.join(", "));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(id: &'static str, status: Status, how: Option<&str>) -> Capability {
        Capability {
            id,
            subject: "Pressure",
            title: "Pressure of the machine",
            level: Level::Recommended,
            status,
            needed_for: "how long the machine waits for processors, memory and disks; the alarms",
            how: how.map(str::to_owned),
            evidence: "/proc/pressure/cpu: not there (ENOENT)".to_owned(),
        }
    }

    fn missing(why: &str, how: &str) -> Capability {
        capability(
            "a",
            Status::Missing {
                why: why.to_owned(),
            },
            Some(how),
        )
    }

    fn render_plain(capabilities: &[Capability], extent: Extent) -> String {
        render(Style::new(false), &Kernel::default(), capabilities, extent)
    }

    #[test]
    fn a_problem_is_told_with_its_cost_its_cause_and_its_remedy() {
        let both = [
            missing("it is off", "boot with psi=1"),
            missing("it is off too", "boot with psi=1"),
            capability("b", Status::Available, None),
        ];
        let text = render_plain(&both, Extent::Short);
        let expected = "\
Linux of unknown version; its configuration was not found

Pressure
  ok       Pressure of the machine
  missing  Pressure of the machine (recommended)
           for:  how long the machine waits for processors, memory and disks;
                 the alarms
           why:  it is off
           seen: /proc/pressure/cpu: not there (ENOENT)
           do:   boot with psi=1
  missing  Pressure of the machine (recommended)
           for:  how long the machine waits for processors, memory and disks;
                 the alarms
           why:  it is off too
           seen: /proc/pressure/cpu: not there (ENOENT)
           do:   the same as above

Words to boot with go to the end of the line that begins with 'linux' in
/boot/grub/grub.cfg; 'cat /proc/cmdline' shows those of now.

1 of 3 available; missing: 2 recommended
";
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn as_much_is_said_of_what_is_there_as_was_asked_for() {
        let fine = [capability("b", Status::Available, None)];
        assert_eq!(render_plain(&fine, Extent::Problems), "1 of 1 available\n");
        assert!(!render_plain(&fine, Extent::Short).contains("seen:"));
        assert!(render_plain(&fine, Extent::Full).contains("seen: /proc/pressure/cpu"));
    }

    #[test]
    fn text_of_the_kernel_cannot_steer_the_terminal() {
        let odd = [missing("\x1b[2J", "CONFIG_X\x07")];
        let text = render_plain(&odd, Extent::Short);
        assert!(!text.contains(['\x1b', '\x07']), "{text:?}");
    }
}
