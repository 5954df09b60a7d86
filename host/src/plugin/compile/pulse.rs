//! Whether a compiler is getting on: by the processor time that it has used, for it stands back for everything else on
//! the node, and by the clock it may take any time there.
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// How often to look, at most.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// `/proc` tells processor time in clock ticks of 1/100 s (`USER_HZ`).
const TICK_MS: u64 = 10;

/// What is known of a process's progress.
pub(super) struct Pulse {
    pid: Pid,
    used: Duration,
    /// When it was last seen to have got on.
    since: Instant,
    looked: Instant,
}

impl Pulse {
    /// That of a process that has just been started, and not been waited for.
    pub(super) fn of(pid: Pid) -> Pulse {
        let now = Instant::now();
        Pulse {
            pid,
            used: Duration::ZERO,
            since: now,
            looked: now,
        }
    }

    /// It read or wrote something.
    pub(super) fn beat(&mut self) {
        self.since = Instant::now();
    }

    /// Looks, if it is time to: the processor time that it has used, and how long ago it was last seen to get on.
    pub(super) fn look(&mut self) -> Option<(Duration, Duration)> {
        let now = Instant::now();
        if now.duration_since(self.looked) < EVERY {
            return None;
        }
        self.looked = now;
        let used = processor_time(self.pid).unwrap_or(self.used);
        if used > self.used {
            (self.used, self.since) = (used, now);
        }
        Some((self.used, now.duration_since(self.since)))
    }
}

/// Processor time of all threads of a process that is this one's child.
fn processor_time(pid: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name may hold anything, so it ends at the last `)`; then come fields 3 and following of proc_pid_stat(5).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(ticks.saturating_mul(TICK_MS)))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_computes_gets_on_and_who_sleeps_does_not() {
        for (line, gets_on) in [("while :; do :; done", true), ("exec sleep 100", false)] {
            let mut child = Command::new("/bin/sh")
                .args(["-c", line])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut pulse = Pulse::of(Pid::from_child(&child));
            let begin = Instant::now();
            let has_got_on = loop {
                std::thread::yield_now();
                let Some((used, idle)) = pulse.look() else { continue };
                if used > Duration::from_millis(200) {
                    break true;
                }
                if idle > Duration::from_millis(500) && begin.elapsed() > Duration::from_secs(1) {
                    break false;
                }
            };
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(has_got_on, gets_on, "{line}");
        }
    }
}
