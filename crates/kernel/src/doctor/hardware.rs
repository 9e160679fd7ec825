//! Temperatures, clock rates and energy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::doctor::host::Host;
use crate::doctor::option::{Built, find_built, render_option};
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Hardware",
    checks: &[
        Check {
            id: "hwmon",
            title: "Temperatures and fans",
            level: Level::Optional,
            needed_for: "temperatures, fans and voltages",
            probe: try_sensors,
        },
        Check {
            id: "cpufreq",
            title: "Clock rates",
            level: Level::Optional,
            needed_for: "the clock rate of each core, and whether heat holds it back",
            probe: try_clock_rates,
        },
        Check {
            id: "rapl",
            title: "Energy",
            level: Level::Optional,
            needed_for: "the energy that processors and a build used",
            probe: try_energy,
        },
    ],
};

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 4096;

const ON_THE_HOST: &str = "a virtual machine has none; measure on the machine it runs on";

/// Whether this is a virtual machine, which has no such hardware.
fn is_virtual(host: &Host<'_>) -> bool {
    let text = host.read_word(&host.proc("cpuinfo")).unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| {
        flags
            .split_ascii_whitespace()
            .any(|flag| flag == "hypervisor")
    })
}

/// The entries of a folder, in order.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX);
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn try_sensors(host: &Host<'_>) -> Finding {
    let folder = host.sys("class/hwmon");
    if let Some(sensor) = list(&folder).first() {
        return Finding::available(sensor.display().to_string());
    }
    let evidence = format!("{}: no sensor", folder.display());
    if is_virtual(host) {
        return Finding::missing("no such hardware", ON_THE_HOST, evidence);
    }
    let drivers = "the driver of the sensors (CONFIG_SENSORS_CORETEMP for Intel, \
                   CONFIG_SENSORS_K10TEMP for AMD processors)";
    let how = match find_built(host, "HWMON") {
        Built::In => format!("{drivers}; sensors-detect of lm-sensors finds others"),
        _ => format!("{}, and {drivers}", render_option(host, "HWMON")),
    };
    Finding::missing("no sensor is known to the kernel", how, evidence)
}

fn try_clock_rates(host: &Host<'_>) -> Finding {
    let folder = host.sys("devices/system/cpu");
    let rates = list(&folder)
        .into_iter()
        .map(|cpu| cpu.join("cpufreq/scaling_cur_freq"));
    if let Some(rate) = rates.into_iter().find(|rate| host.read_file(rate).is_ok()) {
        return Finding::available(rate.display().to_string());
    }
    let how = if is_virtual(host) {
        ON_THE_HOST.to_owned()
    } else {
        let driver = "the driver of the processor (CONFIG_X86_INTEL_PSTATE, CONFIG_X86_AMD_PSTATE \
                      or CONFIG_X86_ACPI_CPUFREQ)";
        format!("{}, and {driver}", render_option(host, "CPU_FREQ"))
    };
    let shown = folder.display();
    let evidence = format!("{shown}/cpu*/cpufreq/scaling_cur_freq: not there");
    let text = host.read_word(&host.proc("cpuinfo")).unwrap_or_default();
    if text.lines().any(|line| line.starts_with("cpu MHz")) {
        let evidence = format!("{evidence}; {}: cpu MHz", host.proc("cpuinfo").display());
        return Finding::limited(
            "no limits, and rates only from /proc/cpuinfo",
            how,
            evidence,
        );
    }
    Finding::missing("nothing sets clock rates", how, evidence)
}

fn try_energy(host: &Host<'_>) -> Finding {
    let folder = host.sys("class/powercap");
    let zones = list(&folder).into_iter().map(|zone| zone.join("energy_uj"));
    let Some(path) = zones.into_iter().find(|path| host.is_there(path)) else {
        let evidence = format!("{}/*/energy_uj: not there", folder.display());
        if is_virtual(host) {
            return Finding::missing("no such hardware", ON_THE_HOST, evidence);
        }
        let how = render_option(host, "INTEL_RAPL");
        return Finding::missing("no counter of energy is known to the kernel", how, evidence);
    };
    match host.read_file(&path) {
        Ok(_) => Finding::available(path.display().to_string()),
        Err(error) => host.explain(&path, &error, || render_option(host, "INTEL_RAPL")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    const RATE: &str = "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq";
    const ENERGY: &str = "sys/class/powercap/intel-rapl:0/energy_uj";

    fn refuse_energy(path: &Path) -> std::io::Result<Vec<u8>> {
        if path.ends_with("energy_uj") {
            return fail(Errno::ACCESS);
        }
        std::fs::read(path)
    }

    #[test]
    fn hardware_lacks_a_driver_or_is_not_there() {
        let live = allow_all();
        let real = Tree::mounted();
        real.write("proc/cpuinfo", b"flags\t\t: fpu vme\n");
        let guest = Tree::mounted();
        guest.write(
            "proc/cpuinfo",
            b"flags\t\t: fpu hypervisor\ncpu MHz\t\t: 2000.0\n",
        );
        let table = [
            ("hwmon", "missing", "CONFIG_HWMON=y"),
            ("cpufreq", "limited", "CONFIG_CPU_FREQ=y"),
            ("rapl", "missing", "CONFIG_INTEL_RAPL=y"),
        ];
        for (id, of_guest, option) in table {
            real.expect(&live, id, "missing", &[option, "/sys/"]);
            guest.expect(&live, id, of_guest, &["virtual machine"]);
        }
        real.write("sys/class/hwmon/hwmon0/name", b"coretemp\n");
        real.write(RATE, b"800000\n");
        real.write(ENERGY, b"1\n");
        for (id, ..) in table {
            real.expect(&live, id, "ok", &["sys/"]);
        }
        let refuses = Live {
            read: refuse_energy,
            ..live
        };
        real.expect(&refuses, "rapl", "missing", &["sandbox", "EACCES"]);
    }
}
