//! systemd's journal, by its native protocol
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::cmsg_space;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::SendError;
use super::text::{lines, render_sentence};
use crate::notification::{Message, Notification, Reason};

/// The journal's MESSAGE_ID of every alert, for `journalctl MESSAGE_ID=…` and
/// message catalogues.
pub const MESSAGE_ID: &str = "7d1f9a3c5be84e0f9c26a8d4e1b05f73";

/// The longest name of a field that the journal keeps.
const FIELD_NAME_BYTES_MAX: usize = 64;

/// systemd's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journald {
    /// Its socket.
    pub path: PathBuf,
}

impl Default for Journald {
    fn default() -> Self {
        Self {
            path: "/run/systemd/journal/socket".into(),
        }
    }
}

impl Journald {
    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        self.send_all(message).map_err(|error| {
            let path = self.path.display();
            SendError::again(format!("sending to the journal at {path}: {error}"))
        })
    }

    fn send_all(&self, message: &Message<'_>) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        // A journal that hangs must not hold up the other channels.
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        for one in message.notifications {
            let entry = render(message, one);
            match socket.send(&entry) {
                Err(error) if is_too_long(&error) => send_file(&socket, &entry)?,
                sent => drop(sent?),
            }
        }
        Ok(())
    }
}

fn is_too_long(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::MSGSIZE | rustix::io::Errno::NOBUFS)
    )
}

/// What no datagram holds goes as a file in memory that nobody can change any
/// more.
fn send_file(socket: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("lfs-wrapper-journal", flags)?);
    file.write_all(entry)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // There is room for the one descriptor.
    control.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(
        socket,
        &[IoSlice::new(&[])],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// One entry: fields, each `NAME=value` and an end of line.
pub(super) fn render(message: &Message<'_>, one: &Notification) -> Vec<u8> {
    let test = match message.reason {
        Reason::Test => "TEST ",
        Reason::Group | Reason::Outage { .. } | Reason::Quiet => "",
    };
    let text = format!("{test}{} [{}]", render_sentence(one), one.kind.as_str());
    let mut fields = vec![
        ("MESSAGE".to_owned(), text),
        (
            "PRIORITY".to_owned(),
            one.severity.syslog_number().to_string(),
        ),
        ("SYSLOG_IDENTIFIER".to_owned(), "lfs-wrapper".to_owned()),
        ("MESSAGE_ID".to_owned(), MESSAGE_ID.to_owned()),
        ("LFS_RULE".to_owned(), one.rule.clone()),
        ("LFS_KIND".to_owned(), one.kind.as_str().to_owned()),
        ("LFS_SEVERITY".to_owned(), one.severity.as_str().to_owned()),
        ("LFS_ALERT".to_owned(), one.alert.to_string()),
        ("LFS_EVENT".to_owned(), one.event.to_string()),
        ("LFS_HOST".to_owned(), message.host.to_owned()),
    ];
    if let Some(value) = one.value {
        fields.push(("LFS_VALUE".to_owned(), value.to_string()));
    }
    if !one.runbook.is_empty() {
        fields.push(("LFS_RUNBOOK".to_owned(), one.runbook.clone()));
    }
    let named = |prefix: &'static str| {
        move |(name, value): (&String, &String)| (render_name(prefix, name), value.clone())
    };
    fields.extend(one.labels.iter().map(named("LFS_LABEL_")));
    fields.extend(one.annotations.iter().map(named("LFS_ANNOTATION_")));
    let mut entry = Vec::new();
    for (name, value) in &fields {
        append_field(&mut entry, name, &lines(value));
    }
    entry
}

/// Upper-case letters, digits and underscores, as the journal wants them.
fn render_name(prefix: &str, name: &str) -> String {
    let allowed = |one: char| match one.to_ascii_uppercase() {
        upper if upper.is_ascii_alphanumeric() => upper,
        _ => '_',
    };
    let name = prefix.chars().chain(name.chars().map(allowed));
    name.take(FIELD_NAME_BYTES_MAX).collect()
}

/// A value with an end of line in it goes after its length, 64 bits little
/// endian.
fn append_field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}
