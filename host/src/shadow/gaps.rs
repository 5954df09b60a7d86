//! Ranges of event time in which events were dropped.

/// Ranges kept. If there are more, neighbours become one, so that what is between them counts as dropped too.
const RANGES: usize = 64;

/// Ranges of event time, in order, that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<(u64, u64)>);

impl Gaps {
    /// Adds a range, with both its ends.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first.min(last), first.max(last));
        let begin = self.0.partition_point(|range| range.1 < first);
        let end = self.0.partition_point(|range| range.0 <= last);
        if let Some(overlapping) = self.0.get(begin..end).filter(|ranges| !ranges.is_empty()) {
            first = first.min(overlapping[0].0);
            last = last.max(overlapping[overlapping.len() - 1].1);
        }
        self.0.splice(begin..end.max(begin), [(first, last)]);
        if self.0.len() > RANGES {
            let nearest = (1..self.0.len()).min_by_key(|at| self.0[*at].0 - self.0[at - 1].1);
            if let Some(at) = nearest {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
        }
    }

    /// Whether anything was dropped from `from` to `to`, both included.
    pub(super) fn touch(&self, from: u64, to: u64) -> bool {
        let at = self.0.partition_point(|range| range.1 < from);
        self.0.get(at).is_some_and(|range| range.0 <= to)
    }

    /// Forgets ranges that end before `time`.
    pub(super) fn forget_before(&mut self, time: u64) {
        self.0.retain(|range| range.1 >= time);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn when_there_are_too_many_the_nearest_become_one() {
        let mut gaps = Gaps::default();
        (0..200).for_each(|at| gaps.add(at * 10, at * 10 + 1));
        assert_eq!(gaps.0.len(), RANGES);
        assert!((0..200).all(|at| gaps.touch(at * 10, at * 10)));
        assert!(!gaps.touch(2_000, 9_000));
        gaps.forget_before(u64::MAX);
        assert!(gaps.0.is_empty());
    }

    proptest! {
        #[test]
        fn a_time_is_in_a_gap_if_it_is_in_one_of_the_ranges(
            ranges in prop::collection::vec((0_u64..200, 0_u64..20), 0..30), from in 0_u64..240, length in 0_u64..9
        ) {
            let mut gaps = Gaps::default();
            for (first, length) in &ranges {
                gaps.add(*first, first + length);
            }
            let to = from + length;
            let expected = ranges.iter().any(|(first, length)| *first <= to && from <= first + length);
            prop_assert_eq!(gaps.touch(from, to), expected);
            prop_assert!(gaps.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
