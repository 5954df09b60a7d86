//! Things that are measured in turn, so that what the machine does meanwhile meets all of them alike.
use rustix::time::{ClockId, clock_gettime};

use crate::alloc::{Allocated, counted};

/// Rounds that are not counted: tables grow to their size, caches fill.
const WARM_UP: usize = 3;

/// Something that is done again and again.
pub trait Course {
    /// Gets ready; not measured.
    fn prepare(&mut self) {}

    /// Does it, and says for how many events.
    fn run(&mut self) -> u64;
}

/// Anything that needs no preparation.
pub struct Plain<F>(pub F);

impl<F: FnMut() -> u64> Course for Plain<F> {
    fn run(&mut self) -> u64 {
        (self.0)()
    }
}

/// What one event costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Nanoseconds of this thread's CPU time, at the median of the rounds.
    pub ns: f64,
    /// Half the distance of the rounds' quartiles, as a share of `ns`.
    pub spread: f64,
    /// Allocations.
    pub allocations: f64,
    /// Bytes allocated.
    pub bytes: f64,
}

impl Cost {
    /// Of several measurements of the same, the one in the middle.
    ///
    /// # Panics
    /// Without any.
    #[must_use]
    pub fn median(costs: &[Cost]) -> Cost {
        let mut costs = costs.to_vec();
        costs.sort_unstable_by(|one, other| one.ns.total_cmp(&other.ns));
        costs[costs.len() / 2]
    }
}

/// CPU time of this thread: what else runs on the machine may slow it down, but is not counted for it.
fn cpu_seconds() -> f64 {
    vespid::clock::timespec_seconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// Runs all courses once a round, one after another, and says what an event costs in each.
pub fn interleave(rounds: usize, courses: &mut [Box<dyn Course + '_>]) -> Vec<Cost> {
    let mut books: Vec<Book> = courses.iter().map(|_| Book::default()).collect();
    for round in 0..rounds + WARM_UP {
        for (course, book) in courses.iter_mut().zip(&mut books) {
            course.prepare();
            let begin = cpu_seconds();
            let (events, allocated) = counted(|| course.run());
            let took = cpu_seconds() - begin;
            if round >= WARM_UP {
                book.add(took * 1e9, events, allocated);
            }
        }
    }
    books.into_iter().map(Book::close).collect()
}

#[derive(Default)]
struct Book {
    times: Vec<f64>,
    events: u64,
    allocated: Allocated,
}

impl Book {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn add(&mut self, ns: f64, events: u64, allocated: Allocated) {
        self.times.push(ns / events.max(1) as f64);
        self.events += events;
        self.allocated.count += allocated.count;
        self.allocated.bytes += allocated.bytes;
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn close(mut self) -> Cost {
        self.times.sort_unstable_by(f64::total_cmp);
        let quantile = |quarter: usize| {
            let at = self.times.len() * quarter / 4;
            self.times.get(at).copied().unwrap_or(f64::NAN)
        };
        let ns = quantile(2);
        Cost {
            ns,
            spread: (quantile(3) - quantile(1)) / 2.0 / ns,
            allocations: self.allocated.count as f64 / self.events.max(1) as f64,
            bytes: self.allocated.bytes as f64 / self.events.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_interleaved_and_the_first_ones_not_counted() {
        let order = std::cell::RefCell::new(Vec::new());
        let course = |name: char| -> Box<dyn Course + '_> {
            let order = &order;
            Box::new(Plain(move || {
                order.borrow_mut().push(name);
                drop(Vec::<u8>::with_capacity(20));
                10
            }))
        };
        let costs = interleave(2, &mut [course('a'), course('b')]);
        let order: String = order.borrow().iter().collect();
        assert_eq!(order, "ab".repeat(WARM_UP + 2));
        assert_eq!(costs.len(), 2);
        assert!(costs[1].allocations >= 0.1 && costs[1].ns > 0.0);
    }
}
