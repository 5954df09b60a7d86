//! What becomes known of a process that the table holds already, put into its entry.
use std::sync::Arc;

use super::process::{Group, ProcessId};
use super::table::ProcessTable;
use crate::event::{self, Subject, process_flags};

impl ProcessTable {
    pub(super) fn set_group(&mut self, id: ProcessId, group: Arc<Group>) {
        let old = self.slots[id.index()].container();
        self.containers.retain(group.container);
        self.containers.release(old);
        self.slots[id.index()].group = group;
        self.touch(id);
    }

    pub(super) fn set_image(&mut self, id: ProcessId, subject: &Subject, image: &event::Image<'_>, flags: u32) {
        let fresh = self.images.make(image);
        let process = &mut self.slots[id.index()];
        self.images.retire(std::mem::replace(&mut process.image, fresh));
        (process.uid, process.gid, process.euid) = (subject.uid, subject.gid, image.euid);
        process.login_uid = image.login_uid;
        process.namespaces = image.namespaces;
        process.flags = flags | (process.flags & process_flags::EXITED);
        if subject.cgroup != 0 {
            process.cgroup_id = subject.cgroup;
        }
        self.touch(id);
        self.name_user(id);
    }

    pub(super) fn end(&mut self, id: ProcessId, time: u64) {
        let process = &mut self.slots[id.index()];
        if !process.has_ended() {
            process.flags |= process_flags::EXITED;
            process.ended = time;
            process.queued = true;
            // Nearly always the last one; not where a recording restates what was.
            let slots = &self.slots;
            let later = self.ended.iter().rev();
            let later = later.take_while(|other| slots[other.index()].ended > time).count();
            self.ended.insert(self.ended.len() - later, id);
        }
    }
}
