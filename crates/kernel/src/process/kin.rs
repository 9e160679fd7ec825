//! Who descends from whom.

use std::collections::HashMap;

/// More generations than any build has; a longer chain is a circle, seen while
/// pids were used again.
const GENERATIONS_MAX: usize = 256;

/// The root that each process descends from, by pid; the nearest, where there
/// are several. The roots themselves descend from none. `parents` are pids with
/// the pid of the parent.
pub fn derive_roots<T>(
    parents: impl Iterator<Item = (u32, u32)>,
    roots: &HashMap<u32, T>,
) -> HashMap<u32, &T> {
    if roots.is_empty() {
        return HashMap::new();
    }
    let parents: HashMap<u32, u32> = parents.collect();
    let root_of = |pid: u32| {
        let ancestors = std::iter::successors(parents.get(&pid), |pid| parents.get(pid));
        let mut ancestors = ancestors.take(GENERATIONS_MAX);
        ancestors.find_map(|pid| roots.get(pid))
    };
    let pids = parents.keys();
    pids.filter_map(|pid| Some((*pid, root_of(*pid)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn descendants_have_their_nearest_root_and_a_circle_ends() {
        // init, two keepers, one below the other's shell, and a circle.
        let parents = [
            (1, 0),
            (10, 1),
            (11, 10),
            (12, 11),
            (20, 12),
            (21, 20),
            (30, 31),
            (31, 30),
        ];
        let roots = HashMap::from([(10, "outer"), (20, "inner")]);
        let found = derive_roots(parents.into_iter(), &roots);
        let mut found: Vec<(u32, &str)> =
            found.into_iter().map(|(pid, root)| (pid, *root)).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [(11, "outer"), (12, "outer"), (20, "outer"), (21, "inner")]
        );
    }
}
