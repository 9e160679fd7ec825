//! The kernel's options: where `make menuconfig` has them, and what to say of
//! them.

use std::path::Path;

use crate::doctor::Finding;
use crate::doctor::config::Setting;
use crate::doctor::host::Host;

const ACCOUNTING: &str = "General setup > CPU/Task time and stats accounting";
const GROUPS: &str = "General setup > Control Group support";
const PSEUDO: &str = "File systems > Pseudo filesystems";
const TCP_IP: &str = "Networking support > Networking options > TCP/IP networking";

/// Options by their name without `CONFIG_`: the menu, and the text there.
/// Menus as of Linux 6; an option of the wrong version is found by its name.
const MENU: &[(&str, &str, &str)] = &[
    ("BLK_CGROUP", GROUPS, "IO controller"),
    ("BLOCK", "", "Enable the block layer"),
    ("CGROUP_PIDS", GROUPS, "PIDs controller"),
    ("CGROUP_SCHED", GROUPS, "CPU controller"),
    ("CGROUPS", "General setup", "Control Group support"),
    (
        "CPU_FREQ",
        "Power management and ACPI options > CPU Frequency scaling",
        "CPU Frequency scaling",
    ),
    (
        "DEBUG_INFO_BTF",
        "Kernel hacking > Compile-time checks and compiler options",
        "Generate BTF type information",
    ),
    ("HWMON", "Device Drivers", "Hardware Monitoring support"),
    (
        "IKCONFIG_PROC",
        "General setup > Kernel .config support",
        "Enable access to .config through /proc/config.gz",
    ),
    (
        "INET",
        "Networking support > Networking options",
        "TCP/IP networking",
    ),
    ("INET_DIAG", TCP_IP, "INET: socket monitoring interface"),
    ("INET_UDP_DIAG", TCP_IP, "UDP: socket monitoring interface"),
    (
        "INOTIFY_USER",
        "File systems",
        "Inotify support for userspace",
    ),
    (
        "INTEL_RAPL",
        "Device Drivers > Generic powercap sysfs driver",
        "Intel RAPL Support via MSR Interface",
    ),
    ("MEMCG", GROUPS, "Memory controller"),
    ("NET", "", "Networking support"),
    (
        "NF_CONNTRACK",
        "Networking support > Networking options > Network packet filtering framework (Netfilter) > Core Netfilter Configuration",
        "Netfilter connection tracking support",
    ),
    ("OVERLAY_FS", "File systems", "Overlay filesystem support"),
    (
        "PERF_EVENTS",
        "General setup > Kernel Performance Events And Counters",
        "Kernel performance events and counters",
    ),
    (
        "PROC_CHILDREN",
        PSEUDO,
        "Include /proc/<pid>/task/<tid>/children file",
    ),
    (
        "PROC_EVENTS",
        "Device Drivers > Connector - unified userspace <-> kernelspace linker",
        "Report process events to userspace",
    ),
    ("PROC_FS", PSEUDO, "/proc file system support"),
    ("PROC_PAGE_MONITOR", PSEUDO, "Enable /proc page monitoring"),
    ("PSI", ACCOUNTING, "Pressure stall information tracking"),
    (
        "SCHEDSTATS",
        "Kernel hacking > Scheduler Debugging",
        "Collect scheduler statistics",
    ),
    (
        "SECCOMP",
        "General architecture-dependent options",
        "Enable seccomp to safely execute untrusted bytecode",
    ),
    ("SECURITY_LANDLOCK", "Security options", "Landlock support"),
    (
        "SWAP",
        "Memory Management options",
        "Support for paging of anonymous memory (swap)",
    ),
    ("SYSFS", PSEUDO, "sysfs file system support"),
    (
        "TASKSTATS",
        ACCOUNTING,
        "Export task/process statistics through netlink",
    ),
    (
        "TASK_DELAY_ACCT",
        ACCOUNTING,
        "Enable per-task delay accounting",
    ),
    (
        "TASK_IO_ACCOUNTING",
        ACCOUNTING,
        "Enable per-task storage I/O accounting",
    ),
    (
        "TASK_XACCT",
        ACCOUNTING,
        "Enable extended accounting over taskstats",
    ),
    (
        "USER_NS",
        "General setup > Namespaces support",
        "User namespace",
    ),
    (
        "VM_EVENT_COUNTERS",
        "Memory Management options",
        "Enable VM event counters for /proc/vmstat",
    ),
];

/// What the configuration says of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Built {
    In,
    Module,
    Out,
    /// No configuration was found.
    Unknown,
}

/// Whether the kernel was built with an option.
pub(super) fn find_built(host: &Host<'_>, symbol: &str) -> Built {
    match host.config.as_ref().map(|config| config.setting(symbol)) {
        None => Built::Unknown,
        Some(Setting::Yes | Setting::Text(_)) => Built::In,
        Some(Setting::Module) => Built::Module,
        Some(Setting::No) => Built::Out,
    }
}

impl Host<'_> {
    /// A file that need only be readable and say something.
    pub(super) fn try_file(&self, path: &Path, symbol: &str) -> Finding {
        match self.read_file(path) {
            Ok(text) if !text.is_empty() => Finding::available(path.display().to_string()),
            Ok(_) => {
                let evidence = format!("{}: empty", path.display());
                Finding::missing("the file is empty", render_option(self, symbol), evidence)
            }
            Err(error) => self.explain(path, &error, || render_option(self, symbol)),
        }
    }
}

/// Says how to build a kernel that has the option, and how it is set now.
pub(super) fn render_option(host: &Host<'_>, symbol: &str) -> String {
    let mut text = format!("CONFIG_{symbol}=y in the kernel's configuration");
    let entry = MENU.iter().find(|(known, ..)| *known == symbol);
    if let Some((_, menu, prompt)) = entry {
        text.push_str(": ");
        if !menu.is_empty() {
            text.push_str(&format!("{menu} > "));
        }
        text.push_str(prompt);
    }
    if let Some(config) = &host.config {
        text.push_str(&format!(" (now: {})", config.render_setting(symbol)));
        if find_built(host, symbol) == Built::In && !host.is_own_config() {
            let origin = config.origin.display();
            text.push_str(&format!("; is {origin} really of the running kernel?"));
        }
    }
    text
}

/// Says how to get what a module holds: load it where it was built, build it
/// otherwise.
pub(super) fn render_module(host: &Host<'_>, symbol: &str, module: &str) -> String {
    match find_built(host, symbol) {
        Built::Module => format!("modprobe {module}"),
        Built::Unknown => format!(
            "modprobe {module}; if there is no such module, {}",
            render_option(host, symbol)
        ),
        Built::In | Built::Out => render_option(host, symbol),
    }
}
