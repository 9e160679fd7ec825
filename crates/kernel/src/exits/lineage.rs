//! Which root a process descends from, such as the first process of a build
//! step, as told by events of starting and ending.

use std::collections::{HashMap, VecDeque};

/// Processes that live and bear a tag. A build has thousands at most; what is
/// beyond was left behind by lost events.
const LIVING_MAX: usize = 65_536;

/// How much room is made when there is none, so that it is seldom made.
const EVICTED_AT_ONCE: usize = LIVING_MAX / 16;

/// Processes that ended are remembered, since what they used may be told after
/// their end was: this many, and this long.
const DEAD_MAX: usize = 16_384;
const DEAD_MAX_MSEC: u64 = 10_000;

/// Parents that are asked for on the way up to a root.
const DEPTH_MAX: usize = 64;

/// The tags of processes: a root's is given, a child has its parent's. Only
/// processes with a tag take room.
#[derive(Clone, Debug)]
pub struct Lineage<T> {
    lives: HashMap<u32, Life<T>>,
    /// pid and number of lives that ended, oldest first.
    dead: VecDeque<(u32, u64)>,
    lives_begun: u64,
    evicted: u64,
}

/// One process with a tag; a pid has many, one after the other.
#[derive(Clone, Copy, Debug)]
struct Life<T> {
    tag: T,
    number: u64,
    is_root: bool,
    /// That the event of its start was seen, which for a root may come after
    /// it was registered.
    is_born: bool,
    ended_msec: Option<u64>,
}

impl<T> Default for Lineage<T> {
    fn default() -> Self {
        Self {
            lives: HashMap::new(),
            dead: VecDeque::new(),
            lives_begun: 0,
            evicted: 0,
        }
    }
}

impl<T: Copy> Lineage<T> {
    /// Gives a process that lives a tag, for itself and whatever it starts
    /// from now on. Register it before the events since its start are read, so
    /// that no child is missed.
    pub fn register_root(&mut self, pid: u32, tag: T) {
        self.begin(pid, tag, true);
    }

    /// Gives a process a tag that descends from a root and was not seen to
    /// start.
    pub fn register_descendant(&mut self, pid: u32, tag: T) {
        self.begin(pid, tag, false);
    }

    /// Whether this is a root, as it was registered.
    pub fn is_root(&self, tgid: u32) -> bool {
        self.lives.get(&tgid).is_some_and(|life| life.is_root)
    }

    /// A process was started; its pid begins a new life.
    pub fn on_fork(&mut self, parent_tgid: u32, child_tgid: u32) {
        if let Some(life) = self.lives.get_mut(&child_tgid) {
            let is_own_birth = life.is_root && !life.is_born && life.ended_msec.is_none();
            if is_own_birth {
                life.is_born = true;
                return;
            }
            self.lives.remove(&child_tgid);
        }
        if let Some(tag) = self.tag_of(parent_tgid) {
            self.begin(child_tgid, tag, false);
        }
    }

    /// A process ended. Saying so twice does no harm. `now_msec` is monotonic.
    pub fn on_exit(&mut self, tgid: u32, now_msec: u64) {
        if let Some(life) = self.lives.get_mut(&tgid)
            && life.ended_msec.is_none()
        {
            life.ended_msec = Some(now_msec);
            self.dead.push_back((tgid, life.number));
        }
        self.forget_dead(now_msec);
    }

    /// The tag of a process that lives or ended a short while ago.
    pub fn tag_of(&self, tgid: u32) -> Option<T> {
        self.lives.get(&tgid).map(|life| life.tag)
    }

    /// The tag of the nearest ancestor that has one, the process itself
    /// included, for where no events of starting come. What is found is
    /// remembered for all on the way.
    pub fn resolve_by_parents(
        &mut self,
        pid: u32,
        parent_of: impl Fn(u32) -> Option<u32>,
    ) -> Option<T> {
        let mut untagged = Vec::new();
        let mut current = pid;
        while untagged.len() < DEPTH_MAX {
            if let Some(tag) = self.tag_of(current) {
                for pid in untagged {
                    self.begin(pid, tag, false);
                }
                return Some(tag);
            }
            untagged.push(current);
            current = parent_of(current).filter(|parent| *parent != 0)?;
        }
        None
    }

    /// How many processes are known, those that ended lately included.
    pub fn len(&self) -> usize {
        self.lives.len()
    }

    /// Whether no process is known.
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// How many living processes were forgotten for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn begin(&mut self, pid: u32, tag: T, is_root: bool) {
        if self.lives.len() >= LIVING_MAX + DEAD_MAX && !self.lives.contains_key(&pid) {
            self.evict();
        }
        self.lives_begun += 1;
        let life = Life {
            tag,
            number: self.lives_begun,
            is_root,
            is_born: !is_root,
            ended_msec: None,
        };
        self.lives.insert(pid, life);
    }

    /// Forgets the oldest that live and are no roots; if all are roots, of them.
    fn evict(&mut self) {
        let mut living: Vec<_> = self.lives.iter().collect();
        living.retain(|(_, life)| life.ended_msec.is_none());
        living.sort_unstable_by_key(|(_, life)| (life.is_root, life.number));
        let oldest: Vec<u32> = living
            .iter()
            .map(|(pid, _)| **pid)
            .take(EVICTED_AT_ONCE)
            .collect();
        for pid in oldest {
            self.lives.remove(&pid);
            self.evicted += 1;
        }
    }

    fn forget_dead(&mut self, now_msec: u64) {
        while let Some((pid, number)) = self.dead.front().copied() {
            // Another life of the pid is not this one's.
            let life = self.lives.get(&pid).filter(|life| life.number == number);
            let ended_msec = life.and_then(|life| life.ended_msec);
            let is_kept = ended_msec
                .is_some_and(|ended| now_msec.saturating_sub(ended) <= DEAD_MAX_MSEC)
                && self.dead.len() <= DEAD_MAX;
            if is_kept {
                return;
            }
            self.dead.pop_front();
            if ended_msec.is_some() {
                self.lives.remove(&pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: char = 'a';
    const OTHER: char = 'b';

    fn lineage() -> Lineage<char> {
        let mut lineage = Lineage::default();
        lineage.register_root(100, STEP);
        lineage
    }

    #[test]
    fn children_have_their_parents_tag() {
        let mut lineage = lineage();
        lineage.register_root(500, OTHER);
        for (parent, child) in [
            (1, 100),
            (100, 101),
            (101, 102),
            (500, 501),
            (1, 900),
            (900, 901),
        ] {
            lineage.on_fork(parent, child);
        }
        for (pid, tag) in [
            (100, Some(STEP)),
            (102, Some(STEP)),
            (501, Some(OTHER)),
            (901, None),
        ] {
            assert_eq!(lineage.tag_of(pid), tag, "{pid}");
        }
        assert_eq!(lineage.len(), 5, "those without a tag take no room");
    }

    #[test]
    fn the_dead_are_remembered_for_a_while() {
        let mut lineage = lineage();
        lineage.on_fork(100, 101);
        lineage.on_exit(101, 1_000);
        lineage.on_exit(101, 9_000);
        assert_eq!(lineage.tag_of(101), Some(STEP));
        lineage.on_exit(7, 1_000 + DEAD_MAX_MSEC);
        assert_eq!(lineage.tag_of(101), Some(STEP));
        lineage.on_exit(7, 1_001 + DEAD_MAX_MSEC);
        assert_eq!(lineage.tag_of(101), None);
    }

    #[test]
    fn a_child_of_a_dead_parent_keeps_its_tag() {
        let mut lineage = lineage();
        lineage.on_fork(100, 101);
        lineage.on_fork(101, 102);
        lineage.on_exit(101, 0);
        lineage.on_exit(100, 0);
        lineage.on_exit(7, DEAD_MAX_MSEC * 2);
        assert_eq!(lineage.tag_of(102), Some(STEP));
        lineage.on_fork(102, 103);
        assert_eq!(lineage.tag_of(103), Some(STEP));
    }

    #[test]
    fn a_pid_used_again_begins_a_new_life() {
        let mut lineage = lineage();
        lineage.on_fork(1, 100);
        lineage.on_fork(100, 101);
        // Its end was lost, or told.
        lineage.on_fork(1, 101);
        assert_eq!(lineage.tag_of(101), None);
        lineage.on_exit(100, 0);
        lineage.on_fork(1, 100);
        assert_eq!(lineage.tag_of(100), None);
        // What was remembered of the first life does not end a second one.
        lineage.register_root(100, OTHER);
        lineage.on_exit(7, DEAD_MAX_MSEC * 2);
        assert_eq!(lineage.tag_of(100), Some(OTHER));
    }

    #[test]
    fn a_roots_own_start_may_be_told_after_it_was_registered() {
        let mut lineage = lineage();
        lineage.on_fork(1, 100);
        assert_eq!(lineage.tag_of(100), Some(STEP));
        lineage.on_fork(1, 100);
        assert_eq!(lineage.tag_of(100), None);
    }

    #[test]
    fn parents_are_asked_where_no_starts_are_told() {
        let mut lineage = lineage();
        let parent_of = |pid: u32| match pid {
            105 => Some(104),
            104 => Some(100),
            200 => Some(200),
            300 => Some(1),
            1 => Some(0),
            _ => None,
        };
        assert_eq!(lineage.resolve_by_parents(105, parent_of), Some(STEP));
        assert_eq!(lineage.resolve_by_parents(105, |_| None), Some(STEP));
        assert_eq!(lineage.tag_of(104), Some(STEP));
        for pid in [200, 300, 400] {
            assert_eq!(lineage.resolve_by_parents(pid, parent_of), None, "{pid}");
        }
        assert_eq!(lineage.len(), 3);
    }

    #[test]
    fn room_is_bounded_and_what_is_forgotten_counted() {
        let mut lineage = lineage();
        let children = u32::try_from(LIVING_MAX + 2 * DEAD_MAX).unwrap();
        for child in 1_000..1_000 + children {
            lineage.on_fork(100, child);
        }
        assert!(lineage.len() <= LIVING_MAX + DEAD_MAX);
        assert_eq!(
            lineage.evicted() + lineage.len() as u64,
            u64::from(children) + 1
        );
        assert_eq!(lineage.tag_of(100), Some(STEP), "roots stay");
        assert_eq!(lineage.tag_of(1_000), None, "the oldest go");
    }

    #[test]
    fn the_dead_are_bounded_in_number() {
        let mut lineage = lineage();
        let children = u32::try_from(DEAD_MAX + 10).unwrap();
        for child in 1_000..1_000 + children {
            lineage.on_fork(100, child);
            lineage.on_exit(child, 0);
        }
        assert_eq!(lineage.len(), DEAD_MAX + 1);
        assert_eq!(lineage.evicted(), 0);
    }
}
