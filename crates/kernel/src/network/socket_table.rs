//! The kernel's tables of sockets as text, `/proc/net/tcp`, `tcp6`, `udp` and
//! `udp6` (proc_pid_net(5)), and the points of UDP's queues.

use std::io::ErrorKind;
use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_hex, words};

static UDP_QUEUES: &Metric = metric!(
    Gauge,
    "node_udp_queues",
    "Number of allocated memory in the kernel for UDP datagrams in bytes."
);

/// One socket of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketRow {
    /// As in [`crate::network::tcp::STATES`].
    pub(crate) state: u8,
    /// What waits to be sent or acknowledged.
    pub(crate) transmit_bytes: u64,
    /// What waits to be read; for a listening socket, connections that wait to
    /// be accepted.
    pub(crate) receive_bytes: u64,
}

/// Reads UDP's queues, each the sum over all sockets of its family. Cheap
/// while there are few sockets: fit for every sample.
pub(crate) fn read_udp_queues(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    for (ip, name) in [("v4", "net/udp"), ("v6", "net/udp6")] {
        let mut queues = (0_u64, 0_u64);
        let add = |row: SocketRow| {
            queues.0 = queues.0.saturating_add(row.transmit_bytes);
            queues.1 = queues.1.saturating_add(row.receive_bytes);
        };
        if read_sockets(source, &roots.procfs.join(name), add).is_some() {
            for (queue, bytes) in [("tx", queues.0), ("rx", queues.1)] {
                let labels = [("ip", ip), ("queue", queue)];
                points.push(Point::labelled(UDP_QUEUES, &labels, bytes as f64));
            }
        }
    }
}

/// Reads one table. `None` where it could not be read as a whole, with a note
/// unless the kernel lacks its protocol; then what `each` was given is not all.
pub(crate) fn read_sockets(
    source: &mut Source,
    path: &Path,
    each: impl FnMut(SocketRow),
) -> Option<()> {
    let parsed = match source.read_kept(path) {
        Ok(text) => parse_sockets(text, each),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            source.note("network", path, render_error(&error));
            return None;
        }
    };
    if parsed.is_none() {
        source.note("network", path, "not a whole table of sockets");
    }
    parsed
}

/// Parses a table; `None` where a line is damaged or cut short, since sums of
/// the rest would be wrong.
pub(crate) fn parse_sockets(text: &[u8], mut each: impl FnMut(SocketRow)) -> Option<()> {
    let (heading, rows) = text.split_at_checked(1 + text.iter().position(|b| *b == b'\n')?)?;
    if !text.ends_with(b"\n") {
        return None;
    }
    let heading = heading.trim_ascii();
    let find = |name: &[u8]| words(heading).position(|word| word == name);
    // The two queues stand in one word; what is before them has a word each.
    let (state, queues) = (find(b"st")?, find(b"tx_queue")?);
    if find(b"rx_queue") != Some(queues + 1) || state > queues {
        return None;
    }
    for line in lines(rows) {
        each(parse_row(line, state, queues)?);
    }
    Some(())
}

fn parse_row(line: &[u8], state: usize, queues: usize) -> Option<SocketRow> {
    let mut words = words(line);
    let state_word = words.nth(state)?;
    let both = words.nth(queues.checked_sub(state + 1)?)?;
    let colon = both.iter().position(|byte| *byte == b':')?;
    let (transmit, receive) = both.split_at_checked(colon)?;
    Some(SocketRow {
        state: u8::try_from(parse_hex(state_word)?).ok()?,
        transmit_bytes: parse_hex(transmit)?,
        receive_bytes: parse_hex(receive.strip_prefix(b":")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const LISTEN: &str = "   0: 00000000:07E8 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 1579 1 00000000103231c7 100 0 0 10 0\n";
    const UDP: &str = "  77: 0100007F:0035 00000000:0000 07 00000010:0000FF00 00:00000000 00000000   101        0 1579 2 00000000103231c7 3\n";

    fn parse(text: &str) -> Option<Vec<(u8, u64, u64)>> {
        let mut rows = Vec::new();
        let each = |row: SocketRow| rows.push((row.state, row.transmit_bytes, row.receive_bytes));
        parse_sockets(text.as_bytes(), each).map(|()| rows)
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let text = [HEADING, LISTEN, UDP].concat();
        assert_eq!(parse(&text), Some(vec![(10, 0, 2), (7, 16, 0xff00)]));
        assert_eq!(parse(HEADING), Some(Vec::new()));
        let other_order = "new st sl tx_queue rx_queue\n1 0A 0: 05:06\n";
        assert_eq!(parse(other_order), Some(vec![(10, 5, 6)]));
    }

    #[test]
    fn a_part_of_a_table_is_none() {
        let cut = [HEADING, LISTEN.trim_end()].concat();
        for text in [
            "",
            "\n",
            LISTEN,
            &cut,
            "sl st tx_queue\n",
            "sl st rx_queue tx_queue\n",
            "tx_queue rx_queue st\n0:0 0A\n",
            "st tx_queue rx_queue\n0A\n",
            "st tx_queue rx_queue\n0A 0000\n",
            "st tx_queue rx_queue\n0A -1:0\n",
            "st tx_queue rx_queue\n100 0:0\n",
            "st tx_queue rx_queue\n0A 0:\n",
            "st tx_queue rx_queue\n\u{fffd}\n",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn queues_are_summed_for_each_family_there_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        let text = [HEADING, UDP, UDP].concat();
        std::fs::write(folder.path().join("net/udp"), text).unwrap();
        let roots = Roots {
            procfs: folder.path().to_owned(),
            ..Roots::default()
        };
        let (mut source, mut points) = (Source::default(), Vec::new());
        read_udp_queues(&mut source, &roots, &mut points);
        let found: Vec<_> = points.iter().map(|one| (one.series(), one.value)).collect();
        let expected = [
            ("node_udp_queues{ip=\"v4\",queue=\"tx\"}".to_owned(), 32.0),
            (
                "node_udp_queues{ip=\"v4\",queue=\"rx\"}".to_owned(),
                f64::from(2 * 0xff00),
            ),
        ];
        assert_eq!(found, expected);
        assert_eq!(source.take_absent(), []);
        std::fs::write(folder.path().join("net/udp6"), "st\n").unwrap();
        read_udp_queues(&mut source, &roots, &mut points);
        assert_eq!(source.take_absent().len(), 1);
    }
}
