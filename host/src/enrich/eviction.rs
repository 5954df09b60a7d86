//! What keeps the table within its bounds: ended processes go after a time of grace, or earlier when the table is full;
//! then the running ones that nothing was heard of for the longest. An ancestor goes after its last descendant.
//! Too much text is first met by cutting long arguments short.
use super::table::{Evictions, ProcessTable};
use super::{Found, Process, ProcessId};
use crate::event::{Image, Known, Subject, process_flags};

/// Bytes of arguments that a process keeps when there is too much text.
const TRIMMED_ARGS: usize = 256;

impl ProcessTable {
    /// Asks about up to `budget` processes whether they still run, going on where the last call stopped, and takes
    /// those that do not for ended. Worth it when ends of processes were lost. Returns how many were found ended.
    pub fn sweep(&mut self, budget: usize, mut is_alive: impl FnMut(&Process) -> bool) -> usize {
        let mut swept = 0;
        for _ in 0..budget.min(self.slots.len()) {
            let at = self.swept % self.slots.len();
            self.swept = at + 1;
            let process = &self.slots[at];
            if process.pid == 0 || process.has_ended() || is_alive(process) {
                continue;
            }
            let (pid, start, uid, gid) = (process.pid, process.start, process.uid, process.gid);
            let Some(id) = self.find_about(pid, start) else {
                continue;
            };
            self.end(id, self.now);
            swept += 1;
            self.keep(Found::Process(Known {
                subject: Subject {
                    pid,
                    tid: pid,
                    start,
                    uid,
                    gid,
                    cgroup: 0,
                },
                image: Image {
                    flags: process_flags::EXITED,
                    ..Image::default()
                },
                restated: None,
            }));
        }
        swept
    }

    /// Lets go of what is due, and of more if the table exceeds its bounds by `slack` processes.
    pub(super) fn make_room(&mut self, slack: usize) {
        let is_due = |ended: Option<&ProcessId>| {
            ended.is_some_and(|id| self.slots[id.index()].ended.saturating_add(self.options.grace_ns) <= self.now)
        };
        // Nearly always, and asked before every event.
        if !self.is_full(slack) && !is_due(self.ended.front()) {
            return;
        }
        if self.holds_too_much_text() {
            self.trim();
        }
        while let Some(&id) = self.ended.front() {
            let is_due = self.slots[id.index()].ended.saturating_add(self.options.grace_ns) <= self.now;
            if !is_due && !self.is_full(slack) {
                return;
            }
            self.ended.pop_front();
            let process = &mut self.slots[id.index()];
            process.queued = false;
            if process.children == 0 {
                let Evictions { expired, ended, .. } = &mut self.evictions;
                *(if is_due { expired } else { ended }) += 1;
                self.remove(id);
            }
        }
        while self.is_full(slack) && self.evict_running() {}
    }

    fn is_full(&self, slack: usize) -> bool {
        self.len() > self.options.capacity.saturating_add(slack) || self.holds_too_much_text()
    }

    fn holds_too_much_text(&self) -> bool {
        self.images.text() > self.options.text_capacity
    }

    fn trim(&mut self) {
        for at in 0..self.slots.len() {
            let process = &mut self.slots[at];
            let Some(image) = process.image.with_fewer_args(TRIMMED_ARGS) else {
                continue;
            };
            process.image = image;
            process.flags |= process_flags::ARGS_TRUNCATED;
            self.version += 1;
            process.version = self.version;
            self.evictions.trimmed += 1;
        }
    }

    /// Evicts a share of the running processes at once, so that looking for them is paid for once.
    fn evict_running(&mut self) -> bool {
        let leaves = self
            .slots
            .iter()
            .zip(0..)
            .filter(|(process, _)| process.pid != 0 && process.children == 0);
        let mut leaves: Vec<(u64, ProcessId)> =
            leaves.map(|(process, at)| (process.last_seen, ProcessId(at))).collect();
        leaves.sort_unstable_by_key(|&(last_seen, id)| (last_seen, id));
        leaves.truncate((self.options.capacity / 32).max(1).min(leaves.len()));
        for &(_, id) in &leaves {
            self.evictions.running += 1;
            self.remove(id);
        }
        !leaves.is_empty()
    }
}
