//! The clocks: events bear the kernel's boot clock, set once against that of the wall.
use std::fs;

use super::calls::{self, Synchronised};
use super::{Check, Topic};

const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![wall()];
    checks.extend(source());
    checks
}

fn wall() -> Check {
    const NAME: &str = "wall clock";
    match calls::synchronised() {
        Synchronised::Within { microseconds } => Check::good(
            Topic::Node,
            NAME,
            format!("synchronised, within {} ms", microseconds.div_ceil(1000)),
        ),
        Synchronised::Not => Check::note(
            Topic::Node,
            NAME,
            "not synchronised: times of this node and of others may differ by any amount",
            "run chrony, systemd-timesyncd or another NTP client; then restart the daemon, which sets its events' time once",
        ),
        Synchronised::Unknown => Check::good(Topic::Node, NAME, "the kernel does not say whether it is synchronised"),
    }
}

fn source() -> Option<Check> {
    const NAME: &str = "clock source";
    let found = fs::read_to_string(CURRENT).ok()?;
    let found = found.trim();
    Some(match found {
        "hpet" | "acpi_pm" | "jiffies" => Check::note(
            Topic::Node,
            NAME,
            format!("{found}: reading it takes the kernel about a microsecond an event"),
            "find out why the kernel gave up its faster clock (dmesg | grep -i clocksource)",
        ),
        _ => Check::good(Topic::Node, NAME, found),
    })
}
