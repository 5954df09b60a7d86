//! What the daemon has used, as the kernel counts it.
use std::io;

use rustix::time::{ClockId, clock_gettime};

/// CPU time and memory of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all threads, those that ended included.
    pub cpu_seconds: f64,
    /// Memory in RAM.
    pub resident_bytes: u64,
}

impl Usage {
    /// Asks the kernel.
    ///
    /// # Errors
    /// If /proc is not mounted.
    pub fn read() -> io::Result<Usage> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Ok(Usage {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: resident_bytes(&std::fs::read_to_string("/proc/self/status")?),
        })
    }
}

/// `VmRSS` of proc(5), which is in units of 1,024 bytes whatever the page size.
fn resident_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::read().expect("/proc is mounted");
        assert!(usage.cpu_seconds > 0.0);
        assert!(usage.resident_bytes > 100_000);
    }
}
