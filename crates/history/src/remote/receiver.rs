//! A receiver of remote write on loopback that keeps what Prometheus would keep,
//! and fails on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use prost::Message;

use super::message::WriteRequest;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing bad.
    None,
    /// This status instead of what there is to say; nothing is kept.
    Status(u16),
    /// This status, and the request's head in one line; nothing is kept.
    Echo(u16),
    /// It is not answered, and nothing is kept.
    Hang,
    /// It is kept, but the connection ends in the middle of the answer's head.
    CutAnswer,
    /// The connection ends before anything is kept.
    CutRequest,
}

/// What has arrived: for each series, times and the bits of values.
pub(super) type Kept = BTreeMap<Vec<(String, String)>, Vec<(i64, u64)>>;

#[derive(Default)]
pub(super) struct Seen {
    pub(super) kept: Kept,
    pub(super) metadata: Vec<String>,
    pub(super) heads: Vec<String>,
    pub(super) refused: usize,
    /// Samples that were there already, to the bit, and the newest of their series.
    pub(super) repeated: usize,
}

/// What outlives a restart of the receiver.
#[derive(Clone, Default)]
pub(super) struct Memory(pub(super) Arc<Mutex<Seen>>);

pub(super) type Faults = Arc<dyn Fn(usize) -> Fault + Send + Sync>;

pub(super) struct Receiver {
    pub(super) port: u16,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on `port`; any that is free where it is 0.
    pub(super) fn start(port: u16, memory: Memory, faults: Faults) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        // One connection after another: an endpoint has but one sender here.
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // A sender that has gone away is no fault of the receiver's.
                let _ = serve(&stream.unwrap(), &memory, &faults, &ended);
            }
        });
        Self {
            port,
            is_ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(
    stream: &TcpStream,
    memory: &Memory,
    faults: &Faults,
    ended: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut reader = BufReader::new(stream);
    loop {
        // Idle, until something comes or the receiver ends.
        while let Err(error) = reader.fill_buf() {
            let is_idle = error.kind() == std::io::ErrorKind::WouldBlock;
            if !is_idle || ended.load(Ordering::SeqCst) {
                return Err(error);
            }
        }
        if reader.buffer().is_empty() {
            return Ok(());
        }
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let (head, body) = read_request(&mut reader)?;
        let number = {
            let mut seen = memory.0.lock().unwrap();
            seen.heads.push(head.to_ascii_lowercase());
            seen.heads.len()
        };
        let answer = match faults(number) {
            Fault::None => render_answer(keep(memory, &body)),
            Fault::Status(status) => render_answer(status),
            Fault::Echo(status) => {
                let body = head.replace("\r\n", " ");
                let length = body.len();
                format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            Fault::CutRequest => return Ok(()),
            Fault::CutAnswer => {
                keep(memory, &body);
                (&*stream).write_all(b"HTTP/1.1 20")?;
                return Ok(());
            }
            Fault::Hang => {
                // Until the sender has enough of it.
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest)?;
                return Ok(());
            }
        };
        (&*stream).write_all(answer.as_bytes())?;
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    }
}

fn render_answer(status: u16) -> String {
    let extra = match status {
        429 => "Retry-After: 0\r\n",
        302 => "Location: http://elsewhere.invalid/\r\n",
        _ => "",
    };
    let body = "because\n";
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\n{extra}Content-Length: {length}\r\n\r\n{body}")
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

/// As Prometheus 2.42 does it: all of a request or nothing; for each series, the
/// newest sample once more is nothing new, and an older one is refused.
fn keep(memory: &Memory, body: &[u8]) -> u16 {
    let body = snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let request = WriteRequest::decode(body.as_slice()).unwrap();
    let mut seen = memory.0.lock().unwrap();
    let families = request.metadata.into_iter().map(|one| one.family);
    seen.metadata.extend(families);
    let mut kept = seen.kept.clone();
    for series in request.timeseries {
        let labels = series.labels.into_iter();
        let labels: Vec<(String, String)> = labels.map(|one| (one.name, one.value)).collect();
        assert!(
            labels.is_sorted_by(|one, next| one.0 < next.0),
            "{labels:?}"
        );
        let samples = kept.entry(labels).or_default();
        for sample in series.samples {
            let sample = (sample.timestamp, sample.value.to_bits());
            match samples.last() {
                Some(last) if *last == sample => seen.repeated += 1,
                Some(last) if last.0 >= sample.0 => {
                    seen.refused += 1;
                    return 400;
                }
                _ => samples.push(sample),
            }
        }
    }
    seen.kept = kept;
    204
}
