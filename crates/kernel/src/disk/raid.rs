//! Software RAID: `/proc/mdstat`.

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::{keep_first, metric};
use crate::roots::Roots;
use crate::source::Source;
use crate::text::{lines, parse_name, parse_u64, words};

static STATE: &Metric = metric!(Gauge, "node_md_state", "Indicates the state of md-device.");
static DISKS: &Metric = metric!(
    Gauge,
    "node_md_disks",
    "Number of active/failed/spare disks of device."
);
static DISKS_REQUIRED: &Metric = metric!(
    Gauge,
    "node_md_disks_required",
    "Total number of disks of device."
);
static BLOCKS: &Metric = metric!(Gauge, "node_md_blocks", "Total number of blocks on device.");
static BLOCKS_SYNCED: &Metric = metric!(
    Gauge,
    "node_md_blocks_synced",
    "Number of blocks synced on device."
);

const STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];

/// Kinds of RAID that lose their data with one disk: all disks are required,
/// and the kernel says so nowhere.
const WITHOUT_SPARE: [&[u8]; 2] = [b"raid0", b"linear"];

/// How the last line begins.
const CLOSING: &[u8] = b"unused devices:";

/// One array, with what of it could be made out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Array {
    device: String,
    /// One of [`STATES`].
    state: Option<&'static str>,
    /// Disks of the array that bear no mark, that bear the mark of a failed
    /// one, and of a spare.
    unmarked: u64,
    failed: u64,
    spare: u64,
    is_without_spare: bool,
    /// Disks there should be and disks that work: `[4/3]`.
    counts: Option<(u64, u64)>,
    /// KiB.
    blocks: Option<u64>,
    synced: Option<Synced>,
}

/// How far a synchronisation is.
#[derive(Debug, PartialEq, Eq)]
enum Synced {
    /// It waits for its turn.
    Waits,
    /// KiB.
    Blocks(u64),
}

/// Reads the arrays; slow, since the kernel stops their I/O for a moment to
/// tell.
pub(crate) fn read_raids(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    if let Ok(text) = source.read_text(&roots.procfs.join("mdstat")) {
        parse_mdstat(text)
            .iter()
            .for_each(|array| array.expose(points));
    }
}

impl Array {
    pub(crate) fn expose(&self, points: &mut Vec<Point>) {
        let device = [("device", self.device.as_str())];
        let mut push = |metric, value: u64| {
            points.push(Point::labelled(metric, &device, value as f64));
        };
        let required = match (self.state, self.counts) {
            (Some("inactive"), _) => Some(0),
            (_, Some((required, _))) => Some(required),
            _ => self.is_without_spare.then_some(self.unmarked),
        };
        if let Some(required) = required {
            push(DISKS_REQUIRED, required);
        }
        if let Some(blocks) = self.blocks {
            push(BLOCKS, blocks);
            push(
                BLOCKS_SYNCED,
                match self.synced {
                    None => blocks,
                    Some(Synced::Waits) => 0,
                    Some(Synced::Blocks(synced)) => synced,
                },
            );
        }
        let active = match (self.state, self.counts) {
            (Some("inactive"), _) => Some(0),
            (_, Some((_, active))) => Some(active),
            _ => self.is_without_spare.then_some(self.unmarked),
        };
        let disks = [
            ("active", active),
            ("failed", Some(self.failed)),
            ("spare", Some(self.spare)),
        ];
        let labelled = |metric, state: &str, value: f64| {
            Point::labelled(metric, &[("device", &self.device), ("state", state)], value)
        };
        points.extend(
            disks
                .into_iter()
                .filter_map(|(state, count)| Some(labelled(DISKS, state, count? as f64))),
        );
        if let Some(state) = self.state {
            let is = |other: &str| f64::from(u8::from(other == state));
            points.extend(STATES.map(|other| labelled(STATE, other, is(other))));
        }
    }

    /// A line that begins an array: `md0 : active raid1 sda1[0] sdb1[1](S)`.
    fn parse_head(line: &[u8]) -> Option<Self> {
        let mut words = words(line);
        let device = words.next()?;
        if words.next()? != b":" {
            return None;
        }
        let mut array = Self {
            device: parse_name(device),
            ..Self::default()
        };
        for word in words {
            match word {
                b"active" => array.state = Some("active"),
                b"inactive" => array.state = Some("inactive"),
                word if word.starts_with(b"(") => {}
                word if word.contains(&b'[') => {
                    let count = if word.ends_with(b"(F)") {
                        &mut array.failed
                    } else if word.ends_with(b"(S)") {
                        &mut array.spare
                    } else {
                        &mut array.unmarked
                    };
                    *count += 1;
                }
                level => array.is_without_spare |= WITHOUT_SPARE.contains(&level),
            }
        }
        array.state.is_some().then_some(array)
    }

    /// A line below it.
    fn parse_more(&mut self, line: &[u8]) {
        let found: Vec<&[u8]> = words(line).collect();
        if let [blocks, b"blocks", rest @ ..] = &found[..] {
            self.blocks = parse_u64(blocks);
            self.counts = rest
                .iter()
                .rev()
                .find_map(|word| parse_pair(word, b'[', b']'));
            return;
        }
        for (word, state) in [
            (b"recovery".as_slice(), "recovering"),
            (b"resync", "resync"),
            (b"check", "check"),
        ] {
            let is_word = |other: &&[u8]| {
                other
                    .strip_prefix(word)
                    .is_some_and(|rest| matches!(rest, [] | [b'=', ..]))
            };
            if found.iter().any(is_word) {
                self.state = Some(state);
                let waits = found
                    .iter()
                    .any(|word| word.ends_with(b"=DELAYED") || word.ends_with(b"=PENDING"));
                let done = found.iter().find_map(|word| parse_pair(word, b'(', b')'));
                self.synced = match done {
                    Some((done, _)) => Some(Synced::Blocks(done)),
                    None => waits.then_some(Synced::Waits),
                };
            }
        }
    }
}

/// `[4/3]` or `(16775552/195310144)`.
fn parse_pair(word: &[u8], open: u8, close: u8) -> Option<(u64, u64)> {
    let inner = word.strip_prefix(&[open])?.strip_suffix(&[close])?;
    let slash = inner.iter().position(|byte| *byte == b'/')?;
    let (one, other) = inner.split_at_checked(slash)?;
    Some((parse_u64(one)?, parse_u64(other.strip_prefix(b"/")?)?))
}

/// Parses `/proc/mdstat`: lines that begin an array, and lines below it that
/// begin with blanks. The last array counts only where the closing line follows,
/// `unused devices`: else what it is doing may have been cut off.
pub(crate) fn parse_mdstat(text: &[u8]) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    let (mut is_of_array, mut is_closed) = (false, false);
    for line in lines(text) {
        if line
            .first()
            .is_some_and(|first| matches!(first, b' ' | b'\t'))
        {
            if let Some(array) = arrays.last_mut().filter(|_| is_of_array) {
                array.parse_more(line);
            }
            continue;
        }
        let array = Array::parse_head(line);
        is_of_array = array.is_some();
        arrays.extend(array);
        // A blank line is below the array as well.
        is_closed = line.starts_with(CLOSING);
    }
    if !is_closed {
        arrays.pop();
    }
    keep_first(&mut arrays, |array| array.device.clone());
    arrays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    const BELOW: &str = "      195310144 blocks super 1.2 [3/2] [UU_]\n";

    /// The array's state, active, failed, spare and required disks, blocks
    /// and blocks synced; -1 for what is not there.
    fn array(text: &str) -> (String, [f64; 6]) {
        let mut points = Vec::new();
        let text = format!("{text}unused devices: <none>\n");
        for array in parse_mdstat(text.as_bytes()) {
            array.expose(&mut points);
        }
        let value = |metric: &str, state: &str| {
            let found = points.iter().find(|point| {
                let is_state = point
                    .labels
                    .iter()
                    .all(|(name, value)| name != "state" || value == state);
                point.metric.name() == metric && is_state
            });
            found.map_or(-1.0, |point| point.value)
        };
        let states = STATES
            .iter()
            .filter(|state| value("node_md_state", state) == 1.0);
        let numbers = [
            value("node_md_disks", "active"),
            value("node_md_disks", "failed"),
            value("node_md_disks", "spare"),
            value("node_md_disks_required", ""),
            value("node_md_blocks", ""),
            value("node_md_blocks_synced", ""),
        ];
        (states.copied().collect(), numbers)
    }

    #[test]
    fn arrays_are_read_with_their_state() {
        let blocks = 195_310_144.0;
        for (below, state, synced) in [
            ("", "active", blocks),
            (
                "      bitmap: 0/30 pages [0KB], 65536KB chunk\n",
                "active",
                blocks,
            ),
            (
                "      [=>...]  recovery =  8.5% (167/195) finish=1min\n",
                "recovering",
                167.0,
            ),
            (
                "      [=>...]  check =  8.5% (167/195) finish=1min\n",
                "check",
                167.0,
            ),
            (
                "      [=>...]  resync =  8.5% (x/195) finish=1min\n",
                "resync",
                blocks,
            ),
            (
                "      [=>...]  reshape =  8.5% (167/195) finish=1min\n",
                "active",
                blocks,
            ),
            ("      \tresync=DELAYED\n", "resync", 0.0),
            ("\tresync=PENDING\n", "resync", 0.0),
        ] {
            let text = format!(
                "md1 : active (auto-read-only) raid1 sdb2[0] sdc3[2](F) hda[4](S) ssdc2[3](S) sdc2[1]\n{BELOW}{below}"
            );
            let expected = (state.to_owned(), [2.0, 1.0, 2.0, 3.0, blocks, synced]);
            assert_eq!(array(&text), expected, "{below}");
        }
    }

    #[test]
    fn arrays_without_counts_have_the_disks_they_list() {
        for (text, state, numbers) in [
            (
                "md12 : active raid0 sdc2[0] sdd2[1]\n      100 blocks super 1.2 512k chunks\n",
                "active",
                [2.0, 0.0, 0.0, 2.0, 100.0, 100.0],
            ),
            (
                "md219 : inactive sdb[2](S) sda[0](S)\n        7932 blocks super external:imsm\n",
                "inactive",
                [0.0, 0.0, 2.0, 0.0, 7932.0, 7932.0],
            ),
            (
                "md3 : active raid5 sda[0] sdb[1]\n      odd\n",
                "active",
                [-1.0, 0.0, 0.0, -1.0, -1.0, -1.0],
            ),
        ] {
            assert_eq!(array(text), (state.to_owned(), numbers), "{text}");
        }
    }

    #[test]
    fn what_an_array_does_may_be_cut_off() {
        let head = "md0 : active raid0 sda[0]\n      5 blocks\n\n";
        let text = format!("{head}md1 : active raid1 sdb[0] sdc[1]\n{BELOW}");
        let devices = |text: &str| {
            let arrays = parse_mdstat(text.as_bytes()).into_iter();
            arrays.map(|array| array.device).collect::<Vec<_>>()
        };
        assert_eq!(devices(&text), ["md0"]);
        let closed = format!("{text}      resync=DELAYED\n\nunused devices: <none>\n");
        assert_eq!(devices(&closed), ["md0", "md1"]);
        assert_eq!(devices(&closed.repeat(2)), ["md0", "md1"]);
    }

    #[test]
    fn text_that_is_no_array_gives_nothing() {
        let tree = Tree::new();
        assert_eq!(render(&tree, read_raids), [""; 0]);
        tree.write(
            "proc/mdstat",
            "Personalities : [raid1]\n      5 blocks [1/1] [U]\nmd0 :\nmd1 active raid1\n\
             md2 : odd raid1 sda[0]\n      5 blocks [1/1] [U]\nunused devices: <none>\n",
        );
        assert_eq!(render(&tree, read_raids), [""; 0]);
    }
}
