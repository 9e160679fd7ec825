//! Who lives, from frame to frame: what was born, changed and went.

use crate::moments::fields::{Known, Values};
use crate::moments::frame::ProcessRow;
use crate::moments::texts::Texts;

/// What became of a process since the frame before. `place` is where it was
/// among those of then.
#[derive(Debug)]
pub(super) enum Change<'a> {
    Gone {
        place: usize,
    },
    Changed {
        place: usize,
        before: Values,
        known: &'a Known,
    },
    /// `tag` is for the listener's own use, and is kept.
    Born {
        known: &'a Known,
        tag: &'a mut u32,
    },
}

/// The processes that live, sorted by their keys.
#[derive(Debug, Default)]
pub(super) struct Live {
    all: Vec<(Known, u32)>,
    spare: Vec<(Known, u32)>,
    pub(super) texts: Texts,
}

impl Live {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.texts.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Known, u32)> {
        self.all.iter()
    }

    /// Takes in those that live now, sorted by their keys, and tells what
    /// changed. `tag` of a change is that of its process.
    #[expect(single_use_lifetimes, reason = "an iterator's must have a name")]
    pub(super) fn step<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a ProcessRow>,
        mut tell: impl FnMut(Change<'_>, u32),
    ) {
        let Self { all, spare, texts } = self;
        spare.clear();
        let mut old = all.drain(..).enumerate().peekable();
        for row in rows {
            let key = row.key();
            while let Some((place, (_, tag))) = old.next_if(|one| one.1.0.key < key) {
                tell(Change::Gone { place }, tag);
            }
            let found = old.next_if(|one| one.1.0.key == key);
            if let Some((place, (mut known, tag))) = found {
                let before = known.update(row, texts);
                if before != known.values {
                    let known = &known;
                    let change = Change::Changed {
                        place,
                        before,
                        known,
                    };
                    tell(change, tag);
                }
                spare.push((known, tag));
            } else {
                let known = Known::new(row, texts);
                let mut tag = 0;
                let change = Change::Born {
                    known: &known,
                    tag: &mut tag,
                };
                tell(change, 0);
                spare.push((known, tag));
            }
        }
        for (place, (_, tag)) in old {
            tell(Change::Gone { place }, tag);
        }
        std::mem::swap(all, spare);
    }
}
