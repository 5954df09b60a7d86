//! The kernel's time, and ours.
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Turns the kernel's boot clock into Unix time. Read once: a step of the wall clock must not reorder events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Unix time at boot, in nanoseconds; the time spent suspended is in the boot clock.
    pub boot_to_unix_ns: u64,
}

impl Clock {
    /// What the two clocks say now. The wall clock is read between two readings of the boot clock, and of a few tries
    /// the closest pair counts.
    #[must_use]
    pub fn now() -> Clock {
        let tries = (0..5).map(|_| {
            let before = nanoseconds(clock_gettime(ClockId::Boottime));
            let wall = nanoseconds(clock_gettime(ClockId::Realtime));
            let after = nanoseconds(clock_gettime(ClockId::Boottime));
            (after - before, wall.saturating_sub(before.midpoint(after)))
        });
        Clock {
            boot_to_unix_ns: tries.min().map_or(0, |(_, difference)| difference),
        }
    }

    /// What it is now, in the time of events.
    #[must_use]
    pub fn now_in_events(self) -> u64 {
        self.unix(nanoseconds(clock_gettime(ClockId::Boottime)))
    }

    /// A time of the boot clock as Unix nanoseconds; 0, which means not known, stays 0.
    #[must_use]
    pub fn unix(self, boot_ns: u64) -> u64 {
        if boot_ns == 0 {
            0
        } else {
            boot_ns.saturating_add(self.boot_to_unix_ns)
        }
    }

    /// The time on the boot clock; 0 stays 0.
    #[must_use]
    pub fn since_boot(self, unix_ns: u64) -> u64 {
        unix_ns.saturating_sub(self.boot_to_unix_ns)
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
