//! Processes as `/proc` shows them: at start, and when an event names one that nothing is known of.
//!
//! A process may end while it is being read. Then what was read is dropped, or, if the essential part is there, the
//! rest is left empty. Formats are those of proc(5) and of the kernel's Documentation/filesystems/proc.rst.
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::namespaces::namespace;
use super::passwd::Passwd;
use super::process::TICK_NS;
use super::runc::Runc;
use super::share::Share;
use super::{Container, Process, Source, container};
use crate::event::{Accounts, Image, Known, KnownAccount, KnownContainer, Subject, process_flags};

mod stat;

use stat::Stat;

/// Share of the time that looking processes up may take: beyond it, an overloaded daemon would fall behind further.
const MAX_SHARE: u32 = 4;
/// What may be spent at once after a quiet time.
const MAX_SAVED: Duration = Duration::from_millis(250);

/// `/proc` of this node.
#[derive(Debug)]
pub struct Procfs {
    proc: PathBuf,
    runc: Runc,
    boot_offset_ns: u64,
    passwd: Passwd,
    share: Share,
}

impl Procfs {
    /// `boot_offset_ns` is what the daemon adds to `CLOCK_BOOTTIME` to get Unix time, in nanoseconds.
    #[must_use]
    pub fn new(boot_offset_ns: u64) -> Procfs {
        Procfs {
            proc: "/proc".into(),
            runc: Runc::new("/run/runc".into()),
            boot_offset_ns,
            passwd: Passwd::new("/proc".into(), Share::new(MAX_SHARE, MAX_SAVED)),
            share: Share::new(MAX_SHARE, MAX_SAVED),
        }
    }

    /// All running processes, parents before their children.
    ///
    /// # Errors
    /// If `/proc` itself cannot be listed.
    pub fn processes(&self) -> io::Result<Vec<Known<'static>>> {
        let entries = fs::read_dir(&self.proc)?;
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut unsorted: HashMap<u32, Known<'static>> = HashMap::new();
        let mut pids: Vec<u32> = pids.collect();
        pids.retain(|&pid| {
            self.read(pid)
                .is_some_and(|known| unsorted.insert(pid, known).is_none())
        });
        let mut sorted = Vec::with_capacity(pids.len());
        for pid in pids {
            let mut lineage = Vec::new();
            let mut next = pid;
            while let Some(known) = unsorted.remove(&next) {
                next = known.image.ppid;
                lineage.push(known);
            }
            sorted.extend(lineage.into_iter().rev());
        }
        Ok(sorted)
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_alive(&self, process: &Process) -> bool {
        let stat = read(&self.proc.join(process.pid.to_string()).join("stat"));
        let stat = stat.as_deref().and_then(Stat::parse);
        stat.is_some_and(|stat| !stat.is_zombie && process.started(self.start(&stat), false))
    }

    /// A process; none if it ended before the essential part was read.
    #[must_use]
    pub fn read(&self, pid: u32) -> Option<Known<'static>> {
        let folder = self.proc.join(pid.to_string());
        let text = read(&folder.join("stat"))?;
        let stat = Stat::parse(&text)?;
        let users = stat::users(&read(&folder.join("status"))?)?;
        let mut flags = if stat.is_kernel_thread {
            process_flags::KERNEL
        } else {
            0
        };
        let (exe, exe_flags) = executable(&folder);
        let (args, is_cut) = arguments(&folder);
        flags |= exe_flags | if is_cut { process_flags::ARGS_TRUNCATED } else { 0 };
        let image = Image {
            ppid: stat.ppid,
            parent_start: 0,
            euid: users.euid,
            egid: users.egid,
            capabilities: users.capabilities,
            login_uid: number(&folder.join("loginuid")),
            session: number(&folder.join("sessionid")),
            namespaces: vespid_ebpf::NAMESPACES.map(|name| namespace(&folder, name)),
            flags,
            comm: stat.comm.to_vec().into(),
            tty: stat.tty().into_bytes().into(),
            exe: exe.into(),
            args_total: u32::try_from(args.len()).unwrap_or(u32::MAX),
            args: args.into(),
            cwd: link(&folder.join("cwd")).into(),
            cgroup_path: container::choose(&read(&folder.join("cgroup")).unwrap_or_default())
                .to_vec()
                .into(),
        };
        // The pid may have been used again meanwhile.
        let again = read(&folder.join("stat"))?;
        let is_same = Stat::parse(&again)?.start_ticks == stat.start_ticks;
        let subject = Subject {
            pid,
            tid: pid,
            start: self.start(&stat),
            uid: users.uid,
            gid: users.gid,
            cgroup: 0,
        };
        is_same.then_some(Known {
            subject,
            image,
            restated: None,
        })
    }

    fn start(&self, stat: &Stat<'_>) -> u64 {
        start(stat, self.boot_offset_ns)
    }
}

impl Source for Procfs {
    fn look_up(&mut self, pid: u32) -> Option<Known<'static>> {
        let begun = Instant::now();
        if self.share.left(begun).is_zero() {
            return None;
        }
        let known = self.read(pid);
        self.share.spend(begun.elapsed());
        known
    }

    fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        self.runc.container_of(cgroup)
    }

    fn account(
        &mut self,
        process: &Process,
        container: Option<&Container>,
        of: Accounts,
        id: u32,
    ) -> Option<KnownAccount<'static>> {
        let (folder, offset) = (self.proc.join(process.pid.to_string()), self.boot_offset_ns);
        let is_still = || {
            let stat = read(&folder.join("stat"));
            let stat = stat.as_deref().and_then(Stat::parse);
            stat.is_some_and(|stat| process.started(start(&stat, offset), false))
        };
        self.passwd.account(process.pid, container, of, id, is_still)
    }
}

/// When a process started, in Unix nanoseconds.
fn start(stat: &Stat<'_>, boot_offset_ns: u64) -> u64 {
    stat.start_ticks.saturating_mul(TICK_NS).saturating_add(boot_offset_ns)
}

/// A whole file; none if it or the process is gone.
fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

/// A file with one number; `u32::MAX`, as the kernel has it for "unset", if there is none.
fn number(path: &Path) -> u32 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(u32::MAX)
}

/// What a link says; empty if it cannot be read, as for a kernel thread.
fn link(path: &Path) -> Vec<u8> {
    fs::read_link(path)
        .map(|target| target.into_os_string().into_vec())
        .unwrap_or_default()
}

/// Path of the executable, without what the kernel appends if it was deleted, and the flags that say so.
fn executable(folder: &Path) -> (Vec<u8>, u32) {
    let path = folder.join("exe");
    let target = link(&path);
    let Some(name) = target.strip_suffix(b" (deleted)") else {
        return (target, 0);
    };
    if let Some(memfd) = name.strip_prefix(b"/memfd:") {
        return ([b"memfd:", memfd].concat(), process_flags::MEMFD);
    }
    // A file may really be called so.
    match fs::metadata(&path) {
        Ok(file) if file.nlink() > 0 => (target, 0),
        _ => (name.to_vec(), process_flags::DELETED),
    }
}

/// Arguments as an exec event has them, each with its NUL, and whether they were cut.
fn arguments(folder: &Path) -> (Vec<u8>, bool) {
    let mut args = Vec::new();
    let most = vespid_ebpf::MAX_ARGS as u64 + 1;
    let complete = fs::File::open(folder.join("cmdline")).and_then(|file| file.take(most).read_to_end(&mut args));
    let is_cut = complete.is_err() || args.len() > vespid_ebpf::MAX_ARGS;
    args.truncate(vespid_ebpf::MAX_ARGS);
    // A process that wrote its own title may have left out the last one.
    if !is_cut && args.last().is_some_and(|&last| last != 0) {
        args.push(0);
    }
    (args, is_cut)
}

#[cfg(test)]
mod tests;
