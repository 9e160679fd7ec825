//! From the engines' types to those of the wire.

use lfs_wrapper_alert::store::{Alert, HistoryEntry};
use lfs_wrapper_api as api;
use lfs_wrapper_build::progress::{RunView, StepView, read_view};
use lfs_wrapper_build::record::Run;
use lfs_wrapper_kernel::{CpuFrame, FilesystemFrame, Frame};
use lfs_wrapper_model::{TimeMsec, render_local};

/// The run at the time `now_msec`.
pub fn run(run: &Run, now_msec: TimeMsec) -> api::Run {
    run_view(&read_view(run, now_msec))
}

/// The run as it is shown.
pub fn run_view(view: &RunView<'_>) -> api::Run {
    let run = view.run;
    api::Run {
        id: run.id,
        name: run.name.clone(),
        state: run.state.as_str(),
        reason: run.reason.clone(),
        started_msec: run.started_msec,
        ended_msec: run.ended_msec,
        percent: view.progress.map(|progress| progress.percent),
        eta_seconds: view.progress.map(|progress| progress.eta_seconds),
        root: run.options.root.display().to_string(),
        steps: view.steps.iter().map(step).collect(),
    }
}

fn step(view: &StepView<'_>) -> api::Step {
    let step = view.step;
    let attempt = step.attempt.as_ref();
    let text = |source: Option<&str>| source.map(str::to_owned);
    api::Step {
        id: step.id.clone(),
        title: step.title.clone(),
        package: step.package.clone(),
        version: step.version.clone(),
        state: step.state.as_str(),
        attempt: attempt.map(|attempt| attempt.number),
        phase: attempt.and_then(|attempt| attempt.phase.clone()),
        percent: view.progress.map(|progress| progress.percent),
        eta_seconds: view.progress.map(|progress| progress.eta_seconds),
        started_msec: attempt.map(|attempt| attempt.started_msec),
        ended_msec: attempt.and_then(|attempt| attempt.ended_msec),
        wall_seconds: view.wall_seconds,
        cpu_seconds: view.cpu_seconds(),
        user_seconds: view.user_seconds,
        system_seconds: view.system_seconds,
        reaped_cpu_seconds: view.reaped_cpu_seconds,
        cpu_source: text(view.cpu_source),
        memory_peak_bytes: view.memory_peak_bytes,
        memory_source: text(view.memory_source),
        read_bytes: view.io_bytes.map(|bytes| bytes.0),
        write_bytes: view.io_bytes.map(|bytes| bytes.1),
        io_source: text(view.io_source),
        processes: attempt.and_then(|attempt| Some(attempt.exits?.processes)),
        exit_code: attempt.and_then(|attempt| attempt.exit_code),
        signal: attempt.and_then(|attempt| attempt.signal),
        reason: attempt.and_then(|attempt| attempt.reason.clone()),
        first_error_line: attempt.and_then(|attempt| attempt.first_error.clone()),
        log: attempt.map(|attempt| attempt.log.display().to_string()),
    }
}

/// An alert.
pub fn alert(alert: Alert) -> api::Alert {
    api::Alert {
        id: alert.id,
        rule: alert.rule,
        severity: alert.severity,
        state: alert.state,
        labels: alert.labels,
        value: alert.value,
        threshold: alert.threshold,
        since_msec: alert.since_msec,
        changed_msec: alert.changed_msec,
        message: alert.message,
        runbook: alert.runbook,
    }
}

/// An entry of the alerts' history in the older program's shape.
pub(crate) fn legacy_alert(entry: HistoryEntry) -> api::LegacyAlert {
    let resource = entry.labels.get("resource").cloned();
    api::LegacyAlert {
        resource_name: resource.unwrap_or(entry.rule),
        current_value: entry.value,
        threshold_value: entry.threshold,
        alert_level: entry.severity,
        timestamp: render_local(entry.time_msec),
        message: entry.message,
    }
}

/// A frame in the older program's shape.
pub(crate) fn current_metrics(frame: &Frame) -> api::CurrentMetrics {
    let percent = |ratio: f64| (ratio * 1000.0).round() / 10.0;
    let root = |filesystem: &&FilesystemFrame| filesystem.mountpoint == "/";
    api::CurrentMetrics {
        cpu_percent: frame.cpu.as_ref().map(|cpu| percent(cpu.busy_ratio)),
        memory_percent: frame
            .memory
            .as_ref()
            .map(|memory| percent(memory.used_ratio)),
        disk_percent: frame
            .filesystems
            .iter()
            .find(root)
            .map(|root| percent(root.used_ratio)),
        network_io: frame.network.as_ref().map(|network| api::NetworkIo {
            bytes_sent: network.bytes_sent,
            bytes_recv: network.bytes_recv,
            packets_sent: network.packets_sent,
            packets_recv: network.packets_recv,
        }),
        process_count: frame.processes.as_ref().map(|processes| processes.count),
        timestamp: render_local(frame.time_msec),
    }
}

/// A frame.
pub(crate) fn frame(frame: &Frame) -> api::Frame {
    api::Frame {
        time_msec: frame.time_msec,
        interval_usec: frame.interval_usec,
        cpu: frame.cpu.as_ref().map(cpu),
        build_cpu_ratio: frame.build_cpu_ratio,
        build_processes: frame.build_processes,
        load: frame.load.as_ref().map(|load| api::Load {
            one: load.one,
            five: load.five,
            fifteen: load.fifteen,
        }),
        memory: frame.memory.as_ref().map(|memory| api::Memory {
            total_bytes: memory.total_bytes,
            available_bytes: memory.available_bytes,
            used_ratio: memory.used_ratio,
            swap_total_bytes: memory.swap_total_bytes,
            swap_used_bytes: memory.swap_used_bytes,
        }),
        filesystems: frame.filesystems.iter().map(filesystem).collect(),
        disk: frame.disk.as_ref().map(|disk| api::Disk {
            read_bytes_per_second: disk.read_bytes_per_second,
            write_bytes_per_second: disk.write_bytes_per_second,
            reads_per_second: disk.reads_per_second,
            writes_per_second: disk.writes_per_second,
            busiest: disk.busiest_device.clone(),
            busiest_ratio: disk.busy_ratio,
        }),
        network: frame.network.as_ref().map(|network| api::Network {
            receive_bytes_per_second: network.receive_bytes_per_second,
            transmit_bytes_per_second: network.transmit_bytes_per_second,
            bytes_sent: network.bytes_sent,
            bytes_recv: network.bytes_recv,
            packets_sent: network.packets_sent,
            packets_recv: network.packets_recv,
        }),
        pressure: api::Pressure {
            cpu_some: frame.pressure.cpu_some,
            memory_some: frame.pressure.memory_some,
            memory_full: frame.pressure.memory_full,
            io_some: frame.pressure.io_some,
            io_full: frame.pressure.io_full,
        },
        processes: frame.processes.as_ref().map(|processes| api::Processes {
            count: processes.count,
            running: processes.running,
            blocked: processes.blocked,
        }),
        absent: frame.absent.iter().map(absent).collect(),
    }
}

fn cpu(cpu: &CpuFrame) -> api::Cpu {
    let core = |core: &lfs_wrapper_kernel::CoreFrame| api::Core {
        core: core.core,
        busy_ratio: core.busy_ratio,
    };
    api::Cpu {
        busy_ratio: cpu.busy_ratio,
        user_ratio: cpu.user_ratio,
        system_ratio: cpu.system_ratio,
        iowait_ratio: cpu.iowait_ratio,
        steal_ratio: cpu.steal_ratio,
        cores: cpu.cores.iter().map(core).collect(),
    }
}

fn filesystem(filesystem: &FilesystemFrame) -> api::Filesystem {
    api::Filesystem {
        mountpoint: filesystem.mountpoint.clone(),
        device: filesystem.device.clone(),
        fstype: filesystem.fstype.clone(),
        read_only: filesystem.read_only,
        size_bytes: filesystem.size_bytes,
        available_bytes: filesystem.available_bytes,
        used_ratio: filesystem.used_ratio,
    }
}

fn absent(absent: &lfs_wrapper_kernel::Absent) -> api::Absent {
    api::Absent {
        what: absent.what.to_owned(),
        why: absent.why.clone(),
    }
}
