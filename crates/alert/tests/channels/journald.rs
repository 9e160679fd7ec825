//! Against a socket whose reader follows
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use std::fs::File;
use std::io::{IoSliceMut, Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, Journald, Kind, MESSAGE_ID};
use lfs_wrapper_alert::engine;
use lfs_wrapper_model::Severity;
use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::support::{notification, open, raised, send};

fn channel(path: &Path) -> Channel {
    open(Kind::Journald(Journald {
        path: path.to_owned(),
    }))
}

/// One entry, from a datagram or from the sealed file that came with it.
fn receive(socket: &UnixDatagram) -> (Vec<u8>, bool) {
    let mut bytes = vec![0; 1 << 20];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect(),
        _ => Vec::new(),
    });
    let Some(file) = files.next() else {
        bytes.truncate(received.bytes);
        return (bytes, false);
    };
    assert_eq!(received.bytes, 0);
    let sealed = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    assert!(fcntl_get_seals(&file).unwrap().contains(sealed));
    let mut file = File::from(file);
    let mut entry = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut entry).unwrap();
    (entry, true)
}

fn parse(mut entry: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let name = text(&entry[..end]);
        let is_binary = entry[end] == b'\n';
        entry = &entry[end + 1..];
        let length = if is_binary {
            let (length, rest) = entry.split_first_chunk().unwrap();
            entry = rest;
            usize::try_from(u64::from_le_bytes(*length)).unwrap()
        } else {
            entry.iter().position(|byte| *byte == b'\n').unwrap()
        };
        fields.push((name, text(&entry[..length])));
        assert_eq!(entry[length], b'\n');
        entry = &entry[length + 1..];
    }
    fields
}

fn bind(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

#[test]
fn entries_have_their_fields_and_lines_in_them_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert!(send(&channel(&path), &[raised("x")]).is_err());
    let socket = bind(&path);
    let mut one = raised("memory \u{1b}[2Jfull");
    one.labels
        .insert("mount point".to_owned(), "/a\nPRIORITY=0".to_owned());
    one.annotations.insert("note".to_owned(), String::new());
    send(&channel(&path), &[one]).unwrap();
    let (entry, is_file) = receive(&socket);
    assert!(!is_file);
    let fields = parse(&entry);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("MESSAGE", "memory  [2Jfull [raised]"),
            ("PRIORITY", "3"),
            ("SYSLOG_IDENTIFIER", "lfs-wrapper"),
            ("MESSAGE_ID", MESSAGE_ID),
            ("LFS_RULE", "memory"),
            ("LFS_KIND", "raised"),
            ("LFS_SEVERITY", "error"),
            ("LFS_ALERT", "1"),
            ("LFS_EVENT", "10"),
            ("LFS_HOST", "builder"),
            ("LFS_VALUE", "85.25"),
            ("LFS_RUNBOOK", "Stop what uses it."),
            ("LFS_LABEL_MOUNT_POINT", "/a\nPRIORITY=0"),
            ("LFS_LABEL_RESOURCE", "memory"),
            ("LFS_ANNOTATION_NOTE", ""),
        ]
    );
}

#[test]
fn each_severity_has_its_priority() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = bind(&path);
    let all = Severity::ALL.map(|severity| notification(1, engine::Kind::Raised, severity, "m"));
    send(&channel(&path), &all).unwrap();
    let priorities = Severity::ALL.map(|_| parse(&receive(&socket).0)[1].1.clone());
    assert_eq!(priorities, ["6", "4", "3", "2", "0"]);
}

#[test]
fn what_no_datagram_holds_comes_as_a_sealed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = bind(&path);
    let mut one = raised("long");
    let long = "line\n".repeat(1 << 18);
    one.annotations.insert("log".to_owned(), long.clone());
    send(&channel(&path), &[one, raised("short")]).unwrap();
    let (entry, is_file) = receive(&socket);
    assert!(is_file);
    assert!(parse(&entry).contains(&("LFS_ANNOTATION_LOG".to_owned(), long)));
    let (entry, is_file) = receive(&socket);
    assert!(!is_file && parse(&entry)[0].1 == "memory: short [raised]");
}
