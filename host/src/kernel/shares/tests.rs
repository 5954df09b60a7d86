//! The programs' rule, on a ring that nobody reads.
use proptest::prelude::*;
use vespid_ebpf::Kind;
use vespid_ebpf::share::{allowance, ceiling, shared_from, turn};

const RING: u64 = 1 << 20;

/// A ring with writers.
struct Ring {
    pending: u64,
    written: u64,
    /// By writer: the turn, and what was used of it.
    used: Vec<(u64, u64)>,
}

impl Ring {
    fn new(writers: usize) -> Ring {
        Ring {
            pending: 0,
            written: 0,
            used: vec![(0, 0); writers],
        }
    }

    /// Whether the record was written, as `has_room` in the programs decides it.
    fn write(&mut self, writer: usize, kind: Kind, bytes: u64) -> bool {
        let now = self.written / turn(RING);
        let used = match self.used[writer] {
            (turn, used) if turn == now => used,
            _ => 0,
        };
        if self.pending >= ceiling(RING, kind) || used >= allowance(RING, self.pending, kind) {
            return false;
        }
        if self.pending >= shared_from(RING) {
            self.used[writer] = (now, used + bytes);
        }
        self.pending += bytes;
        self.written += bytes;
        true
    }
}

proptest! {
    /// The daemon stands still for good. Whoever floods, however many, in whatever order and place of the ring: one that
    /// writes little gets all of it in.
    #[test]
    fn little_always_gets_in(
        floods in 1..12_usize,
        at in 0..RING,
        order in prop::collection::vec((0..12_usize, 64..1024_u64), 1..40),
    ) {
        let mut ring = Ring::new(floods + 1);
        ring.written = at;
        let shared = ceiling(RING, Kind::Open) - shared_from(RING);
        // What they leave is at least a part in so many, and of that it may have a quarter.
        let little = shared / (10 * (floods as u64 + 3));
        let mut said = 0;
        for round in 0..20_000 {
            let (writer, bytes) = order[round % order.len()];
            ring.write(writer % floods, Kind::Open, bytes);
            // A little now and then, so that its last comes when all others have long been stopped.
            if round % 100 == 99 && said + bytes <= little {
                prop_assert!(ring.write(floods, Kind::Open, bytes), "{said} of {little} with {} left", RING - ring.pending);
                said += bytes;
            }
        }
    }

    /// Below the half nobody is asked, and above it opens stop before what verdicts are mostly about.
    #[test]
    fn kinds_stop_in_their_order(records in prop::collection::vec((0..3_usize, 64..4096_u64), 1..2000)) {
        let mut ring = Ring::new(3);
        for (writer, bytes) in records {
            let was = ring.pending;
            let is_in = ring.write(writer, Kind::Open, bytes);
            prop_assert!(is_in || was >= shared_from(RING));
            prop_assert!(ring.pending < ceiling(RING, Kind::Open) + 4096);
            if !is_in {
                let mut other = Ring { used: ring.used.clone(), ..ring };
                prop_assert!(other.write(writer, Kind::Privileged, 64));
            }
        }
    }
}
