//! Both of the kernel's sockets, read together.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cadence::read_monotonic_usec;
use crate::exits::aggregate::{Aggregate, Telling};
use crate::exits::connector::{ProcEvent, Sequences, open_connector, parse_event};
use crate::exits::process_exit::ProcessExit;
use crate::exits::refusal::{ExitsError, Refusal};
use crate::exits::task_exit::names_process;
use crate::exits::taskstats::{Taskstats, read_drops};
use crate::netlink::{NetlinkSocket, parse_messages};
use crate::roots::Roots;

/// Datagrams read from one socket in one round, so that a flood cannot keep
/// the caller from its other work; a round that was cut short goes on with the
/// next call.
const ROUND_DATAGRAMS_MAX: usize = 32_768;

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostKind {
    /// Records of threads that ended.
    Records,
    /// Events of starting, replacing and ending.
    Events,
}

/// Something that happened to processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most events are the large one, and a box for each would cost more than the room"
)]
pub enum ExitEvent {
    /// A process started another. It always comes before that one's `Gone`.
    Fork {
        /// Who started it.
        parent_tgid: u32,
        /// The new process.
        child_tgid: u32,
    },
    /// A process became another program.
    Exec {
        /// The process.
        tgid: u32,
    },
    /// A thread became another user.
    Uid {
        /// The thread.
        pid: u32,
        /// Its process.
        tgid: u32,
        /// Its real user now.
        real: u32,
        /// Its effective user now.
        effective: u32,
    },
    /// A process ended.
    Gone(ProcessExit),
    /// The kernel had more to tell than there was room for.
    Lost {
        /// Of what.
        what: LostKind,
        /// How many; `None` where that is told by another `Lost`, or never.
        count: Option<u64>,
    },
}

/// What was lost since the stream was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Records that the kernel dropped, as far as their number is known.
    pub records: u64,
    /// How often it dropped some.
    pub record_overflows: u64,
    /// Events that are missing in the kernel's numbering.
    pub events: u64,
    /// How often the kernel dropped some.
    pub event_overflows: u64,
    /// Messages that could not be understood.
    pub unparsed: u64,
    /// Processes that were told of without all of their records.
    pub partial_processes: u64,
    /// Records that came after their process had been told of.
    pub late_records: u64,
    /// Processes whose root was forgotten for want of room.
    pub forgotten_processes: u64,
}

impl Losses {
    /// All that was lost, as far as it can be counted: an overflow without a
    /// number is one at least.
    pub fn count(&self) -> u64 {
        let Self {
            records,
            record_overflows,
            events,
            event_overflows,
            unparsed,
            partial_processes,
            late_records: _,
            forgotten_processes,
        } = *self;
        records.max(record_overflows)
            + events.max(event_overflows)
            + unparsed
            + partial_processes
            + forgotten_processes
    }
}

/// What a stream is read from.
#[derive(Debug)]
pub struct Sources {
    /// taskstats: what was used. The version of its records, or why there are none.
    pub records: Result<u16, Refusal>,
    /// The process connector: starts, users, and ends that no record told.
    /// Without it, no `Fork`, `Exec` and `Uid` comes.
    pub events: Result<(), Refusal>,
}

/// Every process of the machine that ends, from when this was opened.
///
/// The kernel holds what comes for about half a second of the fastest forking,
/// so a caller need not wake up for each process: [`ExitStream::poll`] with a
/// timeout of 0 after a sleep of 100 to 200 ms takes all at once.
#[derive(Debug)]
pub struct ExitStream {
    procfs: PathBuf,
    taskstats: Option<Taskstats>,
    connector: Option<NetlinkSocket>,
    sources: Sources,
    aggregate: Aggregate,
    sequences: Sequences,
    losses: Losses,
    /// Drops of the records' socket, as the kernel counted them last.
    drops: u64,
    buffer: Vec<u8>,
}

impl ExitStream {
    /// Opens what of the two sources there is; an error if there is neither.
    pub fn open(roots: &Roots) -> Result<Self, ExitsError> {
        // Records first: an event whose record was never asked for would pass
        // for a loss.
        let (taskstats, records) = match Taskstats::open(roots) {
            Ok(taskstats) => {
                let version = taskstats.version;
                (Some(taskstats), Ok(version))
            }
            Err(refusal) => (None, Err(refusal)),
        };
        let (connector, events) = match open_connector(roots) {
            Ok(connector) => (Some(connector), Ok(())),
            Err(refusal) => (None, Err(refusal)),
        };
        let sources = match (records, events) {
            (Err(records), Err(events)) => return Err(ExitsError::Refused { records, events }),
            (records, events) => Sources { records, events },
        };
        let version = sources.records.as_ref().ok();
        let telling = Telling {
            records: taskstats.is_some(),
            names: version.is_some_and(|version| names_process(*version)),
            events: connector.is_some(),
        };
        Ok(Self {
            procfs: roots.procfs.clone(),
            taskstats,
            connector,
            sources,
            aggregate: Aggregate::new(telling),
            sequences: Sequences::default(),
            losses: Losses::default(),
            drops: 0,
            buffer: Vec::new(),
        })
    }

    /// What there is to read from, and why not more.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        Losses {
            partial_processes: self.aggregate.partial,
            late_records: self.aggregate.late_records,
            ..self.losses
        }
    }

    /// Waits until something happens or `timeout` is over, and adds all that
    /// has happened to `events`. A process of several threads may be told of by
    /// a later call than its end; call again within a second even if nothing
    /// came.
    pub fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ExitEvent>,
    ) -> Result<(), ExitsError> {
        self.wait(timeout)?;
        self.aggregate.begin_round(read_monotonic_usec() / 1000);
        // Records, then events: see `aggregate`.
        let are_records_read = self.read_records(events)?;
        let are_events_read = self.read_events(events)?;
        if are_records_read && are_events_read {
            self.aggregate.end_round();
        }
        flush(&mut self.aggregate, events);
        Ok(())
    }

    fn wait(&self, timeout: Duration) -> Result<(), ExitsError> {
        let records = self.taskstats.as_ref().map(|taskstats| &taskstats.socket);
        let sockets = records.into_iter().chain(self.connector.as_ref());
        let mut descriptors: Vec<_> = sockets
            .map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(ExitsError::Read {
                what: "poll",
                source: error.into(),
            }),
        }
    }

    /// True when nothing is left.
    fn read_records(&mut self, events: &mut Vec<ExitEvent>) -> Result<bool, ExitsError> {
        let Some(taskstats) = &self.taskstats else {
            return Ok(true);
        };
        for _ in 0..ROUND_DATAGRAMS_MAX {
            match receive(&taskstats.socket, &mut self.buffer) {
                Ok(Received::Datagram) => {
                    for message in parse_messages(&self.buffer) {
                        match taskstats.parse(&message) {
                            Some(task) => self.aggregate.on_record(&task),
                            None => self.losses.unparsed += 1,
                        }
                    }
                }
                Ok(Received::Nothing) => return Ok(true),
                Ok(Received::Overflow) => {
                    let drops = read_drops(&taskstats.socket, &self.procfs);
                    let count = drops.map(|drops| drops.saturating_sub(self.drops));
                    self.drops = drops.unwrap_or(self.drops);
                    self.losses.record_overflows += 1;
                    self.losses.records += count.unwrap_or_default();
                    let what = LostKind::Records;
                    events.push(ExitEvent::Lost { what, count });
                }
                Err(source) => {
                    let what = "taskstats";
                    return Err(ExitsError::Read { what, source });
                }
            }
        }
        Ok(false)
    }

    /// True when nothing is left.
    fn read_events(&mut self, events: &mut Vec<ExitEvent>) -> Result<bool, ExitsError> {
        let Some(connector) = self.connector.take() else {
            return Ok(true);
        };
        let read = self.read_connector(&connector, events);
        self.connector = Some(connector);
        read.map_err(|source| {
            let what = "process connector";
            ExitsError::Read { what, source }
        })
    }

    fn read_connector(
        &mut self,
        connector: &NetlinkSocket,
        events: &mut Vec<ExitEvent>,
    ) -> io::Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut is_read = false;
        for _ in 0..ROUND_DATAGRAMS_MAX {
            match receive(connector, &mut buffer)? {
                Received::Datagram => {
                    for message in parse_messages(&buffer) {
                        self.on_message(message.payload, events);
                    }
                }
                Received::Nothing => {
                    is_read = true;
                    break;
                }
                Received::Overflow => {
                    self.losses.event_overflows += 1;
                    self.aggregate.on_events_lost();
                    let what = LostKind::Events;
                    events.push(ExitEvent::Lost { what, count: None });
                }
            }
        }
        self.buffer = buffer;
        Ok(is_read)
    }

    fn on_message(&mut self, payload: &[u8], events: &mut Vec<ExitEvent>) {
        let Some(numbered) = parse_event(payload) else {
            self.losses.unparsed += 1;
            return;
        };
        let gap = self.sequences.derive_gap(numbered.cpu, numbered.sequence);
        if gap > 0 {
            let gap = u64::from(gap);
            self.losses.events += gap;
            self.aggregate.on_events_lost();
            let (what, count) = (LostKind::Events, Some(gap));
            events.push(ExitEvent::Lost { what, count });
        }
        self.aggregate.on_event(&numbered.event);
        // What ended before this event is told before it, so that a pid that is
        // used again is never taken for its former bearer.
        flush(&mut self.aggregate, events);
        events.extend(derive_event(&numbered.event));
    }
}

fn flush(aggregate: &mut Aggregate, events: &mut Vec<ExitEvent>) {
    events.extend(aggregate.ready.drain(..).map(ExitEvent::Gone));
}

/// What of an event is told on.
fn derive_event(event: &ProcEvent) -> Option<ExitEvent> {
    match *event {
        ProcEvent::Fork {
            parent_tgid,
            child_pid,
            child_tgid,
        } => (child_pid == child_tgid).then_some(ExitEvent::Fork {
            parent_tgid,
            child_tgid,
        }),
        ProcEvent::Exec { tgid, .. } => Some(ExitEvent::Exec { tgid }),
        ProcEvent::Uid {
            pid,
            tgid,
            real,
            effective,
        } => Some(ExitEvent::Uid {
            pid,
            tgid,
            real,
            effective,
        }),
        ProcEvent::Exit { .. } | ProcEvent::Answer { .. } | ProcEvent::Other => None,
    }
}

enum Received {
    Datagram,
    Nothing,
    Overflow,
}

fn receive(socket: &NetlinkSocket, buffer: &mut Vec<u8>) -> io::Result<Received> {
    match socket.receive(buffer) {
        Ok(true) => Ok(Received::Datagram),
        Ok(false) => Ok(Received::Nothing),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => Ok(Received::Overflow),
        Err(error) => Err(error),
    }
}
